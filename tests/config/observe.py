"""Observed by the tests of processes: who is still alive, and what becomes true in the end."""

import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    pid: int
    parent: int
    group: int


def eventually(condition: Callable[[], object], seconds: float = 30.0) -> bool:
    """True as soon as `condition()` is; False when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def alive(groups: Iterable[int]) -> list[int]:
    """Numbers of the processes which run in these process groups."""
    wanted = set(groups)
    return [process.pid for process in _running() if process.group in wanted]


def children(pid: int) -> list[int]:
    """Numbers of the running processes which this one started."""
    return [process.pid for process in _running() if process.parent == pid]


def _running() -> Iterator[Process]:
    """All processes but zombies, which have ended while nobody has asked for their exit code."""
    if Path("/proc/self/stat").exists():
        rows = list(_proc())
    else:
        listing = subprocess.check_output(["ps", "-A", "-o", "pid=,stat=,ppid=,pgid="], text=True)
        rows = [line.split() for line in listing.splitlines()]
    for pid, state, parent, group in rows:
        if not state.startswith("Z"):
            yield Process(int(pid), int(parent), int(group))


def _proc() -> Iterator[list[str]]:
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name is in brackets and may contain anything.
            yield [file.parent.name, *file.read_text().rpartition(")")[2].split()[:3]]
        except OSError:
            continue  # it has just ended
