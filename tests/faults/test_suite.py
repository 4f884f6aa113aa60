"""`make faults` in short: those rows in which the most can go wrong, with a few seconds of load."""

from __future__ import annotations

import pytest

from tests.faults.kinds import FAULTS
from tests.faults.suite import run

#: Row → about how many seconds it takes.
ROWS = {
    **{"worker-killed": 37, "web-killed": 8, "redis-killed": 9, "broker-away": 15, "master-killed": 20},
    **{"rabbitmq-restarted": 20, "provider-500": 28, "provider-hangs": 28, "deduplicator-hangs": 9},
    **{
        "channel-silent": 35,
        "telegram-hang": 12,
        "voice-throttle": 12,
        "receipts-forged": 9,
        "webhook-receiver-hangs": 30,
        "clients-silent": 12,
        "upgrade-rolling": 24,
    },
}


@pytest.mark.timeout(300)  # what a dead worker held comes back after 30 s, and may do so twice
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=[
                pytest.mark.slow(seconds),
                pytest.mark.skipif(bool(FAULTS[name].missing), reason=FAULTS[name].missing or "-"),
            ],
        )
        for name, seconds in ROWS.items()
    ],
)
def test_every_message_is_accounted_for(name):
    row = run(FAULTS[name], seed=1, seconds=4, rate=20)
    assert row.good, row
