"""Only the scope ``read`` sees where a code went by itself. Others get the answers of a code that stayed."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from otp import next_channel, services
from otp.api import access
from otp.twilio import sids
from otp.twilio.door import FORM
from sms import receipts
from sms.errors import Unreachable
from tests.otp.pages.visit import cool_down
from tests.otp.test_next_channel import go, house  # noqa: F401  # a fixture
from tests.settings import API_KEY
from tests.sms.house import PHONE

#: In an answer: ids and times.
ID = re.compile(r"\b(?:(?:VE|VL)[0-9a-f]{32}|[\w-]{22})(?![\w-])")
TIME = re.compile(r"\b20\d\d-\d\d-\d\dT[\d:.]+Z")

#: On a page: what each form has of its own, and what a clock shows.
TOKEN = re.compile(r'(?<=value=")[^"]{30,}(?=")')
CLOCK = re.compile(r'\b\d+:\d\d\b|(?<=in=")\d+(?=")|(?<=progress class="drain" value=")\d+')


class OverHttp:
    """The API."""

    def __init__(self) -> None:
        self.client, self.id = Client(), ""

    def post(self, path: str, body: dict[str, str] | None) -> str:
        answer = self.client.post(
            f"/v1/verifications{path}",
            body,
            "application/json",
            headers={"Authorization": f"Bearer {API_KEY}"},
        )
        assert answer.status_code < 300, answer.content
        self.id = self.id or answer.json()["id"]
        return answer.content.decode()

    def start(self) -> str:
        return self.post("", {"phone": PHONE})

    def again(self, channel: str = "") -> str:
        return self.post(f"/{self.id}/resend", {"channel": channel} if channel else {})

    def guess(self, code: str) -> str:
        return self.post(f"/{self.id}/check", {"code": code})

    def look(self) -> str:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        return self.client.get(f"/v1/verifications/{self.id}", headers=headers).content.decode()


class OnThePage:
    """The hosted page."""

    def __init__(self) -> None:
        self.browser = Client()

    def post(self, path: str, form: dict[str, str]) -> str:
        return TOKEN.sub("", self.browser.post(path, form, follow=True).content.decode())

    def start(self) -> str:
        return self.post("/", {"phone": PHONE})

    def again(self, channel: str = "") -> str:
        return self.post("/resend", {"channel": channel} if channel else {})

    def guess(self, code: str) -> str:
        return self.post("/code", {"code": code})

    def look(self) -> str:
        return TOKEN.sub("", self.browser.get("/code").content.decode())


class AsTwilio:
    """The address of a verification under /v2/, and its attempts."""

    root = f"/v2/Services/{sids.of_name('VA', 'login')}"

    def __init__(self) -> None:
        self.client, self.sid = Client(), ""
        basic = base64.b64encode(f"tests:{API_KEY}".encode()).decode()
        self.headers = {"Authorization": f"Basic {basic}"}

    def ask(self, path: str, form: dict[str, str] | None = None) -> Any:
        if form is None:
            answer = self.client.get(path, headers=self.headers)
        else:
            answer = self.client.post(path, urlencode(form), FORM, headers=self.headers)
        assert answer.status_code < 300, answer.content
        return answer

    def start(self) -> str:
        return self.again()

    def again(self, channel: str = "") -> str:
        form = {"To": PHONE, "Channel": "call" if channel == "voice" else "auto"}
        answer = self.ask(f"{self.root}/Verifications", form)
        self.sid = answer.json()["sid"]
        return self.told(answer)

    def guess(self, code: str) -> str:
        return self.told(self.ask(f"{self.root}/VerificationCheck", {"To": PHONE, "Code": code}))

    def look(self) -> str:
        attempts = self.ask(f"/v2/Attempts?VerificationSid={self.sid}")
        one = attempts.json()["attempts"][-1]["sid"]
        answers = [attempts, self.ask(f"/v2/Attempts/{one}")]
        answers += [
            self.ask(f"/v2/Attempts?VerificationSid={self.sid}&Channel={by}") for by in ("sms", "call")
        ]
        if '"converted"' not in attempts.content.decode():  # then it is 404
            answers.append(self.ask(f"{self.root}/Verifications/{self.sid}"))
        return "\n".join(map(self.told, answers))

    @staticmethod
    def told(answer: Any) -> str:
        """Its times are whole seconds, of which two may be the same or not. Here a thousand pass at once."""

        def ago(found: re.Match[str]) -> str:
            return str(round((time.time() - datetime.fromisoformat(found[0]).timestamp()) / 1000))

        return TIME.sub(ago, answer.content.decode())


def plain(told: list[str]) -> str:
    """Each id and time is replaced by its place in the order of first mention, so equal ones stay equal."""
    text = "\n".join(told)
    for kind in (ID, TIME):
        for place, found in enumerate(dict.fromkeys(kind.findall(text))):
            text = text.replace(found, f"<{place}>")
    return CLOCK.sub("0:00", text)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """However busy the machine is, the first answers hold until the test lets time pass."""
    monkeypatch.setattr("otp.delivery.SILENCE", 200)
    monkeypatch.setattr("otp.pages.words.SLOW", 200)


def pass_by(redis, seconds: float) -> None:
    """So many seconds pass, as far as all messages can tell."""
    for record in redis.keys("sms:message:*"):
        for field in ("sent_at", "created_at"):
            if at := redis.hget(record, field):
                redis.hset(record, field, int(at) - int(seconds * 1000))


def sweep(redis) -> None:
    """Look which codes go on."""
    for id in redis.zrange("sms:next-channel", 0, -1):
        redis.zadd("sms:next-channel", {id: 1}, xx=True)
    next_channel.look("otp")


def deliver(home, redis) -> None:
    """All messages that wait for a worker."""
    for record in redis.keys("sms:message:*"):
        if redis.hget(record, "state") == b"queued":
            home.deliver(record.decode().rpartition(":")[2])


def report(alias: str, word: str) -> Callable[[Any, Any], None]:
    """A receipt of the first message."""

    def take(home, redis):
        (record,) = redis.keys("sms:message:*")
        receipts.take(alias, {}, f"{record.decode().rpartition(':')[2]} {word}".encode(), "/", "")

    return take


def nothing(home, redis) -> None:
    pass


#: The fate of the first message: before its call, and then step by step.
STAYS = [nothing, report("a", "delivered"), nothing, nothing]
MOVES: dict[str, list[Callable[[Any, Any], None]]] = {
    "no receipt": [nothing, nothing, nothing, nothing],
    "not there, as the answer says": [
        lambda home, redis: home.providers["a"].outcomes.append(Unreachable("x")),
        nothing,
        nothing,
        nothing,
    ],
    "not there, as a receipt says": [nothing, report("a", "failed"), deliver, nothing],
    "by none of its message": [nothing, report("a", "failed"), deliver, report("b", "failed")],
}


def story(door, home, redis, steps) -> str:
    """All that is told of a code, from its start to its end."""
    before, *later = steps
    before(home, redis)
    told = [door.start(), door.look()]
    deliver(home, redis)
    told.append(door.look())
    pass_by(redis, 250)  # in the first of which little is told
    told.append(door.look())
    for step in later:
        step(home, redis)
        told.append(door.look())
    for _ in range(2):
        pass_by(redis, 1000)
        sweep(redis)
        told.append(door.look())
        deliver(home, redis)
        told.append(door.look())
    for channel in ("", "voice"):
        cool_down(redis)
        told.append(door.again(channel))
        deliver(home, redis)
        told.append(door.look())
    code = next(sms.code for provider in home.providers.values() for sms in provider.calls)
    told += [door.guess(f"{(int(code) + 1) % 10**6:06}"), door.look(), door.guess(code), door.look()]
    return plain(told)


@pytest.mark.parametrize("door", [OverHttp, OnThePage, AsTwilio])
@pytest.mark.parametrize("how", MOVES)
def test_one_that_moved_on_looks_like_one_that_stayed(house, redis, settings, door, how):  # noqa: F811
    settings.API_ACCESS = access.parse("tests=verify")
    stayed = story(door(), house, redis, STAYS)
    assert house.calls == "aac"
    redis.flushall()
    for provider in house.providers.values():
        provider.calls.clear()
    moved = story(door(), house, redis, MOVES[how])
    assert "b" in house.calls
    assert moved == stayed


def test_who_may_read_sees_where_it_went(house, redis):  # noqa: F811
    told = story(OverHttp(), house, redis, MOVES["no receipt"])
    assert '"channel": "sms"' in told
    redis.flushall()
    told = story(AsTwilio(), house, redis, MOVES["no receipt"])
    assert '"channel": "SMS"' in told


def test_a_failure_is_told_once_nothing_else_follows(house, redis):  # noqa: F811
    started = services.start(PHONE)
    for name in "abc":
        house.providers[name].always = Unreachable("x")
    told = []
    for _ in range(4):
        go(house, started)
        told.append(services.status(started.id).delivery)
        next_channel.look("otp")
    assert told[0] == "underway"
    status = services.status(started.id)
    assert (status.delivery, status.sms.error, status.channel) == ("failed", "number_refused", "whatsapp")
    assert status.sms.message_id == started.message_id
