"""Who asks: over the API the program behind a key, on the pages nobody but the user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a code is asked for; the limits count by it (see ``otp.limits``)."""

    name: str = ""  # of the API key; "" on the pages and in Python
    ip: str = ""  # the end user's address; "" where it is not known
    limits: str = ""  # the key's own, as "600/1m,5000/1d"


NOBODY = Caller()
