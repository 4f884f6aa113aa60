"""Several Redis servers with cells, for tests of any package."""

from __future__ import annotations

from typing import Any

from redis import Redis

from config import servers
from config.demo.embedded import EmbeddedServer
from sms import cells, names

#: Enough that each of four servers has some, whatever its port.
COUNT = 64


def spread(settings: Any, *urls: str) -> None:
    settings.REDIS_CELLS = COUNT
    settings.CACHES, settings.OTPOST_CACHE = servers.caches(";".join(urls), connections=10)


def client_of(server: EmbeddedServer) -> Any:
    return Redis.from_url(server.url)


def cells_of(server: EmbeddedServer) -> list[int]:
    return [cell for cell in cells.every() if names.cache_alias(cell) == f"127.0.0.1:{server.port}/0"]
