"""Find out whether Redis can do what a start needs, by doing it: a script that writes our keys.

Nothing else shows whether an ACL, a full memory, a full disk or a lost replica is in the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sms.names import family, key
from sms.scripts import Script, client

#: One key of each kind that scripts write, as an ACL may forbid some. Higher packages add theirs.
KEYS = [family("sms:probe")]

_PROBE = Script(Path(__file__).parent / "lua" / "probe.lua", accepts=True)


def redis(*reads: str) -> list[int]:
    """The server's time (ms), then the numbers at these keys, 0 for a missing one.

    One round trip. Raises ``Unavailable``.
    """
    found: list[int] = _PROBE(tuple(map(key, (*reads, *KEYS))), (len(reads),))
    return found


def note(numbers: Mapping[str, int], seconds: float) -> None:
    """Keep numbers for this many seconds; 0 deletes one. One round trip. Raises ``Unavailable``."""
    with client() as redis:
        pipe = redis.pipeline(transaction=False)
        for name, number in numbers.items():
            pipe.set(key(name), number, px=int(seconds * 1000)) if number else pipe.delete(key(name))
        pipe.execute()
