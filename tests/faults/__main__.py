"""``python -m tests.faults``: kills, hangs and garbage under load, and one table of what came of it.

Real web, worker, beat and Redis processes on loopback; two providers that behave as told.
"""

from __future__ import annotations

import argparse
import random
import sys

from tests.faults.kinds import FAULTS
from tests.faults.report import as_json, as_table
from tests.faults.suite import run


def main() -> int:
    """Run what the command line asks for; 1 if a promise was broken, or a row could not be run."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Let everything that Otpost needs fail while it works, and count what becomes of its "
        "messages. The whole takes about twenty minutes.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=FAULTS,
        help=f"one fault (may be repeated): {', '.join(FAULTS)}",
    )
    parser.add_argument("--seconds", type=float, default=20, help="of load per fault, at least (20)")
    parser.add_argument("--rate", type=float, default=30, help="starts a second (30)")
    parser.add_argument("--seed", type=int, help="of the random instants (default: another each time)")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    _say(f"seed {seed}, {options.rate:g} starts a second, Redis with appendfsync always")
    rows = []
    left_out = {}
    for name in options.only or FAULTS:
        if missing := FAULTS[name].missing:
            left_out[name] = missing
            _say(f"{name}: left out, {missing}")
            continue
        row = run(FAULTS[name], seed=seed, seconds=options.seconds, rate=options.rate)
        rows.append(row)
        verdict = "good" if row.good else f"FAILED: {'; '.join(row.problems)}"
        _say(
            f"{name}: {row.times} times in {row.seconds:.0f} s, {row.refused} refused, "
            f"{row.unanswered} unanswered, {row.in_doubt} messages in doubt, {row.in_flight} calls "
            f"in flight, {row.restarts} restarts: {verdict}"
        )
    print(as_json(rows, seed=seed, left_out=left_out) if options.json else as_table(rows, left_out))
    return 0 if not left_out and all(row.good for row in rows) else 1


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
