"""Which ports are free, and how one is kept free for a server that is about to start."""

import socket

import pytest

from config.demo import ports
from config.demo.ports import free_port, hold, is_free


def test_a_free_port_can_be_bound_and_lies_below_those_of_clients() -> None:
    """A client may get any of the upper ports, even the one of a server that restarts."""
    port = free_port()
    assert 20000 <= port < 32768
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_port_is_not_given_away_again_before_anybody_listens(monkeypatch) -> None:
    monkeypatch.setattr(ports, "RANGE", ports.RANGE[:: len(ports.RANGE) // 450])
    monkeypatch.setattr(ports, "is_free", lambda port: True)
    given = [free_port() for _ in range(200)]
    assert len(set(given)) == 200


@pytest.mark.parametrize(
    ("family", "host"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")],  # noqa: S104
)
def test_a_port_on_which_somebody_listens_is_not_free(family: socket.AddressFamily, host: str) -> None:
    """A browser may try any of them when it opens http://localhost."""
    port = free_port()
    try:
        server = socket.create_server((host, port), family=family)
    except OSError:
        pytest.skip(f"there is no {host} here")
    with server:
        assert not is_free(port)
    assert is_free(port)


def test_a_held_port_is_free_for_its_own_server_only() -> None:
    """Two demos which start at the same moment do not end up on one port."""
    port = free_port()
    held = hold(port)
    assert held is not None
    with held:
        assert not is_free(port)
        with (
            socket.create_server(("127.0.0.1", port), reuse_port=True) as server,
            socket.create_connection(("127.0.0.1", port)),
        ):
            server.settimeout(5)
            server.accept()[0].close()
    assert is_free(port)
