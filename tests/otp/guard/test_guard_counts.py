"""The arithmetic of the guard, to the last send and millisecond: windows that slide, and their caps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otp.guard import decision
from sms import names
from sms.scripts import Script

STEP = Script(Path(__file__).with_name("guard_counts.lua"), includes=(decision.INCLUDES,))

YOUNG, HOUR, DAY, FORTNIGHT = 300_000, 3_600_000, 86_400_000, 14 * 86_400_000
WINDOWS = (YOUNG, HOUR, DAY, FORTNIGHT)
NOW = 1406 * FORTNIGHT  # where all four windows begin
MANY = (10**6,) * 3


def text(*windows: tuple[int, int, int, int], kind: int = 4, refused: int = 0, at: int = NOW) -> str:
    """The counts as Redis has them: for each window sends and verified, then those of the window before."""
    numbers = [kind, refused, 0]
    for length, counts in zip(WINDOWS, windows, strict=True):
        numbers += [at // length, *counts]
    return ",".join(map(str, numbers))


def step(what: str, now: int, **args: Any) -> dict[str, Any]:
    return STEP.ask((names.key("otp:guard:DE"),), {"step": what, "now": now, "kind": 4, **args})


def judge(now: int, caps: tuple[float, ...] = MANY, ratio: float = 1.0) -> dict[str, Any]:
    return step("judge", now, caps=caps, ratio=ratio)


# --- windows ------------------------------------------------------------------------------------


def test_what_nobody_knows_has_no_counts_and_the_kind_that_is_asked_for(redis):
    assert step("read", NOW + 1, kind=3)["text"] == text(*[(0, 0, 0, 0)] * 4, kind=3)


@pytest.mark.parametrize(
    ("passed", "windows", "refused", "before"),
    [
        (YOUNG - 1, [(5, 1, 7, 2)] * 4, 6, 0),
        (YOUNG, [(0, 0, 5, 1)] + [(5, 1, 7, 2)] * 3, 6, 0),
        (2 * YOUNG, [(0, 0, 0, 0)] + [(5, 1, 7, 2)] * 3, 6, 0),
        (HOUR, [(0, 0, 0, 0), (0, 0, 5, 1)] + [(5, 1, 7, 2)] * 2, 6, 0),
        (2 * HOUR, [(0, 0, 0, 0)] * 2 + [(5, 1, 7, 2)] * 2, 6, 0),
        (DAY - 1, [(0, 0, 0, 0)] * 2 + [(5, 1, 7, 2)] * 2, 6, 0),
        (DAY, [(0, 0, 0, 0)] * 2 + [(0, 0, 5, 1), (5, 1, 7, 2)], 0, 6),
        (2 * DAY, [(0, 0, 0, 0)] * 3 + [(5, 1, 7, 2)], 0, 0),
        (FORTNIGHT, [(0, 0, 0, 0)] * 3 + [(0, 0, 5, 1)], 0, 0),
        (2 * FORTNIGHT, [(0, 0, 0, 0)] * 4, 0, 0),
    ],
)
def test_a_window_that_ends_becomes_the_one_before(redis, passed, windows, refused, before):
    redis.set("otp:guard:DE", text(*[(5, 1, 7, 2)] * 4, refused=6))
    numbers = text(*windows, at=NOW + passed).split(",")
    numbers[1:3] = str(refused), str(before)
    assert step("read", NOW + passed)["text"] == ",".join(numbers)


def test_a_clock_that_was_set_back_changes_nothing(redis):
    known = text(*[(5, 1, 7, 2)] * 4, refused=6)
    redis.set("otp:guard:DE", known)
    assert step("read", NOW - 3 * DAY)["text"] == known


def test_a_send_counts_in_every_window(redis):
    redis.set("otp:guard:DE", text(*[(5, 1, 7, 2)] * 4, kind=6))
    assert step("send", NOW, kind=2)["text"] == text(*[(6, 1, 7, 2)] * 4, kind=2)


@pytest.mark.parametrize(
    ("sent", "windows"),
    [
        (NOW + 299_000, [(5, 2, 7, 2)] * 4),
        (NOW - 1, [(5, 1, 7, 3)] * 4),
        (NOW - YOUNG - 1, [(5, 1, 7, 2)] + [(5, 1, 7, 3)] * 3),
        (NOW - HOUR - 1, [(5, 1, 7, 2)] * 2 + [(5, 1, 7, 3)] * 2),
        (NOW - DAY - 1, [(5, 1, 7, 2)] * 3 + [(5, 1, 7, 3)]),
        (NOW - FORTNIGHT - 1, [(5, 1, 7, 2)] * 4),
    ],
)
def test_a_verification_counts_in_the_windows_of_its_send(redis, sent, windows):
    redis.set("otp:guard:DE", text(*[(5, 1, 7, 2)] * 4))
    assert step("verify", NOW + 299_500, sent=sent)["text"] == text(*windows)


def test_a_verification_of_what_nobody_remembers_writes_nothing(redis):
    assert step("verify", NOW, sent=NOW) == {}


@pytest.mark.parametrize(
    ("kind", "now", "lasts"),
    [
        (4, NOW, 2 * FORTNIGHT),
        (4, NOW + FORTNIGHT - 1, FORTNIGHT + 1),
        (5, NOW, 2 * DAY),
        (6, NOW + DAY - 1, DAY + 1),
    ],
)
def test_counts_live_until_none_of_their_windows_counts(redis, kind, now, lasts):
    step("send", now, kind=kind)
    assert lasts - 5_000 < redis.pttl("otp:guard:DE") <= lasts


# --- how a scope stands -------------------------------------------------------------------------


def test_of_the_window_before_the_part_that_still_counts(redis):
    redis.set("otp:guard:DE", text((0, 0, 0, 0), (4, 1, 10, 2), (12, 1, 20, 6), (40, 1, 56, 28)))
    # A quarter of the hour has passed; next to nothing of the day and of the fortnight.
    answer = judge(NOW + HOUR // 4)
    hour, day, fortnight = answer["standings"]
    assert answer["verified"] == pytest.approx(2.5)
    passed_day, passed_fortnight = 1 / 96, 1 / 96 / 14
    verified_day = 1 + 6 * (1 - passed_day)
    verified_fortnight = 1 + 28 * (1 - passed_fortnight)
    assert hour == pytest.approx([4 + 7.5 - (1 + 1.5), max(2.5, verified_day / 6)])
    assert day == pytest.approx([12 + 20 * (1 - passed_day) - verified_day, verified_day])
    unverified = 40 + 56 * (1 - passed_fortnight) - verified_fortnight
    assert fortnight == pytest.approx([unverified, verified_fortnight])


def test_an_hour_earns_by_the_hour_or_by_a_sixth_of_a_day_and_a_day_by_the_fortnight_too(redis):
    redis.set("otp:guard:DE", text((0, 0, 0, 0), (0, 0, 0, 0), (30, 2, 0, 0), (200, 168, 0, 0)))
    hour, day, fortnight = judge(NOW, ratio=0.5)["standings"]
    assert hour == pytest.approx([0, 0.5 * 12 / 6])
    assert day == pytest.approx([28, 0.5 * 12])
    assert fortnight == pytest.approx([32, 0.5 * 168])


def test_what_is_young_counts_by_the_share_that_stays_unverified(redis):
    redis.set("otp:guard:DE", text((12, 2, 0, 0), (20, 2, 0, 0), (30, 2, 0, 0), (50, 20, 0, 0)))
    # 10 are open; of 40 + 10 older ones 20 were verified, so 4 of the 10 are hoped for.
    hour, day, fortnight = judge(NOW)["standings"]
    assert [unverified for unverified, _ in (hour, day, fortnight)] == pytest.approx([14, 24, 26])


def test_at_most_four_fifths_of_what_is_young_are_hoped_for(redis):
    redis.set("otp:guard:DE", text((10, 0, 0, 0), (10, 0, 0, 0), (10, 0, 0, 0), (1010, 1000, 0, 0)))
    assert judge(NOW)["standings"][0][0] == pytest.approx(10 - 8)


def test_where_more_young_ones_are_verified_than_sent_nothing_is_open(redis):
    redis.set("otp:guard:DE", text((1, 3, 0, 0), (5, 3, 0, 0), (5, 3, 0, 0), (5, 3, 0, 0)))
    assert judge(NOW)["standings"][0][0] == pytest.approx(2)


# --- caps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [0, 1, 2])
@pytest.mark.parametrize(("cap", "over"), [(5.0, False), (4.999, True), (6.0, False)])
def test_a_cap_has_room_for_one_more_or_has_not(redis, window, cap, over):
    redis.set("otp:guard:DE", text((0, 0, 0, 0), *[(4, 0, 0, 0)] * 3))
    caps = [1000.0] * 3
    caps[window] = cap
    answer = judge(NOW, tuple(caps))
    assert answer.get("over") == (("hour", "day", "fortnight")[window] if over else None)


def test_what_was_earned_comes_on_top(redis):
    redis.set("otp:guard:DE", text((0, 0, 0, 0), *[(7, 2, 0, 0)] * 3))
    assert "over" not in judge(NOW, (4, 4, 4))
    assert judge(NOW, (3.9, 4, 4))["over"] == "hour"


@pytest.mark.parametrize(
    ("counts", "now", "wait"),
    [
        ((9, 0, 0, 0), NOW, HOUR),  # until the hour is over
        ((9, 0, 0, 0), NOW + HOUR - 90_000, 90_000),
        ((9, 0, 0, 0), NOW + HOUR - 1, 60_000),  # a minute at least
        # 5 are open, 4 may be: until two tenths of the hour later
        ((0, 0, 20, 10), NOW + HOUR // 2, HOUR * 2 // 10),
        ((0, 0, 20, 10), NOW + HOUR // 10, HOUR * 6 // 10),
        (
            (0, 0, 1, 0),
            NOW + HOUR // 4,
            HOUR // 2,
        ),  # three quarters and one more are open, one and a quarter may be
        ((9, 0, 8, 0), NOW + HOUR * 3 // 4, HOUR // 4),  # fading alone takes longer than the hour lasts
    ],
)
def test_the_wait_is_until_the_hour_before_has_faded_or_this_one_is_over(redis, counts, now, wait):
    redis.set("otp:guard:DE", text((0, 0, 0, 0), counts, (0, 0, 0, 0), (0, 0, 0, 0)))
    cap = {0: 4.0 if counts[2] > 1 else 1.25, 9: 3.0}[counts[0]]
    answer = judge(now, (cap, 1000, 1000), ratio=1e-9)
    assert answer["over"] == "hour"
    assert answer["wait"] == pytest.approx(wait, abs=2)


def test_nobody_is_told_to_wait_for_longer_than_a_day(redis):
    redis.set("otp:guard:DE", text((0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), (9, 0, 0, 0)))
    assert judge(NOW, (1000, 1000, 4))["wait"] == DAY
