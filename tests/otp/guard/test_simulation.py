"""Attacks and people of days, in virtual time."""

from __future__ import annotations

import pytest

from tests.bench import attacks, pumping

pytestmark = pytest.mark.first


def test_attacks_are_stopped_and_people_are_not(redis):
    """Shapes and a seed that the figures were not chosen with; a smaller form of `make bench`."""
    found = pumping.simulate(pumping.SEED + 1, attacks.JUDGED, scale=0.2, force=0.4)
    history = found.pop("history")
    assert history.refused_share < pumping.MOST_REFUSED
    every = pumping.total(found)
    assert every.stopped_share > pumping.LEAST_STOPPED
    assert every.refused_share < pumping.MOST_REFUSED
    assert every.saved > 10 * every.lost
