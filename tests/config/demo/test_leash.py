"""Nothing on a leash outlives the process that holds it, however that one ends."""

import json
import os
import signal
import subprocess
import sys
import time
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
print(json.dumps(children), flush=True)
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
    """Within 5 seconds no process of the parent's children is left, nor its directory."""
    directory = tmp_path / "scratch"
    with parent(PARENT, str(directory), json.dumps(STUBBORN)) as (process, groups):
        assert eventually(lambda: len(alive(groups)) == 8)  # each with its watcher
        process.send_signal(number)
        assert eventually(lambda: not alive(groups))
        assert eventually(lambda: not directory.exists())


def test_a_parent_killed_right_after_the_fork_leaves_nothing() -> None:
    """It is watched before it becomes the program, so it is ended at any moment."""
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


def test_a_signal_to_the_group_does_not_end_the_watcher(leash: Leash) -> None:
    """Ctrl-C, a hangup or a `kill` which was meant for the parent leaves it in place."""
    child = leash.spawn(["sh", "-c", "echo up; exec sleep 60"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.killpg(child.pid, number)
    child.wait(30)
    child.stdout.close()
    time.sleep(0.2)
    assert len(alive([child.pid])) == 1
    leash.release(child)
    assert eventually(lambda: not alive([child.pid]))


def test_closing_ends_the_stubborn_and_removes_the_directories(leash: Leash, tmp_path: Path) -> None:
    directory = tmp_path / "scratch"
    directory.mkdir()
    leash.remove_at_end(directory)
    child = leash.spawn(STUBBORN)
    assert eventually(lambda: len(alive([child.pid])) == 4)
    leash.close()
    assert not alive([child.pid])
    assert child.wait(30) == -signal.SIGKILL
    assert not directory.exists()


def test_what_a_child_leaves_behind_is_killed_on_release(leash: Leash) -> None:
    """A server's workers do not keep its port when the server itself has ended."""
    child = leash.spawn(["sh", "-c", "sleep 60 & exit 3"])
    assert child.wait(30) == 3
    assert alive([child.pid])
    leash.release(child)
    assert eventually(lambda: not alive([child.pid]))


def test_a_program_that_is_missing_says_so(leash: Leash) -> None:
    child = leash.spawn(["/nonexistent/program"], stderr=subprocess.PIPE)
    _, errors = child.communicate(timeout=30)
    assert child.returncode == 127
    assert b"/nonexistent/program: not found" in errors or b"No such file" in errors


def test_a_closed_leash_holds_nothing(leash: Leash) -> None:
    leash.close()
    with pytest.raises(RuntimeError, match="closed"):
        leash.spawn(["true"])
