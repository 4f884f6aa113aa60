"""Keep the processes of the demo running, show their output, and stop them in order."""

import math
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from config.demo.console import Console
from config.demo.leash import Leash

_TICK = 0.1
_FIRST_DELAY = 0.5  # before a process is started again; doubles each time that it ends at once
_LONGEST_DELAY = 10.0
_STEADY_SECONDS = 5.0
_STOP_SECONDS = 10.0
_LONGEST_LINE = 64 * 1024
_MOST_LINES = 10_000  # of one process at a time, before the others get their turn
_KEPT_LINES = 60


@dataclass
class _Program:
    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] | None = None
    printed: bytes = b""  # the beginning of an incomplete line
    started_at: float = 0.0
    delay: float = 0.0
    due: float = 0.0


class DemoError(Exception):
    """The demo cannot continue. The text says why, and what to do."""


class Supervisor:
    """Starts processes in the order in which they are added, and stops them in reverse order.

    Their lines are held back until `ready` is true. They only matter if the demo fails before.
    """

    def __init__(self, leash: Leash, console: Console) -> None:
        self.leash = leash
        self.ready = False
        self._console = console
        self._kept: deque[tuple[str, str]] = deque(maxlen=_KEPT_LINES)
        self._programs: list[_Program] = []
        self._signals = 0
        self._has_terminal = False
        self._parent: int | None = None

    def on_line(self, name: str, line: str) -> None:
        """Show a line that a process printed to its pipe."""
        if self.ready:
            self._console.log(name, line)
        else:
            self._kept.append((name, line))

    def on_end(self, name: str, reason: str, delay: float) -> None:
        """Report that a process ended by itself. It starts again after `delay` seconds."""
        if not self.ready:
            self.fail(f"The process '{name}' {reason} before the demo was ready.", name)
        self._console.log(name, f"{reason}, starting it again in {delay:.1f} s")

    def fail(self, message: str, culprit: str = "") -> NoReturn:
        """Show the lines held back, of one process or of all, and raise DemoError."""
        for name, line in self._kept:
            if culprit in (name, ""):
                self._console.log(name, line)
        raise DemoError(message)

    def stop_requested(self) -> bool:
        """True once a signal came, or the terminal or the parent is gone."""
        terminal_gone = self._has_terminal and not os.isatty(0)
        return self._signals > 0 or terminal_gone or self._parent not in (None, os.getppid())

    @property
    def pids(self) -> dict[str, int]:
        """The ids of running processes, by name."""
        return {p.name: p.process.pid for p in self._programs if p.process is not None}

    def handle_signals(self, *, stop_with_parent: bool = False) -> None:
        """Let SIGINT, SIGTERM and SIGHUP end `run`. A second one makes `stop` impatient."""
        self._parent = os.getppid() if stop_with_parent else None

        def count(*_: object) -> None:
            self._signals += 1

        signal.signal(signal.SIGINT, count)
        signal.signal(signal.SIGTERM, count)
        # nohup ignores SIGHUP; keep that.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, count)
            # A closing terminal only signals the leader of its session. If that is `make`, as in
            # `ssh -t HOST make demo`, it just waits for us.
            self._has_terminal = os.isatty(0)

    def add(self, name: str, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        """Start a process, and restart it whenever it ends. Raises what the first `start` raises."""
        program = _Program(name, start)
        self._start(program)
        self._programs.append(program)

    def run(self, seconds: float = math.inf) -> None:
        """Keep everything running for `seconds`, or until a signal comes."""
        deadline = time.monotonic() + seconds
        while not self.stop_requested() and time.monotonic() < deadline:
            self.step()

    def step(self, timeout: float = _TICK) -> None:
        """Wait `timeout` seconds, hand on what was printed, then restart what has ended."""
        self._hand_on(timeout)
        now = time.monotonic()
        for program in self._programs:
            if program.process is not None:
                if (code := program.process.poll()) is not None:
                    self._clear_away(program, program.process)
                    reason = f"ended with code {code}"
                    if code < 0:
                        reason = f"was ended by signal {-code} ({signal.strsignal(-code)})"
                    self._put_off(program, reason, lived=now - program.started_at)
            elif now >= program.due:
                try:
                    self._start(program)
                except Exception as error:  # the next try may succeed
                    self._put_off(program, str(error), lived=0.0)

    def stop(self) -> None:
        """Stop all processes by SIGTERM, or by SIGKILL after ten seconds."""
        for program in reversed(self._programs):
            if process := program.process:
                process.terminate()
                deadline = time.monotonic() + _STOP_SECONDS
                while process.poll() is None:
                    if time.monotonic() > deadline or self._signals > 1:
                        process.kill()
                    self._hand_on(_TICK)
                self._clear_away(program, process)
        self._programs.clear()

    def _start(self, program: _Program) -> None:
        program.process, program.started_at = program.start(), time.monotonic()
        if output := program.process.stdout:
            os.set_blocking(output.fileno(), False)

    def _put_off(self, program: _Program, reason: str, *, lived: float) -> None:
        again_at_once = program.delay and lived < _STEADY_SECONDS
        program.delay = min(program.delay * 2, _LONGEST_DELAY) if again_at_once else _FIRST_DELAY
        program.due = time.monotonic() + program.delay
        self.on_end(program.name, reason, program.delay)

    def _clear_away(self, program: _Program, process: subprocess.Popen[bytes]) -> None:
        # Kill the rest of its group first. A web server's workers would keep the port and the pipe.
        self.leash.release(process)
        self._hand_on(0)
        if process.stdout:
            process.stdout.close()
        program.process = None

    def _hand_on(self, timeout: float) -> None:
        """Wait `timeout` seconds, then hand on complete lines. A line that is too long comes in pieces."""
        time.sleep(timeout)
        for program in self._programs:
            process = program.process
            if not process or not process.stdout:
                continue
            for _ in range(_MOST_LINES):
                line = program.printed + process.stdout.readline(_LONGEST_LINE)
                ends = line.endswith(b"\n") or len(line) >= _LONGEST_LINE or process.returncode is not None
                program.printed = b"" if ends else line
                if not line or not ends:
                    break
                self.on_line(program.name, line.decode(errors="replace").rstrip("\r\n"))
