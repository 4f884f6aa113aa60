"""The guard: a process which outlives its parent just long enough to clean up after it.

`config.demo.leash` starts this file as a program of its own. Standard input is a pipe which only the
parent keeps open, so it ends when the parent ends, however that happens. One order a line:

    kill PGID      kill this process group when the parent is gone
    spare PGID     the group has ended, forget it (its number may be used again)
    remove PATH    remove this directory when the parent is gone
    keep PATH      forget the directory

Nothing is printed. Standard library only, and started with -I -S, so that it is up in
milliseconds and does not depend on the project.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable


def main() -> None:
    """Collect orders until the input ends, then carry them out."""
    # A signal meant for the parent often goes to all its children. The guard ends with its input.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    directories: set[str] = set()
    for line in sys.stdin.buffer:
        order, _, value = os.fsdecode(line.rstrip(b"\n")).partition(" ")
        if order == "kill":
            groups.add(int(value))
        elif order == "spare":
            groups.discard(int(value))
        elif order == "remove":
            directories.add(value)
        elif order == "keep":
            directories.discard(value)
    kill_groups(groups)
    for path in directories:
        shutil.rmtree(path, ignore_errors=True)


def kill_groups(groups: Iterable[int], patience: float = 0.5) -> None:
    """SIGKILL every process group, then wait up to `patience` seconds until all are gone.

    The wait is for the directories: a process which is still dying may write a file into one
    that is just being removed.
    """
    left = set(groups)
    deadline = time.monotonic() + patience
    while left and time.monotonic() < deadline:
        for group in list(left):
            try:
                os.killpg(group, signal.SIGKILL)
            except OSError:
                # Gone. macOS says EPERM for a group of which only zombies are left.
                left.discard(group)
        time.sleep(0.02)


if __name__ == "__main__":
    main()
