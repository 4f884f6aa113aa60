"""Nothing on a leash outlives the process that holds it, however that one ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from config.demo.leash import Leash
from tests.config.observe import alive, eventually

# A child with a grandchild, both deaf to every polite request to end.
STUBBORN = ["sh", "-c", "trap '' HUP INT TERM; sleep 60 & sleep 60"]

PARENT = """
import json, signal, sys, time
from pathlib import Path
from config.demo.leash import Leash

for number in (signal.SIGINT, signal.SIGHUP):  # what started the tests may have them ignored
    signal.signal(number, signal.SIG_DFL)
leash = Leash()
directory = Path(sys.argv[1])
directory.mkdir()
leash.remove_at_end(directory)
children = [leash.spawn(json.loads(sys.argv[2])).pid for _ in range(2)]
print(json.dumps({"children": children, "guard": leash.guard_pid}), flush=True)
time.sleep(60)
"""


@pytest.fixture
def leash() -> Iterator[Leash]:
    with Leash() as held:
        yield held


@contextmanager
def parent(script: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """A process that runs `script`, and what it printed first."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_killing_the_parent_ends_children_and_grandchildren(number: int, tmp_path: Path) -> None:
    """Within 5 seconds no process of the parent's children is left, nor its directory, nor the guard."""
    directory = tmp_path / "scratch"
    with parent(PARENT, str(directory), json.dumps(STUBBORN)) as (process, facts):
        assert eventually(lambda: len(alive(facts["children"])) == 6)
        process.send_signal(number)
        assert eventually(lambda: not alive([*facts["children"], facts["guard"]]))
    assert not directory.exists()


def test_a_parent_killed_right_after_the_fork_leaves_nothing() -> None:
    """The child reports itself, so there is no moment in which the guard does not know it."""
    script = """
import json, os
from config.demo.leash import Leash

leash = Leash()
child = leash.spawn(["sleep", "60"])
os.write(1, json.dumps(child.pid).encode() + b"\\n")
os.kill(os.getpid(), 9)
"""
    with parent(script) as (_, child):
        assert eventually(lambda: not alive([child]))


def test_a_signal_to_the_guard_does_not_end_it(leash: Leash) -> None:
    """Ctrl-C, a hangup or a `kill` which was meant for the parent leaves the guard in place."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Until it has set up its handlers the guard may be ended, and is then replaced.
        assert eventually(lambda: _ignores(leash.guard_pid, signal.SIGHUP))
        os.kill(leash.guard_pid, number)
    child = leash.spawn(["sleep", "60"])
    guard = leash.guard_pid
    leash.ensure_guard()
    assert leash.guard_pid == guard
    leash.close()
    child.wait(5)


def _ignores(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("needs /proc")
    (mask,) = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("SigIgn")]
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_a_killed_guard_is_replaced_and_told_everything(leash: Leash, tmp_path: Path) -> None:
    """The next guard ends the processes, and removes the directories, that the first one knew of."""
    directory = tmp_path / "scratch"
    directory.mkdir()
    leash.remove_at_end(directory)
    child = leash.spawn(STUBBORN)
    first = leash.guard_pid
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: not alive([first]))
    leash.ensure_guard()
    assert leash.guard_pid != first
    leash.close()
    assert not alive([child.pid])
    assert child.wait(5) == -signal.SIGKILL
    assert not directory.exists()


def test_what_a_child_leaves_behind_is_killed_on_release(leash: Leash) -> None:
    """A server's workers do not keep its port when the server itself has ended."""
    child = leash.spawn(["sh", "-c", "sleep 60 & exit 3"])
    assert child.wait(5) == 3
    assert alive([child.pid])
    leash.release(child)
    assert eventually(lambda: not alive([child.pid]))


def test_a_directory_can_be_taken_back(leash: Leash, tmp_path: Path) -> None:
    leash.remove_at_end(tmp_path)
    leash.keep(tmp_path)
    leash.close()
    assert tmp_path.exists()


def test_a_directory_that_does_not_fit_on_a_line_is_refused(leash: Leash) -> None:
    """The orders to the guard are lines: a break would make two of one, and remove another path."""
    with pytest.raises(ValueError, match="one line"):
        leash.remove_at_end(Path("a\nremove b"))


def test_a_program_that_is_missing_says_so(leash: Leash) -> None:
    child = leash.spawn(["/nonexistent/program"], stderr=subprocess.PIPE)
    _, errors = child.communicate(timeout=5)
    assert child.returncode == 1
    assert errors == b"/nonexistent/program: No such file or directory\n"


def test_a_closed_leash_holds_nothing(leash: Leash) -> None:
    leash.close()
    with pytest.raises(RuntimeError, match="closed"):
        leash.spawn(["true"])
