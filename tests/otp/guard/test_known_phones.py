"""A phone that verified goes on whatever strangers do in its range."""

from __future__ import annotations

import pytest

from tests.otp.guard.clock import DAY, HOUR, Clock, command, shut


def test_a_phone_that_verified_goes_on_whatever_its_range_does(clock):
    clock.prove("+4915112349999", "DE", 1)
    clock.now += 13 * DAY
    shut(clock)
    assert clock.send("+4915112348888", "DE") == "hour +491511234"
    assert [clock.send("+4915112349999", "DE") for _ in range(6)] == [""] * 5 + ["hour +491511234"]


def test_what_a_phone_has_beyond_the_caps_begins_anew_when_it_verifies(clock):
    clock.prove("+4915112349999", "DE", 1)
    shut(clock)
    for _ in range(3):
        clock.prove("+4915112349999", "DE", 4)


def test_a_phone_is_forgotten_a_fortnight_after_it_verified(redis):
    clock = Clock()
    clock.prove("+4915112349999", "DE", 1)
    (key,) = redis.keys("otp:guard-known:*")
    assert 13.9 * DAY * 1000 < redis.pttl(key) <= 14 * DAY * 1000
    clock.now += 14 * DAY - 60
    clock.send("+4915112349999", "DE")
    assert 0 < redis.pttl(key) <= 60_000  # a send makes it last no longer
    clock.now += 60
    shut(clock)
    assert clock.send("+4915112349999", "DE") == "hour +491511234"


def test_a_phone_is_known_under_the_former_secret_too(clock, settings):
    clock.prove("+4915112349999", "DE", 1)
    settings.PHONE_SECRET_KEY, settings.PHONE_SECRET_KEY_FALLBACKS = (
        "another-" * 8,
        [settings.PHONE_SECRET_KEY],
    )
    shut(clock)
    assert clock.send("+4915112349999", "DE") == ""


@pytest.mark.parametrize("stop", ["block", "budget", "address", "known=0"])
def test_a_phone_that_verified_is_stopped_by_what_strangers_cannot_bring_about(clock, settings, redis, stop):
    settings.GUARD_PRICES, settings.GUARD_BUDGET = {"default": "1"}, "9"
    clock.now = redis.time()[0]
    clock.prove("+4915112349999", "DE", 1)
    if stop == "known=0":
        settings.GUARD_FIGURES = {"known": 0}
        shut(clock)
    elif stop == "budget":
        settings.GUARD_BUDGET = "1"
    elif stop == "block":
        command("--block", "DE")
    else:
        assert (
            clock.sent(["+12025550123", "+12125550123", "+13105550123", "+14155550123"], "US", "192.0.2.1")
            == 4
        )
    assert clock.send("+4915112349999", "DE", "192.0.2.1" if stop == "address" else "")


def test_a_range_is_shut_for_little_more_than_a_day_and_nobody_is_told_to_wait_longer(clock):
    """Ten sends of a stranger, as fast as the guard lets him."""
    for _ in range(10):
        while clock.send(f"+491511234{clock.sends:04d}", "DE"):
            clock.now += HOUR / 4
    begin = clock.now
    while refusal := clock.send("+4915112349999", "DE"):
        assert refusal.split()[1] == "+491511234"
        assert clock.wait <= DAY * 1000
        clock.now += HOUR
    assert clock.now - begin < 27 * HOUR


@pytest.mark.parametrize("days", [2, 4, 14])
def test_strangers_who_go_on_for_days_shut_it_no_longer(clock, days):
    for _ in range(4 * 24 * days):
        clock.send(f"+491511234{clock.sends % 10_000:04d}", "DE")
        clock.now += HOUR / 4
    begin = clock.now
    while clock.send("+4915112349999", "DE"):
        assert clock.wait <= DAY * 1000
        clock.now += HOUR
    assert clock.now - begin < 27 * HOUR
