"""Hold one guess against a code."""

from __future__ import annotations

from collections.abc import Sequence

from otp import store
from otp.admission.limits import NOTHING, Spending
from otp.results import MESSAGES, Check


def check(
    guesses: Sequence[str],
    *,
    phones: Sequence[str] = (),
    id: str = "",
    owner: str = "",
    spending: Spending = NOTHING,
) -> Check:
    """Compare the digests of a guess with those of a code, and count it. One round trip.

    ``phones`` or ``id``: whose code. ``owner``: where it must be this one's; another's is ``expired``, as one
    that never was. ``spending``: the limits that a wrong guess counts towards.
    """
    found = store.verify(guesses, phones=phones, id=id, owner=owner, spending=spending)
    if found.status == "limited":
        limit = spending.rules[found.limit]
        return Check("blocked", MESSAGES["guesses"], id=id, limit=limit, retry_after=max(found.wait, 1))
    return Check(found.status, MESSAGES[found.status], found.left, found.id, found.purpose)
