"""Shared by the suite: time that can be moved, and ways to look at what is known of a code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import point_cache_at
from tests.frozen import LIBRARY, FrozenServer


@pytest.fixture(scope="session")
def frozen_server() -> Iterator[FrozenServer]:
    if LIBRARY is None:
        pytest.skip("libfaketime is not installed (package faketime)")
    with FrozenServer() as server:
        yield server


@pytest.fixture
def clock(frozen_server: FrozenServer, settings: Any) -> FrozenServer:
    """An empty real server whose time only the test moves, behind both stores."""
    point_cache_at(settings, frozen_server.url)
    frozen_server.client.flushall()
    return frozen_server


def wrong(code: str) -> str:
    """Another code of the same form."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"
