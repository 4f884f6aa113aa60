"""Since when a part is away: all processes say the same, and one that has just started too."""

from __future__ import annotations

import time

import pytest

from sms import names, signs, sweeper
from sms.signs import Memory

WELL = {"redis": "ok", "broker": "ok", "worker": "ok", "beat": "ok", "sweep": "ok"}

pytestmark = pytest.mark.usefixtures("redis")


def swept() -> int:
    """A worker runs a sweep; when that was."""
    sweeper.late("otp", 0, 1)
    return signs.read().swept


def test_a_process_that_has_just_started_says_what_others_do():
    before = signs.read()
    found = Memory().since(WELL | {"worker": "away", "broker": "full"}, before)
    assert found == {"worker": before.now, "broker": before.now}
    time.sleep(0.01)
    assert Memory().since(WELL | {"worker": "away", "broker": "away"}, signs.read()) == found


def test_a_worker_is_away_since_its_last_sweep():
    last = swept()
    time.sleep(0.01)
    assert Memory().since(WELL | {"worker": "away"}, signs.read()) == {"worker": last}


def test_who_has_seen_it_later_tells_the_others():
    """Without beat no sweep says that a worker lived."""
    swept()
    time.sleep(0.01)
    here, there = Memory(), Memory()
    here.since(WELL, seen := signs.read())
    away = WELL | {"worker": "away"}
    time.sleep(0.01)
    there.since(away, signs.read())
    assert here.since(away, signs.read()) == {"worker": seen.now}
    assert there.since(away, signs.read()) == Memory().since(away, signs.read()) == {"worker": seen.now}


@pytest.mark.parametrize("asked_meanwhile", [True, False])
def test_what_came_back_and_went_again_is_away_since_then(redis, asked_meanwhile):
    away = WELL | {"worker": "away"}
    Memory().since(away, signs.read())
    if asked_meanwhile:
        Memory().since(WELL, signs.read())
        assert not redis.exists(f"{names.AWAY}worker")
        redis.delete(names.SWEPT)
    else:
        again = swept()
    time.sleep(0.01)
    known = signs.read()
    assert Memory().since(away, known) == {"worker": known.now if asked_meanwhile else again}


def test_of_what_is_unknown_nothing_is_forgotten():
    memory, away = Memory(), WELL | {"worker": "away"}
    since = memory.since(away, signs.read())
    assert memory.since(WELL | {"worker": "unknown"}, signs.read()) == {}
    assert memory.since(away, signs.read()) == Memory().since(away, signs.read()) == since


def test_while_redis_is_away_a_process_goes_by_itself():
    memory, gone = Memory(), {"redis": "away", "broker": "away", "worker": "unknown"}
    began = int(time.time() * 1000)
    since = memory.since(gone, None)
    assert since.keys() == {"redis", "broker"}
    assert all(began <= moment <= time.time() * 1000 for moment in since.values())
    time.sleep(0.01)
    assert memory.since(gone, None) == since


def test_redis_was_well_when_it_was_asked_last():
    memory = Memory()
    memory.since(WELL, known := signs.read())
    time.sleep(0.01)
    assert memory.since({"redis": "full"}, None) == {"redis": known.now}


def test_nothing_is_kept_for_ever(redis):
    sweeper.request("otp")
    swept()
    sweeper.request("bulk")
    Memory().since(WELL | {"worker": "away"}, signs.read())
    for name in (names.BEAT, names.SWEPT, f"{names.AWAY}worker"):
        assert 0 < redis.pttl(name) <= signs.REMEMBERED * 1000
    assert 0 < redis.pttl(f"{names.UNSWEPT}bulk") <= signs.BEAT_SILENT * 1000
