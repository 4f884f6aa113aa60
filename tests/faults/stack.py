"""The product as it runs in production: real processes on loopback, their logs in files."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from config.demo.leash import Leash
from config.demo.ports import free_port
from tests.settings import API_KEY
from tests.starts import Start

ROOT = Path(__file__).parents[2]

PROGRAMS = {
    "worker": ["-m", "celery", "-A", "config", "worker", "-Q", "otp,bulk,events"],
    "beat": ["-m", "celery", "-A", "config", "beat"],
    "web": ["-m", "config.web", "--host", "127.0.0.1", "--workers", "1"],
}


def wait_for(what: Callable[[], Any], seconds: float = 30.0, every: float = 0.05) -> Any:
    """Ask until the answer is true; the answer, or a failure that quotes the question."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := what():
            return answer
        time.sleep(every)
    raise AssertionError(f"not within {seconds} s: {what}")


class Stack:
    """Starts, kills and restarts web, worker and beat, which all read the same settings.

    A second process of a kind gets a name such as ``beat-2``. ``root``: where the product stands.
    """

    root = ROOT

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        self.web_port = free_port()
        self.environment = {
            **os.environ,
            "API_KEYS": _api_keys(),
            "SMS_DESTINATIONS": "*",
            "WORKER_CONCURRENCY": "50",
            "OTP_LIMITS": "phone=5/10m,10/1d",  # there are more than a small site sends
            **environment,
        }
        self.environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
        self.environment["GUARD_MODE"] = "off"  # most codes here are typed by nobody
        self.leash = Leash()  # for what a test adds
        self.processes: dict[str, subprocess.Popen[bytes] | Start] = {}

    def begin(self) -> None:
        """Start what a small site runs."""
        self.start("worker", "beat", "web")

    def start(self, *names: str, **environment: str) -> None:
        """Start them and wait until each is there."""
        for name in names:
            self.spawn(name, **environment)
        if "web" in names:
            wait_for(self._web_answers)
        if "worker" in names:
            wait_for(lambda: "ready." in self.log("worker"))

    def spawn(self, name: str, **environment: str) -> Start:
        """Start it and do not wait for it."""
        port = ["--port", str(self.web_port)] if name == "web" else []
        words = [*PROGRAMS[name.partition("-")[0]], *port]
        with (self.directory / f"{name}.log").open("ab") as log:
            started = Start(words, self.environment | environment, log.fileno(), log.fileno(), self.root)
        self.processes[name] = started
        return started

    def kill(self, name: str, how: int = signal.SIGKILL) -> None:
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait(20)

    def log(self, name: str) -> str:
        path = self.directory / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def webs(self) -> list[int]:
        """The ports at which requests are welcome now."""
        return [self.web_port]

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any, float]:
        """Status, JSON and seconds of one request with a valid key."""
        return self.call_at(self.webs()[0], method, path, body)

    def call_at(self, port: int, method: str, path: str, body: Any = None) -> tuple[int, Any, float]:
        """The same, of the web at this port."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, json.loads(text) if text else None, time.monotonic() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.leash.close()

    def _web_answers(self) -> bool:
        try:
            return self.call_at(self.web_port, "GET", "/healthz")[0] == 200
        except OSError:
            return False


def _api_keys() -> str:
    from otp.api import keys

    return f"tests:{keys.digest(API_KEY)}"
