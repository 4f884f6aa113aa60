"""Keeps named processes running, hands on what they print, and stops them in good order."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import IO

from config.demo.leash import Leash

_TICK = 0.1
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 10.0
_STEADY_SECONDS = 5.0
_STOP_SECONDS = 10.0
_LONGEST_LINE = 64 * 1024


@dataclass
class _Program:
    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    stage: int
    process: subprocess.Popen[bytes] | None = None
    output: IO[bytes] | None = None
    unfinished: bytes = b""
    started_at: float = 0.0
    delay: float = 0.0
    due: float = 0.0


class Supervisor:
    """Starts processes by stages, lowest first, and stops them by stages, highest first.

    `on_line(name, line)` gets every line a process prints, if its standard output is a pipe, and
    `on_end(name, reason, delay)` is called when one ended by itself and will be started again
    after `delay` seconds: half a second, but up to ten when it keeps ending at once.

    Everything happens inside `step`, `run` and `stop`, in the thread that calls them.
    """

    def __init__(
        self,
        leash: Leash,
        *,
        on_line: Callable[[str, str], None],
        on_end: Callable[[str, str, float], None],
    ) -> None:
        self._leash = leash
        self._on_line = on_line
        self._on_end = on_end
        self._programs: list[_Program] = []
        self._selector = selectors.DefaultSelector()
        self._signals = 0
        self._has_terminal = False

    def stop_requested(self) -> bool:
        """True once a signal asked for the end, or the terminal has gone."""
        return self._signals > 0 or (self._has_terminal and not os.isatty(0))

    @property
    def pids(self) -> dict[str, int]:
        """Process numbers by name, of those which run."""
        return {p.name: p.process.pid for p in self._programs if p.process is not None}

    def handle_signals(self) -> None:
        """Let SIGINT, SIGTERM and SIGHUP end `run`; a second one makes `stop` impatient."""
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)
        # Under nohup a hangup is already ignored, and stays so.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._on_signal)
            # When a terminal goes, only the leader of its session is told. If that is `make` (as
            # in `ssh -t HOST make demo`), it just waits for us.
            self._has_terminal = os.isatty(0)

    def add(self, name: str, start: Callable[[], subprocess.Popen[bytes]], *, stage: int = 0) -> None:
        """Start a process under `name`; `start` is called again whenever it has ended.

        The first call's exceptions are the caller's; a later one counts as a process that ended
        at once.
        """
        program = _Program(name, start, stage)
        self._start(program)
        self._programs.append(program)

    def run(self) -> None:
        """Keep everything running until a signal asks for the end."""
        while not self.stop_requested():
            self.step()

    def step(self, timeout: float = _TICK) -> None:
        """Hand on output for at most `timeout` seconds, then start again what has ended."""
        self._pump(timeout)
        self._leash.ensure_guard()
        now = time.monotonic()
        for program in self._programs:
            if program.process is not None:
                code = program.process.poll()
                if code is not None:
                    self._clear_away(program)
                    self._put_off(program, _reason(code), lived=now - program.started_at)
            elif now >= program.due:
                try:
                    self._start(program)
                except Exception as error:  # whatever it is, the next try may go well
                    self._put_off(program, str(error), lived=0.0)

    def stop(self) -> None:
        """End all processes: SIGTERM, and SIGKILL for what is left after ten seconds."""
        for stage in sorted({program.stage for program in self._programs}, reverse=True):
            programs = [p for p in self._programs if p.stage == stage]
            for process in _running(programs):
                process.terminate()
            deadline = time.monotonic() + _STOP_SECONDS
            while left := _running(programs):
                if time.monotonic() > deadline or self._signals > 1:
                    for process in left:
                        process.kill()
                self._pump(_TICK)
            for program in programs:
                self._clear_away(program)
        self._programs.clear()

    def _start(self, program: _Program) -> None:
        program.process = program.start()
        program.started_at = time.monotonic()
        program.output = program.process.stdout
        if program.output is not None:
            os.set_blocking(program.output.fileno(), False)
            self._selector.register(program.output, selectors.EVENT_READ, program)

    def _put_off(self, program: _Program, reason: str, *, lived: float) -> None:
        again_at_once = program.delay and lived < _STEADY_SECONDS
        program.delay = min(program.delay * 2, _LONGEST_DELAY) if again_at_once else _FIRST_DELAY
        program.due = time.monotonic() + program.delay
        self._on_end(program.name, reason, program.delay)

    def _clear_away(self, program: _Program) -> None:
        if program.process is None:
            return
        # First the rest of its group: a web server's workers would keep the port, and the pipe.
        self._leash.release(program.process)
        while self._read(program):
            pass
        self._close_output(program)
        program.process = None

    def _pump(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            self._read(key.data)

    def _read(self, program: _Program) -> bool:
        """Hand on some of what a process has printed; False when there is nothing more."""
        if program.output is None:
            return False
        try:
            chunk = os.read(program.output.fileno(), _LONGEST_LINE)
        except BlockingIOError:
            return False
        if not chunk:
            self._close_output(program)
            return False
        *lines, program.unfinished = (program.unfinished + chunk).split(b"\n")
        if len(program.unfinished) > _LONGEST_LINE:
            lines.append(program.unfinished)
            program.unfinished = b""
        for line in lines:
            self._hand_on(program, line)
        return True

    def _close_output(self, program: _Program) -> None:
        if program.output is None:
            return
        self._selector.unregister(program.output)
        program.output.close()
        program.output = None
        if program.unfinished:
            self._hand_on(program, program.unfinished)
            program.unfinished = b""

    def _hand_on(self, program: _Program, line: bytes) -> None:
        self._on_line(program.name, line.decode(errors="replace").rstrip("\r"))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1


def _running(programs: list[_Program]) -> list[subprocess.Popen[bytes]]:
    processes = [program.process for program in programs if program.process is not None]
    return [process for process in processes if process.poll() is None]


def _reason(code: int) -> str:
    """How a process ended, in words, from its return code as `subprocess` gives it."""
    if code >= 0:
        return f"ended with code {code}"
    return f"was ended by signal {-code} ({signal.strsignal(-code)})"
