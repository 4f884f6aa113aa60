"""Attacks on reverse verifications, against a real web process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from redis import Redis

from config.demo.embedded import EmbeddedServer
from tests.attack.conftest import Target, environment
from tests.attack.test_inbound import PUBLIC, TOKEN, by_twilio, hand_over
from tests.attack.wire import Answer
from tests.sms.providers.test_vonage import BASE64, SECRET, signed

OURS = "+12025550100"
VERIFICATIONS = "/v1/verifications"

phones = (f"+1202555{tail:04d}" for tail in count(1000))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    providers = {
        "twilio": f"twilio://AC{'0' * 32}:{TOKEN}@?from=%2B12025550100",
        "vonage": f"vonage://app-1@?key={BASE64}&from=Shop&signature_secret={SECRET}",
    }
    with EmbeddedServer() as server:
        settings = environment(server.url) | {"PAGES": "off", "PUBLIC_URL": PUBLIC}
        settings["SMS_PROVIDERS"] = ",".join(f"{name}={url}" for name, url in providers.items())
        settings |= {"OTP_PURPOSES": '{"login": {"reverse": true}}', "OTP_REVERSE": f"twilio={OURS}"}
        with Target(tmp_path_factory.mktemp("target"), **settings) as stack:
            stack.start("web")
            yield stack
            stack.assert_unhurt()


class Begun:
    """A verification of somebody, and what can be done to it."""

    def __init__(self, target: Target) -> None:
        self.target, self.phone = target, next(phones)
        _, found, _ = target.call("POST", VERIFICATIONS, {"phone": self.phone, "reverse": True})
        self.path, self.text = f"{VERIFICATIONS}/{found['id']}", found["reverse"]["text"]
        self.id = found["id"]

    def said(self, text: str = "", phone: str = "") -> tuple[bytes, dict[str, str]]:
        """The bytes that Twilio signs."""
        fields = {"MessageSid": "SM1", "From": phone or self.phone, "To": OURS, "Body": text or self.text}
        return by_twilio(fields)

    def send(self, *, text: str = "", phone: str = "") -> Answer:
        return hand_over(self.target, "twilio", *self.said(text, phone))

    def status(self) -> str:
        _, found, _ = self.target.call("GET", self.path)
        return str(found["status"])

    def told(self, event: str) -> int:
        lines = map(json.loads, self.target.log("web").splitlines())
        return sum(line.get("verification_id") == self.id and line["event"] == event for line in lines)


def test_only_the_vouched_vendors_own_word_of_the_very_number_counts(target):
    begun = Begun(target)
    body, headers = begun.said()
    forged = {"X-Twilio-Signature": "A" * 28}
    assert hand_over(target, "twilio", body, headers | forged).status == 403
    message = {"channel": "sms", "message_uuid": "u", "from": begun.phone[1:], "to": OURS[1:]}
    of_vonage = json.dumps(message | {"text": begun.text}).encode()
    assert hand_over(target, "vonage", of_vonage, signed(of_vonage)).status == 204  # genuine, not vouched
    for other in (next(phones), "Otpost", f"whatsapp:{begun.phone}", f"{begun.phone};x", begun.phone[2:]):
        assert begun.send(phone=other).status == 200
    assert begun.status() == "pending"
    assert begun.send().status == 200
    assert begun.status() == "valid"


def test_a_replay_proves_nothing_again(target):
    begun = Begun(target)
    call = begun.said()
    for _ in range(3):
        assert hand_over(target, "twilio", *call).status == 200
    assert begun.told("code_valid") == 1
    _, found, _ = target.call("POST", VERIFICATIONS, {"phone": begun.phone, "reverse": True})
    hand_over(target, "twilio", *call)
    _, again, _ = target.call("GET", f"{VERIFICATIONS}/{found['id']}")
    assert (again["status"], again["attempts_left"]) == ("pending", 2)


def test_a_text_and_a_cancel_at_once_have_one_outcome(target):
    for turn in range(10):
        begun = Begun(target)
        call = begun.said()

        def send(call: tuple[bytes, dict[str, str]] = call) -> int:
            return hand_over(target, "twilio", *call).status

        def cancel(path: str = begun.path) -> int:
            return target.call("DELETE", path)[0]

        with ThreadPoolExecutor(2) as pool:  # each goes first as often as the other
            first, second = (pool.submit(step) for step in ((send, cancel), (cancel, send))[turn % 2])
        assert {first.result(), second.result()} == {200, 204}
        outcome = begun.told("code_valid"), begun.told("verification_cancelled")
        assert outcome in ((1, 0), (0, 1))
        assert begun.status() == ("valid" if outcome[0] else "expired")


ODD: list[Any] = [
    "\0" * 50,
    "Otpost " * 500,
    "9" * 3000,
    "Otpost \u0660\u0661\u0662\u0663\u0664\u0665",
    "\u202e123456 Otpost",
]


@pytest.mark.parametrize("odd", ODD, ids=lambda text: ascii(text)[:12])
def test_odd_texts_of_the_number_hurt_nobody(target, odd):
    begun = Begun(target)
    assert begun.send(text=odd).status == 200
    assert begun.status() == "pending"


def test_nothing_of_it_is_readable(target):
    begun = Begun(target)
    begun.send(text="999999 Otpost" if begun.text[:6] != "999999" else "000000 Otpost")
    with Redis.from_url(target.environment["REDIS_URL"]) as redis:
        kept = [
            (key, redis.hgetall(key) if redis.type(key) == b"hash" else redis.dump(key))
            for key in redis.scan_iter()
        ]
    # With word boundaries, as many a timestamp holds six digits.
    for secret in (begun.phone[1:], begun.text[:6], "verifying my own"):
        assert not re.search(rf"\b{secret}\b", str(kept) + target.log("web"))
