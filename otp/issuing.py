"""Make a code, or repeat the live one, and have it issued: the rules that a start and a resend share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from otp import codes, conf, digests, store
from otp.admission.limits import NOTHING, Spending
from otp.guard.decision import Ask
from otp.purposes import Purpose
from otp.records import Code, Issued, Live, Refused
from otp.results import MESSAGES, Issue
from sms import services as sms


@dataclass(frozen=True, slots=True)
class Draft:
    """A code that is about to be sent: the id of its verification, its digits, and what is kept of it."""

    id: str
    code: str = field(repr=False)
    kept: Code


@dataclass(frozen=True, slots=True)
class Sending:
    """What goes with the code: its SMS, and what that counts towards. As it is: nothing."""

    message: sms.Prepared | None = None
    guard: Ask = None
    spending: Spending = NOTHING


ALONE = Sending()


def draw(rules: Purpose, phones: Sequence[str], id: str = "", code: str = "") -> Draft:
    """A new code. ``code``: of a test number; one is drawn all the same, so that it takes as long."""
    id, seed = id or codes.new_id(), codes.new_id()
    drawn = codes.derive(conf.phone_secrets()[0], seed, rules.length, rules.alphabet)
    code = code or drawn
    return Draft(id, code, digests.of_code(code, seed, id, phones[0]))


def issue(
    rules: Purpose,
    phones: Sequence[str],
    draft: Draft,
    sending: Sending = ALONE,
    *,
    owner: str = "",
    envelope: str = "",
) -> Issue:
    """Issue a code that was drawn, unless something refuses. One round trip.

    ``owner``: the name of the API key that started it. ``envelope``: kept for ``services.resend``.
    """
    answer = store.start(
        rules,
        phones,
        draft.id,
        draft.kept,
        owner=owner,
        envelope=envelope,
        spending=sending.spending,
        guard=sending.guard,
        message=sending.message,
    )
    return _issue(answer, draft, sending)


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
        return refused(Refused("blocked" if live.status == "blocked" else "expired"), NOTHING)
    fresh = rules.new_code_on_resend
    draft = draw(rules, phones, live.id, code) if fresh else _again(rules, live, code)
    if draft is None:
        return refused(Refused("expired"), NOTHING)
    left = (live.now if fresh else live.created_at) + store.longest_life(rules) - live.now
    sending = prepare(draft, min(rules.lifetime, left))
    answer = store.resend(
        rules,
        phones,
        live.id,
        draft.kept if fresh else None,
        by=by,
        spending=sending.spending,
        guard=sending.guard,
        message=sending.message,
    )
    return _issue(answer, draft, sending)


def _again(rules: Purpose, live: Live, code: str) -> Draft | None:
    """The code as it stands: ``code`` of a test number, else what was made with the secret of that time,
    which its digest tells. None if that secret is configured no more.
    """
    kept = Code(live.seed, live.by_id, "")
    if code:
        return Draft(live.id, code, kept)
    for secret in conf.phone_secrets():
        derived = codes.derive(secret, live.seed, rules.length, rules.alphabet)
        if codes.digest(secret, "by_id", live.id, derived) == live.by_id:
            return Draft(live.id, derived, kept)
    return None


def _issue(answer: Issued | Refused, draft: Draft, sending: Sending) -> Issue:
    if isinstance(answer, Refused):
        return refused(answer, sending.spending)
    if sending.message:
        sms.accepted(sending.message, answer.now, answer.expires_at)
    return Issue(
        "issued",
        MESSAGES["issued"],
        id=draft.id,
        code=draft.code,
        expires_at=answer.expires_at,
        expires_in=answer.expires_at - answer.now,
        resend_at=answer.resend_at,
        attempts_left=answer.left,
        message_id=sending.message.id if sending.message else "",
        refusal=answer.told,
    )


def refused(answer: Refused, spending: Spending) -> Issue:
    """Why nothing was issued."""
    return Issue(
        answer.status,
        MESSAGES["guesses" if answer.status == "blocked" else answer.status],
        retry_after=answer.wait,
        limit=spending.rules[answer.limit] if answer.status == "limited" else None,
        refusal=answer.refusal,
    )
