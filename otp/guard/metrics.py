"""The guard in ``/metrics``: scopes over their cap, and the money of the day."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric

from otp.guard import report, settings
from sms.metrics import SOURCES, gauge, gauges


def collect() -> Iterator[Metric]:
    """The guard's metrics. One round trip. Raises ``Unavailable``."""
    now = report.standing()
    help = (
        "Scopes of the guard that have reached their cap. Of ranges and addresses, only those that refused "
        "lately."
    )
    over = [((kind,), count) for kind, count in now.over.items()]
    yield gauges("guard_scopes_over_cap", help, ("kind",), over)
    yield gauge("spent_today", "Cost of the codes of this day (UTC), by GUARD_PRICES.", float(now.spent))
    yield gauge("budget", "GUARD_BUDGET; 0: no limit.", float(settings.read().budget))


SOURCES.append(collect)
