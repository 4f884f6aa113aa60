"""Would Redis do now what a start asks of it? Found out by doing it: a script that writes our keys.

Only that tells what an ACL, a full memory, a disk or a lost replica are in the way of.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sms.names import family, key
from sms.scripts import Script, client

#: One key of each kind that scripts write, as an ACL may forbid some. Packages above this one add theirs.
KEYS = [family("sms:probe")]

_PROBE = Script(Path(__file__).parent / "lua" / "probe.lua", accepts=True)


def redis(*reads: str) -> list[int]:
    """The server's time in ms, and the number under each of these keys, 0 where there is none.

    Raises ``Unavailable``. One round trip.
    """
    found: list[int] = _PROBE(tuple(map(key, (*reads, *KEYS))), (len(reads),))
    return found


def note(numbers: Mapping[str, int], seconds: float) -> None:
    """Keep these numbers for so long; 0 removes one. Raises ``Unavailable``. One round trip."""
    with client() as redis:
        pipe = redis.pipeline(transaction=False)
        for name, number in numbers.items():
            pipe.set(key(name), number, px=int(seconds * 1000)) if number else pipe.delete(key(name))
        pipe.execute()
