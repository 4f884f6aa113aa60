"""The guard in /metrics."""

from __future__ import annotations

from contextlib import suppress

import pytest

from otp import services
from otp.errors import RateLimited
from otp.guard import report
from otp.names import GUARD_SPEND, IN_LUA
from sms.names import key
from tests.otp.guard.clock import shut, spread
from tests.scraped import scrape

OVER = IN_LUA["GUARD_OVER"]
NOTHING = dict.fromkeys(("new", "country", "prefix", "address"), 0)


def over(today) -> dict[str, int]:
    return {**report.standing().over}


def test_a_scope_that_refuses_something_is_over_its_cap(redis, today):
    assert over(today) == NOTHING
    shut(today)
    assert over(today) == NOTHING | {"prefix": 1}
    report.release("+491511234")
    assert over(today) == NOTHING
    assert not redis.exists(key(OVER))


def test_each_kind_is_told_apart(today, wide):
    wide(country=(2, 9, 9), address=(1, 9, 9))
    today.sent(spread(2), "DE")
    assert today.send("+4915199990000", "DE").startswith("hour DE")
    today.send("+33612345678", "FR", "192.0.2.1")
    assert today.send("+33712345678", "FR", "192.0.2.1").startswith("hour ip:")
    assert over(today) == NOTHING | {"country": 1, "address": 1}


def test_a_country_whose_ranges_refuse_is_over_its_cap_too(redis, today, wide):
    """A refusal is booked only on the narrowest scope; the dashboard shows every one that is over."""
    wide(new=(6, 99, 99), country=(6, 99, 99), fine=(6, 99, 99))
    shut(today)
    assert redis.zcard(key(OVER)) == 1
    assert over(today) == NOTHING | {"new": 1, "country": 1, "prefix": 1}
    shown = [row.scope for row in report.noticed() if row.over and row.kind in ("new", "country")]
    assert shown == ["new", "DE"]


def test_one_that_would_refuse_counts_too(today, wide, settings):
    """In shadow mode, and for a known phone that still gets codes."""
    settings.GUARD_MODE = "shadow"
    wide(country=(2, 9, 9))
    assert today.sent(spread(5), "DE") == 2
    assert over(today) == NOTHING | {"country": 1}


def test_so_many_are_remembered(redis, today, wide):
    wide(address=(1, 1, 1))
    redis.zadd(key(OVER), {f"ip:{n}": 1 for n in range(600)})
    for _ in range(2):
        today.send("+33712345678", "FR", "192.0.2.1")
    assert redis.zcard(key(OVER)) == 500
    assert 86_000 < redis.ttl(key(OVER)) <= 86_400
    assert over(today) == NOTHING | {"address": 1}  # of the others nobody knows anything
    assert redis.zcard(key(OVER)) == 1


def test_all_of_it_is_shown(settings, redis):
    settings.GUARD_PRICES, settings.GUARD_BUDGET = {"default": "0.05"}, 20
    settings.GUARD_FIGURES = {"fine": (2, 9, 9), "strict": 2}
    for number in range(3):
        with suppress(RateLimited):
            services.start(f"+1202555{number + 200:04}")
    found = scrape(settings)
    assert found.of("spent_today") == pytest.approx(0.1)
    assert found.of("budget") == 20
    assert found.of("spent_total", country="US") == pytest.approx(0.1)
    shown = {kind: found.of("guard_scopes_over_cap", kind=kind) for kind in NOTHING}
    assert shown == NOTHING | {"prefix": 1}
    labels = {"purpose": "login", "country": "US", "api_key": ""}
    assert found.of("starts_total", outcome="guard:hour", **labels) == 1
    redis.set(key(GUARD_SPEND), "1 5000000")  # of another day
    assert scrape(settings).of("spent_today") == 0
