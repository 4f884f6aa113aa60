"""The CPU and memory of a session leader and its children, as Linux counts them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


def readable() -> bool:
    """Whether this machine counts them: only Linux does."""
    return Path("/proc/self/stat").exists()


def memory(process: subprocess.Popen[bytes]) -> float:
    """MiB of resident memory, shared pages counted in each process."""
    pages = (int(fields[21]) for fields in _session(process))
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu(process: subprocess.Popen[bytes]) -> float:
    """Seconds of CPU so far, user and system, children that have ended included."""
    ticks = (sum(map(int, fields[11:15])) for fields in _session(process))
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def _session(process: subprocess.Popen[bytes]) -> Iterator[list[str]]:
    """What /proc/PID/stat says behind the name of each, from its third field on: state, parent, group, …"""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[3]) == process.pid:
            yield fields
