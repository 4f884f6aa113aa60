"""`make faults` in short: those rows in which the most can go wrong, with a few seconds of load."""

from __future__ import annotations

import pytest

from tests.faults.kinds import FAULTS
from tests.faults.suite import run

pytestmark = pytest.mark.slow


@pytest.mark.timeout(300)  # what a dead worker held comes back after 30 s, and may do so twice
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=pytest.mark.skipif(bool(FAULTS[name].missing), reason=FAULTS[name].missing or "-")
        )
        for name in (
            "worker-killed",
            "web-killed",
            "redis-killed",
            "broker-away",
            "master-killed",
            "rabbitmq-restarted",
            "provider-500",
            "provider-hangs",
            "receipts-forged",
            "clients-silent",
            "upgrade-rolling",
        )
    ],
)
def test_every_message_is_accounted_for(name):
    row = run(FAULTS[name], seed=1, seconds=4, rate=20)
    assert row.good, row
