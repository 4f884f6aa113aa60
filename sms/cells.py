"""Cells: how the keys are spread over the nodes of a Redis Cluster, or over several servers.

A cell is a share of the phones. Its keys have one prefix with a hash tag, so they are in one slot, on one
node. By default everything is in cell 0. With ``REDIS_CELLS`` = K > 1, what belongs to one phone and purpose
is in one of the cells 1 … K: its code, failures, verification and messages. So the rules for a phone and
purpose stay exact, each in one step. What counts over many phones stays in cell 0, the *hub*: limits, the
guard and the budget, breakers, rates and their lines, opt-outs, look-ups. ``sms.stand_in`` says where it is
while its server is away.

The number of a cell comes from the keyed digest of a phone and purpose. It is part of the ids of
verifications and messages (see ``sms.ids``), so that every id leads to its cell.

If K changes, or PHONE_SECRET_KEY, a phone may still have a live code or a cooldown in its former cell. So
the former cell is asked first while ``REDIS_CELLS_BEFORE`` or PHONE_SECRET_KEY_FALLBACKS is set. A phone
stays there until nothing is left of it.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Sequence

from sms import conf, ids, names

#: The cell of what belongs to no phone.
HUB = 0


def many() -> bool:
    """Whether there are cells besides the hub. Raises ``ImproperlyConfigured``."""
    return names.in_cells()


@conf.cached
def every() -> tuple[int, ...]:
    """All cells, the hub first."""
    return tuple(range(max(names.cell_counts()) + 1)) if many() else (HUB,)


def of_id(id: str) -> int:
    """The cell of a verification or message."""
    found = ids.cell_of(id) if many() else HUB
    return found if found in every() else HUB


def of_digest(digest: str) -> int:
    """The cell of whatever has this keyed digest."""
    return _of(digest, names.cell_counts()[0])


def of_any() -> int:
    """A random cell: for a hand-off, or a message without a verification."""
    count = names.cell_counts()[0]
    return random.randint(1, count) if count > 1 else HUB  # noqa: S311  # not for secrets


def former(digests: Sequence[str]) -> tuple[int, ...]:
    """The cells besides ``of_digest(digests[0])`` that may still hold keys of a phone.

    ``digests``: of the phone, one for each secret, the newest first.
    """
    if not many():
        return ()
    found = (_of(digest, count) for digest in digests for count in names.cell_counts())
    newest = of_digest(digests[0])
    return tuple(cell for cell in dict.fromkeys(found) if cell != newest)


def by_cell(found_ids: Iterable[str]) -> dict[int, list[str]]:
    """Ids by their cells."""
    found: dict[int, list[str]] = {}
    for id in found_ids:
        found.setdefault(of_id(id), []).append(id)
    return found


def _of(digest: str, count: int) -> int:
    return zlib.crc32(digest.encode()) % count + 1 if count > 1 else HUB
