"""Child processes which end with their parent, even when the parent is killed with -9.

Every child leads a session and so a process group of its own, which its own children (a web
server's workers, a pool's processes) share. Their numbers are written into a pipe that only
this process keeps open; `config.demo.guard` reads the other end and, when the pipe closes, kills the
groups and removes the directories it was told of. That needs nothing but POSIX. Linux's parent
death signal would not do: it misses grandchildren, and it fires when the *thread* which started
the child ends.

The pipe is closed on exec, so no child keeps it open. A process made by a bare `os.fork` does;
the leash then holds until that one ends too.
"""

import atexit
import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

_GUARD = Path(__file__).with_name("guard.py")

# The child reports its group itself before it becomes the wanted program, so that it is known to
# the guard from the start: the parent may be killed at any moment, also right after the fork.
# Python ignores SIGPIPE and would hand that down.
_REPORT_AND_EXEC = """
import os, signal, sys
pipe, program = int(sys.argv[1]), sys.argv[2:]
try:
    os.write(pipe, b"kill %d\\n" % os.getpid())
except BrokenPipeError:
    pass  # the guard has just died; the parent tells the next one
os.close(pipe)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
try:
    os.execvp(program[0], program)
except OSError as error:
    sys.exit(f"{program[0]}: {error.strerror}")
"""


class Leash:
    """Starts processes and sees to it that none outlives this one.

    Use it as a context manager, or call `close()`. Not for use from several threads at once.
    """

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._directories: set[str] = set()
        self._start_guard()

    @property
    def guard_pid(self) -> int:
        """The process number of the guard; a new one after `ensure_guard` had to replace it."""
        return self._guard.pid

    def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program; parameters as those of `subprocess.Popen`, in bytes.

        The caller waits for the process and calls `release` when it has ended. A program which
        cannot be run ends with code 1 and says why on its standard error.
        """
        self.ensure_guard()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _REPORT_AND_EXEC, str(self._pipe), *argv],
            env=env,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            pass_fds=[self._pipe],
        )
        self._children[process.pid] = process
        return process

    def release(self, process: subprocess.Popen[bytes]) -> None:
        """Kill what is left of the group of a process which has ended, and forget the group."""
        if process.pid not in self._children:
            return
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        del self._children[process.pid]
        self._tell("spare", process.pid)

    def remove_at_end(self, directory: Path) -> None:
        """Have `directory` removed when the leash is closed or this process dies.

        Raises ValueError for a path with a line break in it.
        """
        if "\n" in str(directory):
            raise ValueError(f"a directory's path must fit on one line: {str(directory)!r}")
        self._directories.add(str(directory))
        self._tell("remove", directory)

    def keep(self, directory: Path) -> None:
        """Take back `remove_at_end`."""
        self._directories.discard(str(directory))
        self._tell("keep", directory)

    def ensure_guard(self) -> None:
        """Start a new guard if the old one has died; to be called now and then.

        Raises RuntimeError once the leash is closed.
        """
        if self._pipe < 0:
            raise RuntimeError("the leash is closed")
        if self._guard.poll() is not None:
            self._close_pipe()
            self._start_guard()

    def close(self) -> None:
        """End what is left of all groups, remove the directories and end the guard."""
        if os.getpid() != self._owner or self._pipe < 0:
            return
        self.ensure_guard()
        self._close_pipe()
        while self._guard.poll() is None:
            # The guard waits until all are gone, and a child is not before its parent has asked.
            for child in self._children.values():
                child.poll()
            time.sleep(0.01)
        self._children.clear()
        self._directories.clear()

    def _start_guard(self) -> None:
        reader, self._pipe = os.pipe()
        # A session of its own: neither Ctrl-C nor a hangup of the terminal reaches the guard. No
        # output of ours is kept open by it, so whoever reads ours sees the end when we end.
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARD)],
            stdin=reader,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        os.close(reader)
        for group in self._children:
            self._tell("kill", group)
        for directory in self._directories:
            self._tell("remove", directory)

    def _tell(self, order: str, value: object) -> None:
        if self._pipe < 0:
            return
        # A guard which has just died is replaced by the next `ensure_guard` and told everything.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, os.fsencode(f"{order} {value}\n"))

    def _close_pipe(self) -> None:
        os.close(self._pipe)
        self._pipe = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@functools.cache
def shared() -> Leash:
    """The leash of this process for callers without one of their own; closed at exit."""
    leash = Leash()
    atexit.register(leash.close)
    return leash
