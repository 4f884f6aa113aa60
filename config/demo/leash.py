"""Child processes that end with their parent, even if the parent is killed by SIGKILL.

Every child leads a process group, which its own children share, such as the workers of a web server. A
watcher in the group waits for the end of a pipe, then kills the group. Only this process, and what it forks
without an exec, keeps that pipe open. Linux's parent death signal would miss grandchildren, and it fires when
the *thread* that started the child ends.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

#: Seconds for a killed group to be gone, since a dying process may still write into its directory.
_PATIENCE = 0.5

# A signal for the parent often reaches all its children. The watchers ignore it, and end with their input.
_DEAF = "trap '' HUP INT TERM"

# The watcher starts before the program, because the parent may be killed at any moment. The watcher's own
# parent ends at once, so the program never sees a child that it did not start.
_RUN = f"""
pipe=/dev/fd/$1
shift
({_DEAF}; (read -r _; kill -KILL 0) <"$pipe" >/dev/null 2>&1 &)
exec "$@"
"""
_REMOVE = f'{_DEAF}; read -r _; sleep {_PATIENCE}; rm -rf "$1"'


class Leash(AbstractContextManager["Leash"]):
    """Starts processes, and makes sure that none outlives this one. Not thread-safe."""

    def __init__(self) -> None:
        self._ends, self._kept_open = os.pipe()
        self._children: list[subprocess.Popen[bytes]] = []
        self._removers: dict[Path, subprocess.Popen[bytes]] = {}

    def spawn(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a program.

        `options` go to `subprocess.Popen`. Streams are bytes, and there is no input by default. The caller
        waits for the process, then calls `release`. A program that cannot be run exits with 126 or 127 and
        says why on its standard error. Raises RuntimeError if the leash is closed.
        """
        if self._kept_open < 0:
            raise RuntimeError("the leash is closed")
        process = subprocess.Popen(
            ["/bin/sh", "-c", _RUN, "leash", str(self._ends), *argv],
            **{"stdin": subprocess.DEVNULL, **options},
            start_new_session=True,
            pass_fds=[self._ends],
        )
        self._children.append(process)
        return process

    def release(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process and the rest of its group, and forget it."""
        if process not in self._children:
            return
        with suppress(OSError):  # everything has ended; macOS says EPERM for a group of zombies
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._children.remove(process)

    def remove_at_end(self, directory: Path) -> None:
        """Remove `directory` when the leash is closed or this process dies."""
        self._removers[directory] = subprocess.Popen(
            ["/bin/sh", "-c", _REMOVE, "leash", str(directory)],
            stdin=self._ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def close(self) -> None:
        """Kill the rest of all groups, and remove the directories."""
        if self._kept_open < 0:
            return
        deadline = time.monotonic() + _PATIENCE
        for process in list(self._children):
            self.release(process)
            with suppress(OSError):
                while time.monotonic() < deadline:
                    os.killpg(process.pid, signal.SIGKILL)
                    time.sleep(0.005)
        for directory, remover in self._removers.items():
            shutil.rmtree(directory, ignore_errors=True)
            remover.kill()
            remover.wait()
        os.close(self._kept_open)
        os.close(self._ends)
        self._kept_open = -1

    def __exit__(self, *_: object) -> None:
        self.close()
