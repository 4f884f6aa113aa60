"""Ids and seeds that nobody can guess: 128 bits each, from the system's random numbers.

Many are drawn at once: to ask the system lets another thread take the interpreter, and keep it for a while.
"""

from __future__ import annotations

import os
import secrets
from base64 import urlsafe_b64encode
from collections import defaultdict, deque

#: Bytes of each, and how many are drawn at once.
SIZE, AT_ONCE = 16, 64

#: What is left, by process: a child must not give out what its parent has drawn.
_drawn: defaultdict[int, deque[str]] = defaultdict(deque)


def new() -> str:
    """One that was never given out: 22 url-safe characters. No command takes it for one of its options."""
    left = _drawn[os.getpid()]
    try:
        return left.pop()
    except IndexError:
        drawn = secrets.token_bytes(SIZE * AT_ONCE)
        texts = (urlsafe_b64encode(drawn[at : at + SIZE])[:22].decode() for at in range(0, len(drawn), SIZE))
        left.extend(text for text in texts if text[0] != "-")
        return new()
