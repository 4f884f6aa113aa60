"""A TCP proxy in front of a server that cuts the line at a given word, and then stays away."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType


class Cutter:
    """Forwards to ``port`` until a client, or with ``answers`` the server, says ``word``. It does not pass
    that on, and takes no connection from then on.
    """

    def __init__(self, port: int, word: bytes, *, answers: bool = False) -> None:
        self._target, self._word, self._answers = port, word, answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self.cut.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._open += [client, server]
            for source, sink, watch in (
                (client, server, not self._answers),
                (server, client, self._answers),
            ):
                threading.Thread(target=self._forward, args=(source, sink, watch), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, watch: bool) -> None:
        try:
            while data := source.recv(65536):
                if watch and self._word in data:
                    self.close()
                    return
                sink.sendall(data)
        except OSError:
            pass

    def close(self) -> None:
        """Away: every line is cut, no new one is taken."""
        self.cut.set()
        with contextlib.suppress(OSError):  # a close alone lets whoever waits for a connection have one more
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            # shutdown, because a close alone leaves a thread that reads it in peace
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def __enter__(self) -> Cutter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
