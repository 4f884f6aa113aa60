"""Named processes are kept running, and stopped in good order."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from config.demo import supervisor as module
from config.demo.console import Console
from config.demo.leash import Leash
from config.demo.supervisor import Supervisor
from tests.config.observe import alive, eventually


class Watched(Supervisor):
    """A supervisor which remembers what it reported."""

    def __init__(self, leash: Leash) -> None:
        super().__init__(leash, Console(2))
        self.lines: list[tuple[str, str]] = []
        self.ends: list[tuple[str, str, float]] = []

    def on_line(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def on_end(self, name: str, reason: str, delay: float) -> None:
        self.ends.append((name, reason, delay))

    def add_script(self, name: str, script: str) -> None:
        def start() -> subprocess.Popen[bytes]:
            return self.leash.spawn(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

        self.add(name, start)

    def until(self, condition: Callable[[], object]) -> bool:
        """Let it work until `condition()` holds; False if that takes over 5 seconds."""

        def step() -> object:
            self.step(0.02)
            return condition()

        return eventually(step)


@pytest.fixture
def supervisor() -> Iterator[Watched]:
    with Leash() as leash:
        watched = Watched(leash)
        yield watched
        watched.stop()


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put back the signal handlers that the test replaces."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_killed_child_comes_back(supervisor: Watched) -> None:
    """It is started again under its name, and what it had left behind is gone."""
    supervisor.add_script("web", "sleep 60 & echo up; sleep 60")
    assert supervisor.until(lambda: supervisor.lines == [("web", "up")])
    first = supervisor.pids["web"]
    os.kill(first, signal.SIGKILL)
    assert supervisor.until(lambda: supervisor.lines == [("web", "up")] * 2)
    assert supervisor.pids["web"] != first
    assert supervisor.ends == [("web", "was ended by signal 9 (Killed)", 0.5)]
    assert eventually(lambda: not alive([first]))


def test_one_that_ends_at_once_is_started_less_and_less_often(
    supervisor: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_DELAY", 0.01)
    monkeypatch.setattr(module, "_LONGEST_DELAY", 0.05)
    supervisor.add_script("beat", "exit 7")
    assert supervisor.until(lambda: len(supervisor.ends) == 5)
    assert [delay for _, _, delay in supervisor.ends] == [0.01, 0.02, 0.04, 0.05, 0.05]
    assert supervisor.ends[0][1] == "ended with code 7"


def test_one_that_ran_for_a_while_is_started_soon(
    supervisor: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delay grows for a process that cannot start, not for one that dies now and then."""
    monkeypatch.setattr(module, "_FIRST_DELAY", 0.01)
    monkeypatch.setattr(module, "_STEADY_SECONDS", 0.0)
    supervisor.add_script("beat", "exit 7")
    assert supervisor.until(lambda: len(supervisor.ends) == 3)
    assert [delay for _, _, delay in supervisor.ends] == [0.01] * 3


def test_a_start_that_fails_is_tried_again(supervisor: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_DELAY", 0.01)
    starts = iter([["true"], [], ["sh", "-c", "echo back; sleep 60"]])

    def start() -> subprocess.Popen[bytes]:
        argv = next(starts)
        if not argv:
            raise OSError("no more processes")
        return supervisor.leash.spawn(argv, stdout=subprocess.PIPE)

    supervisor.add("worker", start)
    assert supervisor.until(lambda: supervisor.lines == [("worker", "back")])
    assert [reason for _, reason, _ in supervisor.ends] == ["ended with code 0", "no more processes"]


def test_lines_arrive_whole_and_to_the_last(supervisor: Watched) -> None:
    """Also one that is printed in pieces, and one without a line break at the end."""
    supervisor.add_script("web", "printf 'a'; sleep 0.1; printf 'b\\r\\n\\nend'")
    assert supervisor.until(lambda: supervisor.ends)
    assert supervisor.lines == [("web", "ab"), ("web", ""), ("web", "end")]


def test_a_line_that_never_ends_is_handed_on_in_pieces(supervisor: Watched) -> None:
    """Nothing is lost of it, and it does not pile up in memory either."""
    supervisor.add_script("web", "printf '%0300000d' 7")
    assert supervisor.until(lambda: supervisor.ends)
    pieces = [line for _, line in supervisor.lines]
    assert "".join(pieces) == f"{7:0300000d}"
    assert max(map(len, pieces)) < 150_000


def test_what_was_started_last_stops_first(supervisor: Watched) -> None:
    """The web server takes no more requests when the worker ends; the database is there to the last."""
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    for name in ("redis", "worker", "beat", "web"):
        supervisor.add_script(name, script)
    assert supervisor.until(lambda: len(supervisor.lines) == 4)
    supervisor.stop()
    order = [name for name, line in supervisor.lines if line == "bye"]
    assert order == ["web", "beat", "worker", "redis"]
    assert supervisor.ends == []


def test_one_that_does_not_stop_is_killed(supervisor: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STOP_SECONDS", 0.2)
    supervisor.add_script("web", "trap '' TERM; echo up; sleep 60 & while :; do sleep 1; done")
    assert supervisor.until(lambda: supervisor.lines)
    (group,) = supervisor.pids.values()
    supervisor.stop()
    assert eventually(lambda: not alive([group]))


def test_a_second_signal_does_not_wait(supervisor: Watched, handlers: None) -> None:
    """A second Ctrl-C brings the prompt back at once."""
    supervisor.handle_signals()
    supervisor.add_script("web", "trap '' TERM; echo up; while :; do sleep 1; done")
    assert supervisor.until(lambda: supervisor.lines)
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    started = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - started < 5


PARENT = """
import json, signal
from config.demo.console import Console
from config.demo.leash import Leash
from config.demo.supervisor import Supervisor

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # what started the tests may have it ignored
with Leash() as leash:
    supervisor = Supervisor(leash, Console(2))
    supervisor.handle_signals()
    supervisor.add("one", lambda: leash.spawn(["sh", "-c", "sleep 60 & sleep 60"]))
    print(json.dumps([*supervisor.pids.values()]), flush=True)
    supervisor.run()
    supervisor.stop()
print("stopped")
"""


@contextmanager
def supervising(stdin: int = subprocess.DEVNULL) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that supervises another, and the process groups below it."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=stdin, stdout=subprocess.PIPE, text=True
    ) as parent:
        try:
            assert parent.stdout is not None
            yield parent, json.loads(parent.stdout.readline())
        finally:
            parent.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_in_good_order(number: int) -> None:
    with supervising() as (parent, groups):
        parent.send_signal(number)
        assert parent.communicate(timeout=30)[0] == "stopped\n"
        assert parent.returncode == 0
        assert eventually(lambda: not alive(groups))


def test_kill_9_leaves_nothing_behind() -> None:
    with supervising() as (parent, groups):
        parent.kill()
        assert eventually(lambda: not alive(groups))


def test_a_terminal_that_goes_ends_everything() -> None:
    """Only the leader of a session is told of a hangup; we look ourselves."""
    ours, theirs = os.openpty()
    with supervising(stdin=theirs) as (parent, groups):
        os.close(theirs)
        os.close(ours)
        assert parent.communicate(timeout=30)[0] == "stopped\n"
        assert eventually(lambda: not alive(groups))
