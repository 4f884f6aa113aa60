"""A REDIS_URL is tried before the demo builds on it, and its password is never repeated."""

import socket
import time

import pytest

from config.demo.embedded import EmbeddedServer
from config.demo.given_redis import problem_with
from config.demo.ports import free_port


def test_a_server_that_answers_is_no_problem() -> None:
    with EmbeddedServer(password="open sesame") as server:
        assert problem_with(server.url) is None


def test_a_wrong_password_is_named_as_such_and_not_repeated() -> None:
    with EmbeddedServer(password="open sesame") as server:
        problem = problem_with(f"redis://:close-sesame@127.0.0.1:{server.port}/3")
    assert problem is not None
    assert f"redis://127.0.0.1:{server.port}/3" in problem
    assert "password" in problem
    assert "sesame" not in problem


def test_nobody_there_is_a_problem() -> None:
    port = free_port()
    problem = problem_with(f"redis://user:sesame@127.0.0.1:{port}/0?password=sesame")
    assert problem == f"points to redis://127.0.0.1:{port}/0, which does not answer (ConnectionError)"


def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        problem = problem_with(f"redis://127.0.0.1:{silent.getsockname()[1]}", seconds=0.3)
        assert time.monotonic() - started < 2
    assert problem is not None
    assert "does not answer" in problem


@pytest.mark.parametrize(
    "url",
    [
        "sesame",
        "http://:sesame@127.0.0.1:6379",
        "redis://:sesame/12@127.0.0.1:6379",
        "redis://:12/sesame@127.0.0.1:6379",
        "redis://:12#sesame@127.0.0.1:6379",
        "redis://:sesame@127.0.0.1:port",
        "redis://:sesame@127.0.0.1/main",
    ],
)
def test_what_cannot_be_read_is_not_repeated(url: str) -> None:
    """A password with a character that should have been escaped falls to pieces in a URL."""
    problem = problem_with(url)
    assert problem is not None
    assert "is not a URL like redis://" in problem
    assert "sesame" not in problem
