"""A start and a check over HTTP against a bare Django view under the same server."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django_redis import get_redis_connection

from config.demo.ports import free_port

from .http_start import LIMITS, answers, code_of
from .report import Goal, Measure
from .surroundings import Surroundings

#: Requests of one round, and connections that send them side by side.
REQUESTS = 1500
CONNECTIONS = 16

#: Numbers of threads that are tried out.
THREADS = (1, 4, 8, 16, 32)

_BARE = "tests.bench.bare"
_ROOMY = "tests.bench.roomy"  # a refusal, or a line about one, costs more

_serials = itertools.count()

Request = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Web:
    """A web process and its children."""

    port: int
    process: subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one round."""

    rate: float  # requests a second
    cpu: float  # ms of the web processes for each


def speed(bench: Surroundings) -> Iterator[Measure]:
    """In turns: the bare view, starts and checks, by a web process that has a core for itself."""
    with ExitStack() as stack:
        stack.enter_context(bench.provider.answering_after(0))
        core = stack.enter_context(_core(bench))
        bare, ours = (
            stack.enter_context(
                web_process(bench, {"DJANGO_SETTINGS_MODULE": module, "LOG_LEVEL": "ERROR"}, core)
            )
            for module in (_BARE, _ROOMY)
        )
        sides: dict[str, Callable[[], Run]] = {
            "bare": lambda: sent(bench, bare, starts(4 * REQUESTS), "200"),
            "start": lambda: sent(bench, ours, starts(REQUESTS), "202"),
            "check": lambda: sent(bench, ours, checks(REQUESTS), "200"),
        }
        runs = _in_turns(bench, "http", sides, 6)
    for name, least in (("start", 0.25), ("check", 0.45)):
        yield from _against(f"{name} against a bare view", runs[name], runs["bare"], least)


def logged(bench: Surroundings) -> Iterator[Measure]:
    """Starts by the command of the docs at INFO and at ERROR, and by other numbers of threads at INFO."""
    common = {"DJANGO_SETTINGS_MODULE": _ROOMY}
    with ExitStack() as stack:
        webs = {
            level: stack.enter_context(web_process(bench, common | {"LOG_LEVEL": level}, workers=0))
            for level in ("INFO", "ERROR")
        }
        sides = {level: _starting(bench, web) for level, web in webs.items()}
        runs = _in_turns(bench, "LOG_LEVEL", sides, 6)
    yield from _against("starts at INFO against ERROR", runs["INFO"], runs["ERROR"], 0.9)
    with ExitStack() as stack:
        tried = {
            f"{threads}": _starting(
                bench, stack.enter_context(web_process(bench, common, threads=threads, workers=0))
            )
            for threads in THREADS
        }
        runs = _in_turns(bench, "threads", tried, 3)
    rates = {threads: statistics.median(run.rate for run in found) for threads, found in runs.items()}
    best = max(rates, key=lambda threads: rates[threads])
    yield Measure(
        "starts by the best number of threads",
        "requests/s",
        [run.rate for run in runs[best]],
        note=f"{best} threads; " + ", ".join(f"{name}: {rate:.0f}/s" for name, rate in rates.items()),
    )


def _against(name: str, ours: list[Run], base: list[Run], least: float) -> Iterator[Measure]:
    """At least that share of the requests a second, and at most 1 / ``least`` of the CPU."""
    rates, theirs = ([run.rate for run in side] for side in (ours, base))
    yield Measure(name, "requests/s", rates, theirs, Goal("ratio", ">=", least))
    cpu, theirs = ([run.cpu for run in side] for side in (ours, base))
    yield Measure(name, "ms of CPU", cpu, theirs, Goal("ratio", "<=", 1 / least))


def _in_turns(
    bench: Surroundings, name: str, sides: Mapping[str, Callable[[], Run]], usual: int
) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    for run in sides.values():
        run()  # opens connections, loads the scripts
    for number in (rounds := bench.rounds(usual)):
        bench.say(f"{name}, round {number + 1} of {len(rounds)}")
        # The machine may be in another mood for the second one.
        for side in sorted(sides, reverse=bool(number % 2)):
            runs[side].append(sides[side]())
    return runs


def _starting(bench: Surroundings, web: Web) -> Callable[[], Run]:
    return lambda: sent(bench, web, starts(REQUESTS), "202")


def starts(count: int) -> list[Request]:
    """Each from another number and address, so that no limit is in the way."""
    get_redis_connection().flushall()
    return [
        ("/v1/verifications", json.dumps({"phone": _number(), "client_ip": f"198.18.{n >> 8}.{n & 255}"}))
        for n in range(count)
    ]


def checks(count: int) -> list[Request]:
    """The right codes of so many verifications. Their SMS were sent: whoever types a code has read it."""
    from sms.delivery import run

    get_redis_connection().flushall()
    started = begun(count)
    for verification in started:
        run.deliver(verification.message_id)
    return [(f"/v1/verifications/{one.id}/check", json.dumps({"code": code_of(one.id)})) for one in started]


def begun(count: int) -> list[Any]:
    """So many verifications, each of another number. Their SMS wait."""
    from otp import services
    from otp.caller import Caller

    return [services.start(_number(), caller=Caller("bench")) for _ in range(count)]


def _number() -> str:
    serial = next(_serials)
    return f"+1{(201, 202, 203, 205, 206, 207, 208, 209)[serial // 10_000 % 8]}555{serial % 10_000:04}"


def sent(bench: Surroundings, web: Web, requests: list[Request], status: str) -> Run:
    """Send them all by a process of their own. Raises ``RuntimeError`` where one is answered otherwise."""
    work = {
        "port": web.port,
        "connections": CONNECTIONS,
        "headers": {"Authorization": f"Bearer {bench.api_key}", "Content-Type": "application/json"},
        "requests": requests,
    }
    before = _cpu(web)
    said = subprocess.run(
        [sys.executable, Path(__file__).with_name("http_load.py")],
        input=json.dumps(work).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(said.stdout)
    if found["statuses"] != {status: len(requests)}:
        raise RuntimeError(f"not all were answered with {status}: {found['statuses']}")
    return Run(len(requests) / found["seconds"], (_cpu(web) - before) / len(requests) * 1000)


@contextmanager
def _core(bench: Surroundings) -> Iterator[int | None]:
    """A core on which neither the load runs nor what it needs. None where there is only one."""
    cores = os.sched_getaffinity(0)
    if len(cores) == 1:
        yield None
        return
    core = max(cores)
    processes = os.getpid(), bench.server.process.pid, bench.provider.process.pid
    try:
        for pid in processes:
            _run_on(pid, cores - {core})
        yield core
    finally:
        for pid in processes:
            _run_on(pid, cores)


def _run_on(pid: int, cores: set[int]) -> None:
    """Let all threads of a process run there alone (Linux)."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


@contextmanager
def web_process(
    bench: Surroundings,
    environment: Mapping[str, str],
    core: int | None = None,
    *,
    threads: int = 0,
    workers: int = 1,
    port: int = 0,
) -> Iterator[Web]:
    """The server as docs/production.md starts it, with these changes. 0: the default, or any free port."""
    port = port or free_port()
    web = bench.python(
        *("config.web", "--host", "127.0.0.1", "--port", str(port)),
        environment={
            "API_ACCESS": "bench=verify,client_ip",
            "GUARD_MODE": "shadow",
            "OTP_LIMITS": LIMITS,
            "GRANIAN_BLOCKING_THREADS": str(threads or ""),
            "GRANIAN_WORKERS": str(workers or ""),
            **environment,
        },
    )
    try:
        if core is not None:
            _run_on(web.pid, {core})
        bench.wait_for("a web process", lambda: answers(port), web)
        yield Web(port, web)
    finally:
        bench.end(web)


def _cpu(web: Web) -> float:
    """Seconds that the session of a web process has used: it and its children (Linux)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[3]) == web.process.pid:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
