"""Free TCP ports on the loopback interface, for the demo and the tests."""

import contextlib
import random
import socket

# Below the ports the kernel gives to outgoing connections (from 32768 on Linux, 49152 on
# macOS). A port in that range can be taken by a client while its server restarts, even by a
# client which reconnects to that very port and ends up connected to itself.
_RANGE = range(20000, 32000)


def is_free(port: int) -> bool:
    """True when nothing on this machine listens on `port` and we may bind it.

    Raises PermissionError for a port which this user may not use.
    """
    # A listener on ::1 or on every interface does not always stop us from binding 127.0.0.1,
    # but then a browser which opens "localhost" would reach the other program.
    for host in ("127.0.0.1", "::1"):
        with contextlib.suppress(OSError):
            socket.create_connection((host, port), timeout=0.5).close()
            return False
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except PermissionError:
        raise
    except OSError:
        return False
    return True


def free_port() -> int:
    """A random port which is free at this moment. Raises OSError when none is found."""
    for port in random.sample(_RANGE, 200):
        if is_free(port):
            return port
    raise OSError("found no free port")


def hold(port: int) -> socket.socket | None:
    """Make `is_free(port)` False for others until the returned socket is closed.

    granian listens with SO_REUSEPORT, so two of them would share a port without a word and
    take half of each other's requests. The socket returned here is bound, but does not listen:
    a server with SO_REUSEPORT may still be started on the port. None when the port cannot be
    held, which is no proof that it is taken (connections of an earlier server linger).
    """
    held = socket.socket()
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", port))
    except OSError:
        held.close()
        return None
    return held
