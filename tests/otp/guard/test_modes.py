"""The guard's reaction to an attack: off, shadow, enforce, allowed; and who is told."""

from __future__ import annotations

import pytest
import structlog

from otp import signals
from otp.errors import RateLimited
from otp.guard import decision
from otp.results import Refusal
from sms.phone import Phone
from tests.bench import pumping
from tests.otp.guard.clock import DAY, Clock, command, spread


def test_off_counts_nothing(clock, settings):
    settings.GUARD_MODE = "off"
    assert clock.sent(spread(50), "DE") == 50
    clock.verify()
    assert pumping.snapshot() == {}


def test_shadow_blocks_nothing_and_says_what_it_would_have(clock, settings, wide):
    wide(fine=(2, 1000, 1000))
    settings.GUARD_MODE = "shadow"
    answers = [clock.send("+4915112345678", "DE") for _ in range(4)]
    assert answers == ["", "", "hour +491511234", "hour +491511234"]
    counts = pumping.snapshot()[f"otp:guard:{decision.tags('+491511234')[0]}".encode()].split(b",")
    assert counts[:2] == [b"4", b"2"]  # fine prefix, 2 refusals
    assert counts[9] == b"4"  # sends of this hour: all went out


def test_refusals_are_counted_by_the_day(clock, settings, wide):
    wide(fine=(2, 1000, 1000))
    settings.GUARD_MODE = "shadow"
    for _ in range(5):
        clock.send("+4915112345678", "DE")
    clock.now += DAY
    clock.send("+4915112345678", "DE")
    assert pumping.snapshot()[f"otp:guard:{decision.tags('+491511234')[0]}".encode()].split(b",")[1:3] == [
        b"0",
        b"3",
    ]


@pytest.mark.parametrize(("mode", "event"), [("enforce", "guard_refused"), ("shadow", "guard_would_refuse")])
def test_every_decision_is_a_log_line_and_a_signal(settings, mode, event):
    settings.GUARD_MODE = mode
    heard = []

    def receiver(**facts):
        heard.append({name: facts[name] for name in told})

    told = ("reason", "scope", "country", "purpose", "enforced", "allowed")
    signals.guard_decided.connect(receiver)
    number = Phone("+4915112345678", "DE", "+4••••78")
    try:
        with structlog.testing.capture_logs() as lines:
            if mode == "enforce":
                with pytest.raises(RateLimited) as caught:
                    decision.apply(Refusal("hour +491511234", 90_500), number, "login")
                assert (caught.value.code, caught.value.retry_after) == ("guard", 91)
                assert "4915" not in str(caught.value)
            else:
                decision.apply(Refusal("hour +491511234", 90_500), number, "login")
    finally:
        signals.guard_decided.disconnect(receiver)
    facts = {"reason": "hour", "scope": "+491511234", "country": "DE", "purpose": "login"}
    assert heard == [facts | {"enforced": mode == "enforce", "allowed": False}]
    assert lines == [facts | {"event": event, "log_level": "warning", "retry_after": 91}]
    assert "12345678" not in str(lines)


@pytest.mark.parametrize("allowed", ["DE", "+49151", "+491511234"])
def test_what_is_allowed_has_no_caps(clock, settings, wide, allowed):
    wide(fine=(2, 2, 2))
    settings.GUARD_ALLOW = [allowed]
    assert clock.sent(["+4915112345678"] * 5, "DE") == 5
    assert clock.sent(["+33612345678"] * 5, "FR") == 2


@pytest.mark.parametrize("how", ["setting", "rule"])
def test_what_is_allowed_beyond_a_cap_is_told(settings, redis, how):
    clock = Clock()
    clock.now = redis.time()[0]
    if how == "setting":
        settings.GUARD_ALLOW = ["DE"]
    else:
        command("--allow", "DE")
    assert clock.sent([f"+49151123400{n:02d}" for n in range(50)], "DE") == 50
    assert len(clock.told) == 44  # six are within every cap
    assert clock.told[0] == "allowed-hour +491511234"


def test_what_is_allowed_is_no_refusal_in_the_table(today, settings):
    settings.GUARD_ALLOW = ["DE"]
    assert today.sent([f"+49151123400{n:02d}" for n in range(50)], "DE") == 50
    assert {line.split()[5] for line in command("--all")[0].splitlines()[1:]} == {"0"}


@pytest.mark.parametrize(
    ("words", "event"), [(("--allow", "DE"), "guard_rule_set"), (("--block", "+4915"), "guard_rule_set")]
)
def test_what_an_operator_says_is_a_log_line(today, words, event):
    today.send("+4915112345678", "DE")
    with structlog.testing.capture_logs() as lines:
        command(*words, "--hours", "1")
        command("--release", words[1])
    said, released = lines
    assert said.pop("until")
    assert said == {"event": event, "log_level": "warning", "rule": words[0][2:], "scope": words[1]}
    assert released == {"event": "guard_released", "log_level": "warning", "scope": words[1]}
