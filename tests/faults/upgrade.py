"""A rolling upgrade: the version before this one and this one side by side, until the old one is gone."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
from pathlib import Path

from tests.faults.provider import SLOW, USUAL
from tests.faults.scene import Scene
from tests.faults.stack import ROOT, Stack, wait_for
from tests.faults.users import COOLDOWN, Users

__all__ = ["BothVersions", "Users", "missing", "roll"]

#: The last release before a start became one script and a worker drained its queue. With each release, put
#: the commit of the former release here.
BEFORE = "a5a5b8cbf6b60cc5190dc5260cbd1a1aa49c2183"

#: The processes of the old version, and of the new one beside it.
OLD = ("worker", "worker-2", "beat", "web")
NEW = ("worker", "beat", "web")

#: Settings that no variable holds; both versions read this file.
SETTINGS = f"""
from config.settings import *
OTP_PURPOSES = {{"login": {{"cooldown": [{COOLDOWN}]}}}}
"""


def missing() -> str:
    """Why the version before cannot be had; "" if it can."""
    try:
        command = ["git", "cat-file", "-e", f"{BEFORE}^{{commit}}"]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    except OSError:
        return "git is not installed"
    return f"git has no commit {BEFORE[:7]} here (git fetch --unshallow)" if found.returncode else ""


class BothVersions(Stack):
    """This version, and ``before`` it the last one, with the same settings; at first only that one runs."""

    def __init__(self, directory: Path, **environment: str) -> None:
        super().__init__(directory, **environment)
        source = directory / "before"
        command = ["git", "archive", BEFORE, "manage.py", "config", "otp", "sms"]
        packed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(source, filter="data")
        (directory / "settings_of_both.py").write_text(SETTINGS)
        self.environment |= {
            "DJANGO_SETTINGS_MODULE": "settings_of_both",
            "PYTHONPATH": os.pathsep.join((str(directory), *filter(None, [os.environ.get("PYTHONPATH")]))),
            "GUARD_MODE": "shadow",
            "OTP_GUESS_LIMITS": "key=90000/1h+90000",
        }
        self.before = Stack(source)
        self.before.root, self.before.environment = source, self.environment

    def begin(self) -> None:
        self.before.start(*OLD)
        wait_for(lambda: "ready." in self.before.log("worker-2"))

    def webs(self) -> list[int]:
        return [stack.web_port for stack in (self, self.before) if "web" in stack.processes]

    def __exit__(self, *error: object) -> None:
        self.before.__exit__(*error)
        super().__exit__(*error)


def roll(scene: Scene) -> None:
    """Start the new version beside the old one, then stop the old processes one after the other."""
    stack = scene.stack
    assert isinstance(stack, BothVersions)
    stack.start(*NEW)
    scene.pause(scene.rng.uniform(3, 5))
    scene.main.answers_after = SLOW
    try:
        for name in scene.rng.sample(OLD, len(OLD)):
            scene.pause(scene.rng.uniform(1, 2))
            assert stack.before.processes[name].poll() is None, f"the old {name} ended by itself"
            assert scene.main.in_hand, "no calls were under way"
            stack.before.kill(name, signal.SIGTERM)
    finally:
        scene.main.answers_after = USUAL
    scene.over()
