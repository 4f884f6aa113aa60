"""Make a code, or repeat the live one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from otp import codes, conf, store
from otp.purposes import Purpose
from otp.records import ALONE, Draft, Live, Sending
from otp.results import Issue


def draw(rules: Purpose, phones: Sequence[str], id: str = "", code: str = "") -> Draft:
    """A new code. ``code``: of a test number; one is drawn all the same, so that it takes as long."""
    id, seed, secret = id or codes.new_id(), codes.new_id(), conf.phone_secrets()[0]
    drawn = codes.derive(secret, seed, rules.length, rules.alphabet)
    code = code or drawn
    by_id = codes.digest(secret, "by_id", id, code)
    by_phone = codes.digest(secret, "by_phone", phones[0], code)
    return Draft(id, code, ("seed", seed, "by_id", by_id, "by_phone", by_phone))


def repeat(
    rules: Purpose,
    phones: Sequence[str],
    live: Live,
    *,
    by: str,
    code: str = "",
    prepare: Callable[[Draft, float], Sending] = lambda draft, lives: ALONE,
) -> Issue:
    """Send the live code, or a new one, once more, unless something refuses. One round trip.

    ``by``: as the caller knows it, ``by_id`` or ``by_phone``. ``code``: of a test number. ``prepare``: makes
    what goes with it, out of the code and the seconds that it will live.
    """
    if live.status != "pending":
        return Issue.refused("blocked" if live.status == "blocked" else "expired")
    fresh = rules.new_code_on_resend
    draft = draw(rules, phones, live.id, code) if fresh else _again(rules, live, code)
    if draft is None:
        return Issue.refused("expired")
    left = rules.longest_life - (0 if fresh else live.now - live.created_at)
    return store.resend(rules, phones, draft, prepare(draft, min(rules.lifetime, left)), by=by)


def _again(rules: Purpose, live: Live, code: str) -> Draft | None:
    """The code as it stands: ``code`` of a test number, else what was made with the secret of that time,
    which its digest tells. None if that secret is configured no more.
    """
    if code:
        return Draft(live.id, code)
    for secret in conf.phone_secrets():
        derived = codes.derive(secret, live.seed, rules.length, rules.alphabet)
        if codes.digest(secret, "by_id", live.id, derived) == live.by_id:
            return Draft(live.id, derived)
    return None
