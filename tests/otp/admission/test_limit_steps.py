"""The arithmetic of limits, to the millisecond: windows and rates, on a real server with a clock by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import otp
from sms import names
from sms.scripts import Script

STEP = Script(
    Path(__file__).with_name("limit_steps.lua"), includes=(Path(otp.__file__).parent / "lua" / "includes",)
)
NOW = 1_700_000_000_000

#: Three in ten seconds; ten in a second on average and four in a bunch: one more each 100 ms.
WINDOW = {"key": "otp:limit:window", "most": 3, "window": 10_000}
RATE = {"key": "otp:limit:rate", "most": 10, "window": 1000, "at_once": 4}


def step(what: str, now: int, *limits: dict[str, Any]) -> dict[str, Any]:
    kept = [{**limit, "key": names.key(limit["key"])} for limit in limits]
    return STEP.ask((), {"step": what, "now": now, "limits": kept})


def wait(now: int, *limits: dict[str, Any]) -> int | None:
    """Ms until there is room; None where there is."""
    answer = step("refuse", now, *limits)
    assert ("limit" in answer) == (answer["wait"] > 0)
    return answer["wait"] or None


def test_a_window_has_room_when_its_oldest_is_as_old_as_the_window_is_long(redis):
    for at in (0, 1000, 2500):
        assert wait(NOW + at, WINDOW) is None
        step("count", NOW + at, WINDOW)
    assert wait(NOW + 2500, WINDOW) == 7500
    assert wait(NOW + 9_999, WINDOW) == 1
    assert wait(NOW + 10_000, WINDOW) is None
    step("count", NOW + 10_000, WINDOW)
    assert wait(NOW + 10_000, WINDOW) == 1000
    assert redis.lrange("otp:limit:window", 0, -1) == [b"%d" % (NOW + at) for at in (10_000, 2500, 1000)]
    assert 9_000 < redis.pttl("otp:limit:window") <= 10_000


def test_a_rate_has_room_for_a_bunch_and_then_for_its_share(redis):
    for _ in range(4):
        assert wait(NOW, RATE) is None
        step("count", NOW, RATE)
    assert float(redis.get("otp:limit:rate")) == NOW + 400
    assert 300 < redis.pttl("otp:limit:rate") <= 400
    assert wait(NOW, RATE) == 100
    assert wait(NOW + 99, RATE) == 1
    assert wait(NOW + 100, RATE) is None
    step("count", NOW + 100, RATE)
    assert wait(NOW + 100, RATE) == 100
    step("count", NOW + 9_000, RATE)  # what was not used is not saved up
    assert float(redis.get("otp:limit:rate")) == NOW + 9_100


@pytest.mark.parametrize(
    ("windows", "place"), [((10_000, 20_000), 1), ((20_000, 10_000), 0), ((9_000, 9_000), 0)]
)
def test_the_limit_with_the_longest_wait_is_told(redis, windows, place):
    limits = [{"key": f"otp:limit:{i}", "most": 1, "window": window} for i, window in enumerate(windows)]
    step("count", NOW, *limits)
    assert step("refuse", NOW, *limits) == {"limit": place, "wait": max(windows)}


def test_part_of_a_millisecond_is_waited_for_whole(redis):
    rate = RATE | {"most": 3, "at_once": 1}
    step("count", NOW, rate)
    assert wait(NOW, rate) == 334


def test_a_right_guess_takes_the_latest_wrong_one_back(redis):
    step("count", NOW, WINDOW, RATE)
    step("count", NOW + 10, WINDOW, RATE)
    step("forgive", NOW + 10, WINDOW, RATE)
    assert redis.lrange("otp:limit:window", 0, -1) == [b"%d" % NOW]
    assert float(redis.get("otp:limit:rate")) == NOW + 100
    assert 0 < redis.pttl("otp:limit:rate") <= 90
    step("forgive", NOW + 10, WINDOW, RATE)
    assert redis.keys() == []
    step("forgive", NOW + 10, WINDOW, RATE)
    assert redis.keys() == []  # and nothing is saved up


def test_what_a_rate_has_nearly_forgotten_is_forgotten_whole(redis):
    step("count", NOW, RATE)
    step("count", NOW, RATE)
    step("forgive", NOW + 100, RATE)
    assert redis.exists("otp:limit:rate") == 0
