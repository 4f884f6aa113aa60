"""Three Redis servers on loopback, each with a share of the cells; the first has the hub."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Self

from redis import Redis

from config.demo.embedded import EmbeddedServer
from tests.faults.cluster import cells_on


class Several:
    """Starts them on entry, ends them on exit. `kill`, `start` and `process` are of the one at `place`."""

    def __init__(self, place: int = 1, *, config: dict[str, str]) -> None:
        self._servers = [EmbeddedServer(config=config) for _ in range(3)]
        self._one = self._servers[place]
        self._running = ExitStack()

    @property
    def url(self) -> str:
        return ";".join(server.url for server in self._servers)

    @property
    def cells(self) -> set[int]:
        """The cells on that one."""
        return cells_on(Redis.from_url(self._one.url, socket_timeout=5))

    @property
    def process(self) -> Any:
        return self._one.process

    def clients(self) -> list[Redis]:
        """One for each server."""
        return [Redis.from_url(server.url, socket_timeout=5) for server in self._servers]

    def kill(self) -> None:
        self._one.kill()

    def start(self) -> None:
        """With what it had on disk."""
        self._one.start()

    def __enter__(self) -> Self:
        for server in self._servers:
            self._running.enter_context(server)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()
