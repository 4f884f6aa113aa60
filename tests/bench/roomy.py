"""Settings of a web process whose pumping guard looks at everything and has nothing to tell."""

from __future__ import annotations

from config.settings import *  # noqa: F403  (all of them, except those below)

_ROOM = (100_000, 100_000, 100_000)

GUARD_FIGURES = {
    "countries": 100,
    **dict.fromkeys(("new", "country", "coarse", "fine", "address"), _ROOM),
}
