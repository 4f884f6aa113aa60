"""``python -m tests.bench.http_load``: send requests over kept-open connections, one after another on each.

It loads nothing of ours, so that it is not the bottleneck. Reads one JSON object from its input and prints
one: see ``sent`` in http_speed.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import Counter

#: Seconds without any answer, after which it gives up.
PATIENCE = 10.0


def main() -> None:
    """Send every request once. Each connection waits for its answer before it sends the next."""
    work = json.load(sys.stdin)
    head = "".join(f"{name}: {value}\r\n" for name, value in work["headers"].items())
    waiting = [
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        for path, body in reversed(work["requests"])
    ]
    statuses: Counter[str] = Counter()
    selector, received = selectors.DefaultSelector(), dict[socket.socket, bytes]()
    for _ in range(min(work["connections"], len(waiting))):
        connection = socket.create_connection(("127.0.0.1", work["port"]), PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        received[connection] = b""
    begun = time.perf_counter()
    for connection in received:
        connection.sendall(waiting.pop())
    open_requests = len(received)
    while open_requests:
        ready = selector.select(PATIENCE)
        if not ready:
            sys.exit("the server answers no more")
        for key, _ in ready:
            connection = key.fileobj  # type: ignore[assignment]  # a socket is what was registered
            received[connection] += (piece := connection.recv(65536))
            if not piece:
                sys.exit("the server closed a connection")
            if not _is_whole(received[connection]):
                continue
            statuses[received[connection][9:12].decode()] += 1
            received[connection] = b""
            if waiting:
                connection.sendall(waiting.pop())
            else:
                open_requests -= 1
    print(json.dumps({"seconds": time.perf_counter() - begun, "statuses": statuses}))


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    return bool(end) and len(body) >= int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])


if __name__ == "__main__":
    main()
