"""Free TCP ports on the loopback interface, for the demo and the tests."""

import contextlib
import random
import socket
from collections import deque

# Below the ephemeral ports (from 32768 on Linux, 49152 on macOS). An ephemeral port can be taken while its
# server restarts, even by a client that reconnects to it and so reaches itself.
RANGE = range(20000, 32000)

#: The last ports that were handed out. Their servers may not listen yet.
_given: deque[int] = deque(maxlen=200)


def is_free(port: int) -> bool:
    """Whether nobody listens on `port` and we can bind it. Raises PermissionError if we may not."""
    # A listener on ::1 or on all interfaces does not always keep us from binding 127.0.0.1. But then a
    # browser that opens "localhost" could reach the other program.
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
    """A random port of `RANGE` that is free now. Raises OSError if none is found."""
    for port in random.sample(RANGE, 400):
        if port not in _given and is_free(port):
            _given.append(port)
            return port
    raise OSError("found no free port")


def hold(port: int) -> socket.socket:
    """Make `is_free(port)` False for others until the returned socket is closed.

    granian listens with SO_REUSEPORT, so two of them would silently share a port. The returned socket is
    bound but does not listen, so our own server can still start on the port.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    with contextlib.suppress(OSError):  # not a proof that it is taken: old connections may linger
        held.bind(("127.0.0.1", port))
    return held
