"""A real web process to attack: granian in front of the production settings, Redis behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.demo.embedded import EmbeddedServer
from tests.faults.stack import Stack


class Target(Stack):
    """The web process, and what must be true of it after every attack."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    def assert_unhurt(self) -> None:
        """The process still answers, and has logged no error of its own. Each line of its log is a JSON
        object.
        """
        assert self.call("GET", "/healthz")[0] == 200
        for line in self.log("web").splitlines():
            assert json.loads(line)["level"] not in ("error", "critical"), line


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Redis and a web process; no worker, so that every message stays where it is."""
    directory: Path = tmp_path_factory.mktemp("target")
    with EmbeddedServer() as server, Target(directory, **environment(server.url)) as stack:
        stack.start("web")
        yield stack
        stack.assert_unhurt()


def environment(redis_url: str) -> dict[str, str]:
    """The settings of the processes, on top of the environment from tests/settings.py."""
    return {
        "REDIS_URL": redis_url,
        "SMS_PROVIDERS": "sandbox=sandbox://",
        "SMS_LONGEST_WAIT": "0",  # nobody empties the queue
        "OTP_LIMITS": "off",  # every request comes from one address
        "LOG_LEVEL": "DEBUG",
    }
