"""Would Redis do now what a start asks of it? Found out by doing it: a script that writes our keys.

Only that tells what an ACL, a full memory, a disk or a lost replica are in the way of.
"""

from __future__ import annotations

from pathlib import Path

from sms.names import BEAT, family, key
from sms.scripts import Script

#: One key of each kind that scripts write, as an ACL may forbid some. Packages above this one add theirs.
KEYS = [family("sms:probe")]

_PROBE = Script(Path(__file__).parent / "lua" / "probe.lua")


def redis() -> bool:
    """Whether beat has asked for a sweep of late. Raises ``Unavailable``."""
    return bool(_PROBE(tuple(map(key, (BEAT, *KEYS))), ()))
