"""Counts what a Redis server is asked, by its own MONITOR feed."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from redis import Redis

_MARK = "otpost-bench-mark"


class Counter:
    """The commands that reach a server, cut into pieces by ``mark``.

    Commands inside a script are no round trips and are left out. So is the feed's owner.
    Commands that a client sends in one pipeline count one by one: never fewer than round trips.
    """

    def __init__(self, url: str) -> None:
        self._client = Redis.from_url(url, socket_timeout=10)

    def __enter__(self) -> Self:
        self._feed = self._client.monitor().__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._feed.__exit__(kind, error, traceback)
        self._client.close()

    def mark(self) -> None:
        """End one piece and begin the next."""
        self._client.echo(_MARK)

    def pieces(self, number: int) -> list[list[str]]:
        """The names of the commands between the first ``number`` + 1 marks."""
        found: list[list[str]] = []
        while len(found) <= number:
            heard = self._feed.next_command()
            if _MARK in heard["command"]:
                found.append([])
            elif found and heard["client_type"] != "lua":
                found[-1].append(heard["command"].split(" ", 1)[0].upper())
        return found[:number]
