"""The cost of a puzzle for an attacker, for a phone of 2019, and for a start without one."""

from __future__ import annotations

import functools
import itertools
import resource
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from django.test import override_settings
from django_redis import get_redis_connection

from .report import Goal, Measure
from .surroundings import ROOT, Surroundings
from .tallying import cpu, phones

#: US$ an hour for a core of its own: half of an m7g.large of AWS, on demand, us-east-1, June 2026
#: (https://www.factualminds.com/blog/amazon-ec2-on-demand-pricing-instance-families-2026/).
CORE_HOUR = 0.0816 / 2

#: Iterations of PBKDF2-SHA256 a second on one core of a Raspberry Pi 4 (`cryptsetup benchmark`,
#: https://blog.stackframe.dev/46). It is of 2019, like the phone, and has four such cores (Cortex-A72).
#: Unlike the processors of phones, it has no instructions for SHA-256.
CORE_OF_2019 = 649_675

#: How much slower a mid-range phone is than a fast desktop computer, according to Lighthouse
#: (https://github.com/GoogleChrome/lighthouse/blob/main/docs/throttling.md).
SLOWER = 4

_SOLVER = Path(__file__).with_name("solver.c")

#: Puts the answer together as a page does, and says after how many milliseconds it was there.
_IN_A_BROWSER = """async (puzzle) => {
  const { answer } = await import("/puzzle.js");
  const begun = performance.now();
  await answer(puzzle);
  return performance.now() - begun;
}"""


def costs(bench: Surroundings) -> Iterator[Measure]:
    """The price of an answer for an attacker, seconds for a phone, and the CPU of a start."""
    from otp.challenges import altcha

    rounds = bench.rounds(15)
    bench.say("challenge: a solver in C")
    with tempfile.TemporaryDirectory(prefix="otpost-bench-") as folder:
        solver = Path(folder) / "solver"
        subprocess.run(["cc", "-O3", "-march=native", "-o", solver, _SOLVER], check=True)
        seconds = [_solve_in_c(solver, altcha.make()["parameters"]) for _ in rounds]
    yield Measure("challenge: CPU of an answer, in C", "s", seconds)
    price = [1_000_000 / 3600 * CORE_HOUR * one for one in seconds]
    yield Measure("challenge: price of a million SMS", "US$", price)
    bench.say("challenge: Chromium")
    there = _solve_in_chromium([altcha.make() for _ in rounds])
    yield Measure("challenge: an answer, in Chromium", "s", there)
    yield Measure("challenge: the same, times Lighthouse's 4", "s", [SLOWER * one for one in there])
    work = [altcha.figures().work * 1000 * part for part in (2 / 3, 1, 4 / 3)]
    yield Measure(
        "challenge: an answer, on a phone of 2019",
        "s",
        [iterations / CORE_OF_2019 / 4 for iterations in work],
        note="reckoned from a Raspberry Pi 4; the spread is that of the work",
    )
    yield _start(bench)


def _solve_in_c(solver: Path, parameters: dict[str, Any]) -> float:
    """Seconds of CPU."""
    words = [parameters["nonce"], parameters["salt"], str(parameters["cost"]), parameters["keyPrefix"][:8]]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([solver, *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _solve_in_chromium(puzzles: list[Any]) -> list[float]:
    """Seconds until the answer to each is there."""
    from playwright.sync_api import sync_playwright

    from tests.e2e.browser import ARGS, CHROMIUM

    handler = functools.partial(_Quiet, directory=str(ROOT / "otp/static/otp"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as driver:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/icon.svg")
        found = [page.evaluate(_IN_A_BROWSER, puzzle) / 1000 for puzzle in puzzles]
        browser.close()
        server.shutdown()
    return found


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _start(bench: Surroundings) -> Measure:
    """CPU of a start that is asked for no puzzle, with the challenge and without one."""
    from otp import services

    many = 100 if bench.quick else 200
    found: dict[str, list[float]] = {path: [] for path in ("", "otp.challenges.altcha")}
    with_room = {
        "OTP_LIMITS": "phone=5/10m,10/1d;ip=20/10m;all=1000000/1h+1000000",
        "GUARD_MODE": "shadow",
        "GUARD_FIGURES": dict.fromkeys(("new", "country", "coarse", "fine"), (10**6, 10**6, 10**6)),
    }
    for number in (turns := bench.rounds(21)):
        bench.say(f"challenge: starts, round {number + 1} of {len(turns)}")
        for path in sorted(found, reverse=bool(number % 2)):
            with override_settings(OTP_CHALLENGE=path, **with_room):
                get_redis_connection().flushall()
                cpu(services.start, itertools.islice(phones, 20))  # loads the scripts
                found[path].append(cpu(services.start, itertools.islice(phones, many)))
    without, ours = found.values()
    return Measure("challenge: CPU of a cool start", "µs", ours, without, Goal("ratio", "<=", 1.05))
