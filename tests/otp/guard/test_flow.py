"""The guard in the way of a code: what it stops, what it counts, who hears of it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
import structlog
from django.core.management import call_command

from otp import services, signals
from otp.caller import Caller
from otp.errors import RateLimited, StoreUnavailable
from otp.guard import paid, report
from sms import ids, names, segments, tally
from sms import services as sms
from sms.message import State
from sms.scripts import client
from sms.testing import code_in, outbox
from tests.hung import hung

#: Numbers of one block of ten thousand: six an hour may stay unverified there.
BLOCK = [f"+1202555{number:04}" for number in range(100, 120)]


@pytest.fixture(autouse=True)
def enforced(settings):
    settings.GUARD_MODE = "enforce"
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}


def scopes(capsys) -> dict[str, Any]:
    capsys.readouterr()
    call_command("guard", "--json", "--all")
    rows = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    return {row["scope"]: row for row in rows}


def counted(capsys, scope: str = "+1202555") -> tuple[int, int]:
    hour = scopes(capsys)[scope]["hour"]
    return hour["sends"], hour["verified"]


def test_codes_that_nobody_types_come_to_an_end(api):
    for phone in BLOCK[:6]:
        assert api.post("/v1/verifications", {"phone": phone}).status_code == 202
    answer = api.post("/v1/verifications", {"phone": BLOCK[6]})
    assert (answer.status_code, answer.json()["code"], answer.json()["limit"]) == (429, "guard", "guard")
    assert 60 <= int(answer["Retry-After"]) <= 3600  # until the hour is over, but no less than a minute
    assert answer["RateLimit"] == f'"guard";r=0;t={answer["Retry-After"]}'
    assert len(outbox) == 6
    assert api.post("/v1/verifications", {"phone": "+14155550123"}).status_code == 202


def test_codes_that_are_typed_go_on(capsys):
    for phone in BLOCK:
        started = services.start(phone)
        assert services.check(started.id, code_in(outbox[-1].body)).status == "valid"
    assert counted(capsys) == (20, 20)


def test_shadow_tells_and_sends(settings, capsys):
    settings.GUARD_MODE = "shadow"
    heard = []

    def hear(sender, reason, scope, enforced, **_):
        heard.append((reason, scope.partition("~")[0], enforced))

    signals.guard_decided.connect(hear)
    try:
        for phone in BLOCK[:9]:
            started = services.start(phone)
        services.resend(started.id)
    finally:
        signals.guard_decided.disconnect(hear)
    assert len(outbox) == 10
    assert heard == [("hour", "+12025", False)] * 4
    assert counted(capsys) == (10, 0)


def test_what_is_allowed_beyond_a_cap_is_told_and_sent(settings):
    settings.GUARD_ALLOW = ["US"]
    heard = []

    def hear(sender, reason, enforced, allowed, **_):
        heard.append((reason, enforced, allowed))

    signals.guard_decided.connect(hear)
    try:
        with structlog.testing.capture_logs() as lines:
            for phone in BLOCK[:9]:
                services.start(phone)
    finally:
        signals.guard_decided.disconnect(hear)
    assert len(outbox) == 9
    assert heard == [("hour", False, True)] * 3
    told = [line for line in lines if line["event"].startswith("guard")]
    assert [(line["event"], line["reason"], line["country"]) for line in told] == [
        ("guard_allowed", "hour", "US")
    ] * 3


def test_what_a_limit_refuses_the_guard_does_not_count(settings, capsys):
    settings.OTP_LIMITS = "phone=1/1h"
    services.start(BLOCK[0])
    for _ in range(5):
        with pytest.raises(RateLimited):
            services.start(BLOCK[0])
    assert counted(capsys) == (1, 0)


def test_what_the_guard_refuses_no_limit_counts(settings, redis):
    settings.OTP_LIMITS = "all=90/1h"
    for phone in BLOCK[:6]:
        services.start(phone)
    for _ in range(5):
        with pytest.raises(RateLimited) as caught:
            services.start(BLOCK[7])
        assert caught.value.code == "guard"
    (key,) = redis.keys("otp:limit:all:*")
    assert redis.llen(key) == 6


def test_a_resend_counts_and_is_stopped_too(capsys):
    started = services.start(BLOCK[0])
    services.resend(started.id)
    assert counted(capsys) == (2, 0)
    for phone in BLOCK[1:5]:
        services.start(phone)
    with pytest.raises(RateLimited) as caught:
        services.resend(started.id)
    assert (caught.value.code, caught.value.limit) == ("guard", "guard")
    assert services.status(started.id).status == "pending"


def test_a_send_whose_answer_got_lost_stays_counted(settings, redis, redis_server, capsys):
    """Its SMS may have gone out, so the guard and the limits count it."""
    settings.OTP_LIMITS = "all=90/1h"
    services.start(BLOCK[0])
    with hung(redis_server), pytest.raises(StoreUnavailable):
        services.start(BLOCK[1])
    deadline = time.monotonic() + 5
    while counted(capsys) != (2, 0):
        assert time.monotonic() < deadline
    (key,) = redis.keys("otp:limit:all:*")
    assert redis.llen(key) == 2


def test_an_address_that_fans_out_is_stopped():
    numbers = {"DE": "+4915123456789", "GB": "+447400123456", "FR": "+33612345678", "ES": "+34612345678"}
    for country, phone in numbers.items():
        if country == "ES":
            with pytest.raises(RateLimited) as caught:
                services.start(phone, caller=Caller(ip="198.51.100.7"))
            assert caught.value.code == "guard"
        else:
            services.start(phone, caller=Caller(ip="198.51.100.7"))
    services.start(numbers["ES"], caller=Caller(ip="198.51.100.8"))


def test_the_budget_ends_the_day(settings):
    settings.GUARD_PRICES, settings.GUARD_BUDGET = {"default": "0.5"}, "1.2"
    services.start("+12025550123")
    services.start("+14155550123")
    with pytest.raises(RateLimited):
        services.start("+16465550123")


#: Each is sent as two parts: 173 characters of GSM-7, 91 of UCS-2.
LONG, HINDI = "{code} " + "x" * 140, "{code} आपका कोड है। इसे किसी को न बताएं। यह जल्द समाप्त हो जाएगा।"


@pytest.mark.parametrize(
    ("text", "price"),
    [("{code}", 1), (LONG, 2), ({"": "{code}", "hi": HINDI}, 2)],
    ids=["short", "long", "hi"],
)
def test_the_budget_counts_the_parts_that_are_paid(settings, capsys, text, price):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0, "text": text}}
    settings.GUARD_PRICES, settings.GUARD_BUDGET = {"default": "1"}, "4"
    started = services.start("+12025550123", locale="hi")
    services.resend(started.id)
    assert [segments.count(message.body) for message in outbox] == [price] * 2
    assert report.standing().spent == 2 * price
    if price == 2:
        with pytest.raises(RateLimited):
            services.start("+14155550123", locale="hi")


def test_what_a_message_in_a_cell_costs_is_counted_once(settings):
    settings.REDIS_CELLS = 4
    settings.GUARD_PRICES = {"default": "1", "voice:default": "3"}
    message = replace(
        sms.send("+12025550123", "x"), id=ids.new(2), verification_id="the-id", state=State.SENT
    )
    dearer = replace(message, channel="voice", first_channel="sms", channels=("sms",))
    paid.settle(dearer)
    assert report.standing().spent == 0  # its record is gone
    with client(2) as redis:
        redis.hset(names.key(names.RECORD + message.id, 2), "state", "sent")
    for _ in range(2):
        paid.settle(dearer)
    assert report.standing().spent == 2
    (counted,) = tally.read("counts")
    assert counted["spent|US"] == 2_000_000


def test_a_block_and_its_release_hold_at_once(capsys):
    call_command("guard", "--block", "+1202")
    with pytest.raises(RateLimited):
        services.start(BLOCK[0])
    call_command("guard", "--release", "+1202")
    services.start(BLOCK[0])


def test_nothing_of_it_stands_in_clear_and_all_of_it_ends(redis):
    services.start("+12025550123", caller=Caller(ip="198.51.100.7"))
    keys = [key.decode() for key in redis.keys("otp:guard*")]
    assert keys
    for key in keys:
        shown = key + str(redis.get(key))
        assert "2025550" not in shown
        assert "198.51" not in shown
        assert redis.pttl(key) > 0
    (verification,) = redis.keys("otp:verification:*")
    assert b"2025550" not in b" ".join(redis.hgetall(verification).values())
