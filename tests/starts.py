"""Starts of the product's commands as a shell would do them: their exit code, and what they say.

Most of the second of CPU that a start costs goes into reading libraries. `tests/forks.py` has read them.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import http.cookies
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]

GOOD = {
    "SECRET_KEY": "Zk3-" * 5 + "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "PHONE_SECRET_KEY": "abcdefghijklmnopqrstuvwxyz0123456789",
    "SMS_SEAL_KEYS": "r6z--mFFv60fd-zhSncr0oRuyHvR07PoW4YTHngI_sE=",
    "SMS_PROVIDERS": "main=twilio://AC1:t0ken@?from=%2B15005550006",
    "SMS_DESTINATIONS": "US,CA",
    "PUBLIC_URL": "https://verify.shop.test",
    "DEBUG": "0",
    "API_KEYS": f"shop:{'0' * 64}",
    "API_ACCESS": "shop=verify",
    "TRUSTED_PROXIES": "",
}


class Start:
    """A process that was started here. It is waited for and signalled like a `subprocess.Popen`.

    It and its process group are killed when this object goes, or this process ends. ``root``: where it runs.
    """

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], out: int, err: int, root: Path = ROOT
    ) -> None:
        self._keeper, theirs = socket.socketpair()
        with theirs:
            told = json.dumps([words, dict(environment), str(root)]).encode() + b"\n"
            socket.send_fds(_forks(), [told], [theirs.fileno(), out, err])
        self.pid = int(self._keeper.recv(8, socket.MSG_WAITALL))
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._keeper.settimeout(timeout)
            try:
                self.returncode = int(self._keeper.recv(16))
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self._keeper.close()
        return self.returncode

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def manage(*arguments: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """The result of ``python manage.py`` with these arguments, and these variables beside the good ones."""
    return python("manage.py", *arguments, **changes)


def python(*words: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """The result of ``python`` with these words: a file, -m and a module, or -c and a text."""
    environment = {name: value for name, value in (os.environ | GOOD | changes).items() if value is not None}
    if "DJANGO_SETTINGS_MODULE" not in changes:
        environment.pop("DJANGO_SETTINGS_MODULE", None)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = Start(words, environment, out.fileno(), err.fileno()).wait(60)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(words, code, out.read().decode(), err.read().decode())


@functools.cache
def _forks() -> socket.socket:
    """The socket of the process that forks, which ends with this one."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, ROOT / "tests" / "forks.py", str(theirs.fileno())],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C must not end it before its starts
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def issues(done: subprocess.CompletedProcess[str]) -> set[str]:
    """The ids of a check's findings, except the one about the Python that runs these tests."""
    found = set(re.findall(r"^\?: \(([\w.]+)\)", done.stderr, re.MULTILINE))
    old = {"otp.W003"} if not hasattr(http.cookies, "_unquote_replace") else set()
    assert old <= found
    return found - old
