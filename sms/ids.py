"""Ids and seeds that nobody can guess: 128 bits each, from the system's random numbers.

Many are drawn at once: asking the system lets another thread take the interpreter, and keep it for a while.

An id that leads to a cell (see ``sms.cells``) has 104 random bits, eight for the number of the cell, and a
checksum over both. Of the ids without a cell, one in 65,536 has a right checksum by chance.
"""

from __future__ import annotations

import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error, crc_hqx
from collections import defaultdict, deque

#: Bytes of each, and how many are drawn at once.
SIZE, AT_ONCE = 16, 64

#: The rest of the random bytes, by process: a child must not give out what its parent has drawn.
_drawn: defaultdict[int, deque[str]] = defaultdict(deque)


#: Random bytes of an id that leads to a cell.
_RANDOM = 13


def new(cell: int = 0) -> str:
    """A new id of 22 url-safe characters. It never begins with -, so no command takes it for an option.

    ``cell``: the cell to which it leads; 0: none.
    """
    if cell:
        told = urlsafe_b64decode(f"{new()}==")[:_RANDOM] + bytes([cell])
        return _text(told + crc_hqx(told, 0).to_bytes(2, "big"))
    left = _drawn[os.getpid()]
    try:
        return left.pop()
    except IndexError:
        drawn = secrets.token_bytes(SIZE * AT_ONCE)
        texts = (_text(drawn[at : at + SIZE]) for at in range(0, len(drawn), SIZE))
        left.extend(text for text in texts if text[0] != "-")
        return new()


def cell_of(id: str) -> int:
    """The cell to which an id leads; 0 if it leads to none."""
    try:
        known = urlsafe_b64decode(f"{id}==")
    except (Error, ValueError):
        return 0
    told, check = known[: _RANDOM + 1], known[_RANDOM + 1 :]
    return told[-1] if len(known) == SIZE and crc_hqx(told, 0) == int.from_bytes(check, "big") else 0


def _text(drawn: bytes) -> str:
    return urlsafe_b64encode(drawn)[:22].decode()
