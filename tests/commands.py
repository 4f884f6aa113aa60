"""What the code of a test sends to Redis, counted where it leaves.

The server's own figures count everybody: what scripts do inside, a thread or a process that an earlier test
has left, what a script does once an hour.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hiredis
import pytest
from redis.connection import AbstractConnection

from sms import cells, probe


@contextmanager
def commands() -> Iterator[list[str]]:
    """The first word of each command that this thread sends in the block, and each thread begun in it."""
    for cell in cells.every():
        probe.redis(cell=cell)  # so that finding the node and opening a connection do not count
    strangers = set(threading.enumerate()) - {threading.current_thread()}
    sent: list[str] = []
    send = AbstractConnection.send_packed_command

    def note(connection: Any, packed: Any, *args: Any, **options: Any) -> Any:
        if threading.current_thread() not in strangers:
            for word in words(packed):
                if word == "SCRIPT":
                    sent.pop()  # this node does not know the script yet, so the command before ran nowhere
                else:
                    sent.append(word)
        return send(connection, packed, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AbstractConnection, "send_packed_command", note)
        yield sent


def words(packed: Any) -> Iterator[str]:
    """The first word of each command in it."""
    reader = hiredis.Reader()
    reader.feed(packed.encode() if isinstance(packed, str) else b"".join(packed))
    while (command := reader.gets()) is not False:
        yield command[0].decode()
