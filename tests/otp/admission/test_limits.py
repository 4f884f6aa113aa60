"""Limits: what they let through, and that what one of them refuses no other counts."""

from __future__ import annotations

import time
from random import Random

import pytest
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from otp import recipients, services
from otp.admission import limits
from otp.admission.rules import Rule
from otp.caller import Caller
from otp.errors import RateLimited
from sms import cells
from sms.testing import outbox
from tests.commands import commands
from tests.otp.admission.calls import PHONE, numbers, refused
from tests.otp.issue import counted_by, end_cooldown, issue

pytestmark = pytest.mark.usefixtures("no_cooldown")


@pytest.mark.parametrize("seed", range(6))
def test_a_window_lets_through_what_the_library_limits_lets_through(seed, fake_redis, monkeypatch):
    """Any moments, any rule: fakeredis and the oracle share one clock, which this test turns."""
    random, now = Random(seed), 1_800_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    most, seconds = random.randint(1, 6), random.choice([1, 7, 60])
    rule = Rule("phone", most, seconds)
    spent = counted_by(rule)
    oracle = MovingWindowRateLimiter(MemoryStorage())
    item = RateLimitItemPerSecond(most, seconds)
    answers = []
    for number in range(150):
        # Never a whole window later to the millisecond: there the two may count an edge differently.
        now = round(now + random.expovariate(most / seconds / 1.5), 3) + 0.0005
        issued = issue(f"+1202555{number:04}", spent)
        assert (issued.status == "issued") == oracle.hit(item, "one"), (number, rule)
        if issued.status == "limited":
            answers.append(issued)
            wait = oracle.get_window_stats(item, "one").reset_time - now
            assert issued.retry_after - 1 <= wait + 0.01
            assert issued.retry_after >= wait - 0.01
    assert 20 < len(answers) < 130


def test_a_rate_lets_a_bunch_through_and_then_its_share(fake_redis, monkeypatch):
    """A token bucket of three, filled five times a second, at moments that this test sets."""
    now = 1_800_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    rule = Rule("all", 5, 1, at_once=3)
    spent = counted_by(rule)
    tokens, filled = 3.0, now
    for number, pause in enumerate([0, 0, 0, 0, 0.2, 0, 0.1, 0.1, 0.5, 0, 0, 5, 0, 0, 0, 0.39, 0, 0.01]):
        now = round(now + pause, 3)
        tokens, filled = min(3.0, tokens + 5 * (now - filled)), now
        issued = issue(f"+1202555{number:04}", spent)
        assert (issued.status == "issued") == (tokens > 0.999), (number, tokens)
        if issued.status == "issued":
            tokens -= 1
        else:
            assert (issued.retry_after, issued.limit) == (1, rule)


def test_a_window_remembers_no_more_than_it_needs(settings, redis):
    settings.OTP_LIMITS = "all=3/1s"
    for phone in numbers(6):
        services.start(phone)
        time.sleep(0.34)
    (key,) = redis.keys("otp:limit:*")
    assert redis.llen(key) <= 3


def test_a_hundred_at_once_get_exactly_what_a_window_allows(settings):
    """The check and the count are one step: no thread slips in between."""
    from concurrent.futures import ThreadPoolExecutor

    settings.OTP_LIMITS = "all=17/1m"

    def ask(phone: str) -> bool:
        try:
            services.start(phone)
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(25) as pool:
        assert sum(pool.map(ask, numbers(100))) == 17


def test_what_one_rule_refuses_no_other_counts(settings):
    settings.OTP_LIMITS = "phone=1/1m;all=2/1m"
    services.start(PHONE)
    for _ in range(5):
        assert refused(PHONE).limit == "phone"
    services.start("+12025550124")
    assert refused("+12025550125").limit == "all"


def test_what_waits_for_its_cooldown_is_not_counted(settings, redis):
    settings.OTP_PURPOSES = {"login": {"cooldown": 60}}
    settings.OTP_LIMITS = "phone=2/1m"
    services.start(PHONE)
    for _ in range(5):
        assert refused(PHONE).code == "pending"
    end_cooldown(redis)
    services.start(PHONE)


@pytest.mark.parametrize("figures", ["2/1m,2/1h", "2/1h,2/1m"])
def test_the_longest_wait_of_all_rules_is_told(settings, figures):
    settings.OTP_LIMITS = {"phone": figures}
    services.start(PHONE)
    services.start(PHONE)
    assert refused(PHONE).retry_after > 3590


def test_a_resend_counts_too(settings):
    settings.OTP_LIMITS = "phone=2/1m"
    started = services.start(PHONE)
    services.resend(started.id)
    with pytest.raises(RateLimited) as caught:
        services.resend(started.id)
    assert caught.value.limit == "phone"
    assert services.status(started.id).status == "pending"
    assert len(outbox) == 2


def test_one_round_trip_and_nothing_in_clear(settings, redis):
    settings.OTP_LIMITS = "phone=5/10m,10/1d;ip=20/10m;phone-ip=7/1d;country=900/1h;all=50/1h+200"
    services.start(PHONE, caller=Caller("shop", "198.51.100.7"))
    keys = [key.decode() for key in redis.keys("otp:limit:*")]
    assert len(keys) == 6
    assert not any("2025550123" in key or "198.51" in key for key in keys)
    assert all(0 < redis.pttl(key) <= 86_400_000 for key in keys)
    with commands() as without:
        issue("+12025550124", limits.NOTHING)
    spent = limits.of_sms(recipients.parse_phone("+12025550125"), "login", Caller("shop", "198.51.100.7"))
    with commands() as sent:
        issue("+12025550125", spent)
    assert without.count("EVALSHA") == 1
    assert sent == without + ["EVALSHA"] * cells.many()  # the limits are in the hub
