"""OWASP cheat sheets (Logging, Forgot Password, Authentication, Multifactor Authentication).

These tests search a real run with everything turned on. They read the logs and spans of web, worker and beat
at DEBUG level. They read every command to Redis, and every key and value in it, with the broker's queues.
They also read metrics, received webhooks, pages, and the output of commands.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from config.demo.embedded import EmbeddedServer
from otp.handler import OTPHandler
from sms.testing import code_in, outbox
from tests import readable
from tests.faults.stack import Stack, wait_for
from tests.readable import everything, listening
from tests.settings import API_KEY
from tests.sms.webhooks.receiver import SECRET, Receiver
from tests.standards.conftest import wrong
from tests.starts import manage

PHONE = "+12025550123"
TYPED = "+1 (202) 555-0123"

#: Of a user of the hosted pages.
OTHER = "+12025550124"
OTHER_TYPED = "+1 (202) 555-0124"

#: A caller's own, which may stand anywhere.
REFERENCE = "order-77"

METRICS_TOKEN = "metrics-token-of-the-run-0123456789"
SECRETS = (METRICS_TOKEN, API_KEY, SECRET.removeprefix("whsec_"))


@dataclass
class Run:
    """The traces of a full run: start, a wrong guess, status, resend, the right code, a cancel, a user of
    the hosted pages, and an operator who looks at all there is to see.
    """

    codes: set[str] = field(default_factory=set)
    at_rest: list[bytes] = field(default_factory=list)
    commands: list[bytes] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    metrics: str = ""
    webhooks: list[bytes] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)
    mistyped: str = ""  # the page that shows a number again, for its user to correct
    dashboard: dict[str, str] = field(default_factory=dict)
    printed: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    directory = tmp_path_factory.mktemp("run")
    outbox = directory / "outbox.jsonl"
    found = Run()
    with EmbeddedServer() as server, Redis.from_url(server.url) as redis, Receiver() as receiver:
        environment = {
            "REDIS_URL": server.url,
            "SMS_PROVIDERS": f"main=file://{outbox}?clear=yes",
            "SMS_LONGEST_WAIT": "0",
            "LOG_LEVEL": "DEBUG",
            "OTP_PURPOSES": '{"login": {}, "payment": {"text": "{code} is for your payment."}}',
            "METRICS_TOKEN": METRICS_TOKEN,
            "WEBHOOKS": f"shop={receiver.url()}",
            "OTEL_TRACES_EXPORTER": "console",
        }
        with Stack(directory, **environment) as stack, listening(server.url, found.commands):
            stack.start("web")
            use(stack, redis, outbox, found)
            visit(stack, outbox, found)
            wait_for(lambda: receiver.types().count("verification.verified") == 2)
            look(stack, found)
            found.at_rest.extend(everything(redis))
            for name in list(stack.processes):
                stack.kill(name, 15)
            found.logs = {name: stack.log(name) for name in ("web", "worker", "beat")}
        assert not receiver.forged
        found.webhooks = [got.raw for got in receiver.got]
    return found


def use(stack: Stack, redis: Any, outbox: Path, found: Run) -> None:
    def post(path: str, body: Any = None) -> Any:
        status, answer, _ = stack.call("POST", path, body)
        found.at_rest.extend(everything(redis))
        return status, answer

    # While there is no worker, all of it waits in Redis and in the queue.
    _, first = post("/v1/verifications", {"phone": TYPED, "reference": REFERENCE})
    _, other = post("/v1/verifications", {"phone": PHONE, "purpose": "payment"})
    assert redis.llen("otp") == 2
    for bad in (TYPED, PHONE[1:], API_KEY):
        assert post("/v1/verifications", {"phone": TYPED, "reference": bad})[0] == 422
    stack.start("worker", "beat")
    wait_for(lambda: len(sent(outbox)) == 2)
    # Two threads of the worker sent them, in whatever order.
    code, paid = (
        code_in(one["body"]) for one in sorted(sent(outbox), key=lambda one: "payment" in one["body"])
    )
    found.codes |= {code, paid}
    at = f"/v1/verifications/{first['id']}"
    assert post(f"{at}/check", {"code": wrong(code)})[1]["status"] == "invalid"
    assert post(f"{at}/check", {"code": "no code of anybody"})[1]["status"] == "invalid"
    assert post(f"{at}/resend")[0] == 429
    assert post("/v1/verifications", {"phone": TYPED})[0] == 429
    assert post("/v1/verifications", {"phone": TYPED + "x"})[0] == 422
    assert post(f"{at}/check", {"code": code})[1]["status"] == "valid"
    assert post(f"{at}/check", {"code": code})[1]["status"] == "expired"
    assert post("/v1/messages", {"to": TYPED, "body": f"Not a code: {paid}"})[0] == 202
    stack.call("DELETE", f"/v1/verifications/{other['id']}")
    wait_for(lambda: len(sent(outbox)) == 3)
    found.at_rest.extend(everything(redis))


def browser() -> Any:
    """Post a form, or get a page where there is none: status and source."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def ask(url: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        data = None
        if form is not None:
            _, source = ask(url)
            kept = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', source))
            data = urllib.parse.urlencode(kept | form).encode()
        try:
            with opener.open(url, data, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    return ask


def visit(stack: Stack, outbox: Path, found: Run) -> None:
    """A user at the hosted pages."""
    at, ask = f"http://127.0.0.1:{stack.web_port}", browser()
    before = len(sent(outbox))
    found.pages["asked for a number"] = ask(f"{at}/")[1]
    found.mistyped = ask(f"{at}/", {"phone": OTHER_TYPED + "x"})[1]
    found.pages["asked for the code"] = ask(f"{at}/", {"phone": OTHER_TYPED})[1]
    wait_for(lambda: len(sent(outbox)) > before)
    code = code_in(sent(outbox)[-1]["body"])
    found.codes.add(code)
    found.pages["wrong"] = ask(f"{at}/code", {"code": wrong(code)})[1]
    found.pages["done"] = ask(f"{at}/code", {"code": code})[1]


def look(stack: Stack, found: Run) -> None:
    """An operator, who looks for the number too."""
    at, ask = f"http://127.0.0.1:{stack.web_port}", browser()
    scrape = http.client.HTTPConnection("127.0.0.1", stack.web_port, timeout=10)
    scrape.request("GET", "/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    found.metrics = scrape.getresponse().read().decode()
    scrape.close()
    assert ask(f"{at}/dashboard/login", {"key": API_KEY})[0] == 200
    for name in ("", "user", "dead-letters", "providers", "guard"):
        status, found.dashboard[name or "now"] = ask(f"{at}/dashboard/{name}")
        assert status == 200
    for what in (PHONE, TYPED, REFERENCE, "+1 202"):
        found.dashboard[f"user: {what}"] = ask(f"{at}/dashboard/user", {"what": what})[1]
    for words in (
        ("find", PHONE),
        ("find", TYPED, "--json"),
        ("find", REFERENCE),
        ("providers",),
        ("webhooks",),
    ):
        done = manage(*words, **stack.environment)
        assert done.returncode == 0
        found.printed[" ".join(words)] = done.stdout + done.stderr


def sent(outbox: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in outbox.read_text().splitlines()] if outbox.exists() else []


def assert_nowhere(codes: set[str], haystacks: list[bytes]) -> None:
    numbers = {PHONE: TYPED, OTHER: OTHER_TYPED}
    readable.assert_nowhere(haystacks, codes=codes, numbers=numbers, words=SECRETS)


def test_codes_and_numbers_are_never_logged(run):
    """Logging: "data to exclude"; at DEBUG level, libraries and all."""
    assert '"level": "debug"' in run.logs["web"]
    assert "code_valid" in run.logs["web"]
    assert f'"reference": "{REFERENCE}"' in run.logs["worker"]
    assert_nowhere(run.codes, [log.encode() for log in run.logs.values()])


def test_no_trace_holds_any(run):
    """The exporter writes spans where the logs are, in full."""
    for name, span in (("web", "POST /v1/verifications"), ("web", "EVALSHA start"), ("worker", "send main")):
        assert f'"name": "{span}"' in run.logs[name]
    assert "otpost.outcome" in run.logs["worker"]


def test_metrics_hold_none(run):
    assert 'otpost_checks_total{api_key="tests",outcome="valid",purpose="login"} 1.0' in run.metrics
    assert_nowhere(run.codes, [run.metrics.encode()])


def test_webhooks_tell_none(run):
    """Head and body as the receiver gets them."""
    text = b"\n".join(run.webhooks)
    assert b"webhook-signature" in text.lower()
    assert b"message.sent" in text
    assert REFERENCE.encode() in text
    assert_nowhere(run.codes, run.webhooks)


def test_pages_hold_none(run):
    """Their source, also after somebody has looked for the number. One that cannot be read is its user's own
    to mend, and stands in that form alone.
    """
    assert OTHER_TYPED in run.mistyped
    assert "+1••••••••24" in run.pages["asked for the code"]
    assert "<title>Wrong code: " in run.pages["wrong"]
    assert "<title>Your phone is verified" in run.pages["done"]
    assert "+1••••••••23" in run.dashboard[f"user: {PHONE}"]
    assert "A code for login was asked for" in run.dashboard[f"user: {REFERENCE}"]
    assert_nowhere(run.codes, [page.encode() for page in (*run.pages.values(), *run.dashboard.values())])


def test_commands_print_none(run):
    assert "+1••••••••23" in run.printed[f"find {PHONE}"]
    assert all(run.printed.values())
    assert_nowhere(run.codes, [text.encode() for text in run.printed.values()])


def test_nothing_is_in_clear_at_rest(run):
    """Forgot Password: tokens are "stored securely": no key or value in Redis, no queue, holds any."""
    assert len(run.codes) == 3
    assert any(value.startswith(b"[[") for value in run.at_rest)  # of an entry in the queue
    assert_nowhere(run.codes, run.at_rest)


def test_nothing_is_in_clear_on_its_way_to_redis(run):
    """Not even for a moment: no command of the run holds any."""
    assert any(b"EVALSHA" in command for command in run.commands)
    assert any(b"LPUSH" in command for command in run.commands)
    assert_nowhere(run.codes, run.commands)


def test_a_replaced_code_is_dead(clock):
    """Forgot Password: single use, and "expire after an appropriate period"; the newest alone counts."""
    first = OTPHandler.generate_otp(PHONE)
    clock.advance(31)
    second = OTPHandler.generate_otp(PHONE)
    assert first.code == second.code or OTPHandler.verify_otp(PHONE, first.code).status == "invalid"
    assert OTPHandler.verify_otp(PHONE, second.code).status == "valid"


@pytest.mark.parametrize("purpose", ["login", "signup", "payment"])
def test_the_message_is_uniform(api, purpose):
    """Forgot Password: "return a consistent message for both existent and non-existent accounts"."""
    answers = []
    for phone in ("+12025550120", "+12025550121"):
        begun = api.post("/v1/verifications", {"phone": phone, "purpose": purpose})
        wrongly = api.post(f"/v1/verifications/{begun.json()['id']}/check", {"code": "no"})
        form = (begun.status_code, sorted(begun.headers), len(begun.content))
        answers.append((form, wrongly.status_code, wrongly.content))
    assert answers[0] == answers[1]


def test_resets_lock_no_account_out_but_use_up_the_day_of_a_phone(api, clock):
    """Forgot Password: "accounts should not be locked out in response to a forgotten password attack".

    Holds in part, with the limits as they are by default: whoever asks for codes in another's name
    makes ten a day that reach the other's phone, and no wrong guess. The owner then gets none until
    the first of them is a day old. Asking does not prolong it; whoever is quicker then has it.
    """

    def start() -> Any:
        return api.post("/v1/verifications", {"phone": PHONE})

    def refusal() -> tuple[str, str]:
        answer = start().json()
        return answer["code"], answer["limit"]

    for _ in range(10):
        assert start().status_code == 202
        clock.advance(120)
    for _ in range(50):
        assert refusal() == ("rate_limited", "phone")
        clock.advance(60)
    rest = 86_400 - 10 * 120 - 50 * 60
    assert abs(start().json()["retry_after"] - rest) <= 1
    clock.advance(rest - 5)
    assert refusal() == ("rate_limited", "phone")
    clock.advance(6)
    owners = start()
    assert owners.status_code == 202
    guess = api.post(f"/v1/verifications/{owners.json()['id']}/check", {"code": code_in(outbox[-1].body)})
    assert guess.json()["status"] == "valid"
