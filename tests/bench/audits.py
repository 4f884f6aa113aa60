"""What Lighthouse gives our pages, and a shop's page with the widget, on a phone with a slow network.

The pages come from a web process as in production. Performance is that of a phone four times as slow as this
machine, so it is lower where the machine is slow or has other work.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from config.demo.ports import free_port
from tests.e2e import lighthouse

from .http_speed import web_process
from .report import Goal, Measure
from .surroundings import Surroundings
from .worker import OURS

#: The best score there is.
BEST = 100


def scores(bench: Surroundings) -> Iterator[Measure]:
    """Three scores of each page; none where Lighthouse is missing."""
    if lacking := lighthouse.lacking():
        bench.say(f"lighthouse: left out, as it {lacking}")
        return
    from tests.e2e.lighthouse_pages import NAMES, audit, shop_of

    reports: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
    port = free_port()
    with shop_of(f"http://127.0.0.1:{port}") as shop:
        environment = {
            "API_ACCESS": f"tests=verify,return:{shop.address}",
            "API_KEYS": f"tests:{bench.environment['API_KEYS'].rpartition(':')[2]}",
            "OTP_PURPOSES": json.dumps({"login": {"lifetime": 600}}),  # Lighthouse takes its time
            "PAGES": "open",
            "PUBLIC_URL": shop.otpost,
        }
        with web_process(bench, environment, port=port):
            worker = bench.python(*OURS, environment=environment)
            for number in (rounds := bench.rounds(3)):
                for name, found in reports.items():
                    bench.say(f"lighthouse: {name}, round {number + 1} of {len(rounds)}")
                    found.append(audit(name, shop))
            bench.end(worker)
    for name, found in reports.items():
        for category in lighthouse.CATEGORIES:
            points = [lighthouse.scores(report)[category] for report in found]
            note = _times(found) if category == "performance" else ""
            goal = Goal("ours", "=", BEST)
            yield Measure(f"lighthouse, {name}: {category}", "points", points, goal=goal, note=note)


def _times(reports: Sequence[dict[str, Any]]) -> str:
    """Medians of what makes up the score of performance, and of Lighthouse's own measure of the machine."""

    def median(audit: str) -> float:
        return statistics.median(report["audits"][audit]["numericValue"] for report in reports)

    first, largest = (median(f"{paint}-contentful-paint") / 1000 for paint in ("first", "largest"))
    blocked = median("total-blocking-time")
    index = statistics.median(report["environment"]["benchmarkIndex"] for report in reports)
    return (
        f"first paint after {first:.2f} s, the largest after {largest:.2f} s, {blocked:.0f} ms blocked; "
        f"benchmark index {index:.0f}"
    )
