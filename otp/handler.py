"""``OTPHandler``: the rules of a code, on one page. No HTTP, no Celery, no SMS.

    issued = OTPHandler.generate_otp("+12025550123")   # issued.code goes to the user, somehow
    checked = OTPHandler.verify_otp("+12025550123", "123456")
    if checked.status == "valid": ...

Each transition is one script in Redis, so that however many requests race, one code lives per
phone and purpose, at most ``attempts`` guesses are compared, and a right code is accepted once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from otp import codes, conf, purposes, store
from otp.admission.limits import NOTHING, Spending
from otp.admission.rules import Rule
from otp.errors import NotAllowed
from otp.guard.scopes import OFF, Call
from otp.purposes import Purpose
from sms import given
from sms import phone as numbers


@dataclass(frozen=True, slots=True)
class Issue:
    """What ``generate_otp`` and ``resend`` answer. Times are seconds since the epoch.

    ``issued``: ``id``, ``code``, ``expires_at`` and ``resend_at`` are set. ``pending``: a code was
    sent a moment ago; nothing is issued for ``retry_after`` seconds. ``blocked``: too many wrong
    guesses, again for ``retry_after`` seconds (0: this code never again). ``limited``: ``limit`` is
    reached. ``guard``: ``otp.guard`` refuses. ``expired`` (``resend`` only): there is no live code to
    send again.
    """

    status: Literal["issued", "pending", "blocked", "limited", "guard", "expired"]
    message: str
    id: str = ""
    code: str = field(default="", repr=False)
    expires_at: float = 0.0
    expires_in: float = 0.0  # seconds, by the clock of Redis; expires_at less our own time may be off
    resend_at: float = 0.0
    attempts_left: int = 0
    retry_after: int = 0
    limit: Rule | None = None
    refusal: tuple[bytes, int] | None = None  # what the guard says to it, also where it was issued
    replaced: str = ""  # reference that was given with the code or SMS that this one replaces


@dataclass(frozen=True, slots=True)
class Check:
    """What ``verify_otp`` answers to one guess.

    ``expired``: there is no live code: it ran out, was accepted before, cancelled, or never was.
    ``blocked``: too many wrong guesses; this code accepts none any more. Or, where ``limit`` is set
    (``verify_id`` only), whoever guesses is over that limit for ``retry_after`` seconds.
    """

    status: Literal["valid", "invalid", "expired", "blocked"]
    message: str
    attempts_left: int = 0
    id: str = ""
    purpose: str = ""
    reference: str = ""
    retry_after: int = 0
    limit: Rule | None = None


MESSAGES = {
    "issued": "OTP sent.",
    "pending": "OTP already sent. Please wait.",
    "limited": "Too many OTPs. Please try again later.",
    "guesses": "Too many wrong guesses. Please try again later.",
    "guard": "No OTP can be sent to this number now.",
    "valid": "OTP verified.",
    "invalid": "Invalid OTP.",
    "expired": "OTP expired or not found.",
    "blocked": "Too many attempts. Please request a new OTP.",
}


class OTPHandler:
    """Make, check, repeat and forget one-time codes; call the methods on the class.

    ``phone_number``: E.164, any spelling that ``PHONE_REGION`` makes clear, or a
    ``phonenumbers.PhoneNumber``; ``purpose``: a name in ``OTP_PURPOSES``. They raise
    ``sms.errors.InvalidNumber`` for a number that cannot be read, ``KeyError`` for a purpose that is not
    configured, ``otp.errors.StoreUnavailable`` without Redis.
    """

    @classmethod
    def generate_otp(
        cls,
        phone_number: given.Number,
        purpose: str = "login",
        *,
        id: str = "",
        reference: str = "",
        envelope: bytes = b"",
        owner: str = "",
        spending: Spending = NOTHING,
        guarded: Call = OFF,
        code: str = "",
    ) -> Issue:
        """Issue a code unless the cooldown of the last one runs; a live older one is replaced.

        ``id``: from ``codes.new_id``, for who must know it even if the answer gets lost.
        ``reference`` and ``envelope`` are kept with the code for the caller: the reference comes
        back when the code ends, the envelope by ``services.resend``. ``owner``: the name of the API key
        that it belongs to, "" for none. ``spending``: the limits that
        it counts towards; ``guarded``: what the guard counts it for. ``code``: this one, for a test
        number. One round trip.
        """
        rules = purposes.get(purpose)
        phones = phone_digests(phone_number, purpose)
        id, seed = id or codes.new_id(), codes.new_id()
        code, by_id, by_phone = _code(rules, seed, id, phones[0], code)
        answer = store.generate(
            rules,
            phones,
            id=id,
            seed=seed,
            by_id=by_id,
            by_phone=by_phone,
            reference=reference,
            envelope=envelope,
            owner=owner,
            spending=spending,
            guarded=guarded,
        )
        status = answer[0].decode()
        if status != "issued":
            return _refused(status, answer, spending)
        *_, expires_at, resend_at, replaced = answer
        return Issue(
            "issued",
            MESSAGES["issued"],
            id=id,
            code=code,
            expires_at=expires_at / 1000,
            expires_in=rules.lifetime,
            resend_at=resend_at / 1000,
            attempts_left=rules.attempts,
            replaced=replaced.decode(),
            refusal=_refusal(answer),
        )

    @classmethod
    def verify_otp(cls, phone_number: given.Number, otp_code: str, purpose: str = "login") -> Check:
        """Check one guess and count it; the right one is accepted once. One round trip.

        Guesses by number have ``attempts`` of their own: when strangers have used these up, whoever knows
        the id can still check by it. Raises ``NotAllowed`` (``code_missing``) for a code that is no text;
        it counts as no guess.
        """
        phones, typed = phone_digests(phone_number, purpose), _typed(otp_code)
        pairs = zip(conf.phone_secrets(), phones, strict=True)
        guesses = [codes.digest(secret, "by_phone", phone, typed) for secret, phone in pairs]
        return _checked(store.verify(guesses, phones=phones))

    @classmethod
    def resend(
        cls,
        phone_number: given.Number,
        purpose: str = "login",
        *,
        id: str = "",
        reference: str = "",
        spending: Spending = NOTHING,
        guarded: Call = OFF,
        code: str = "",
    ) -> Issue:
        """The live code again (or a new one, ``new_code_on_resend``) under the same id.

        The attempts left stay as they are. ``id``: only if this is still the newest one.
        ``spending``, ``guarded`` and ``code``: as for ``generate_otp``.
        """
        rules = purposes.get(purpose)
        phones = phone_digests(phone_number, purpose)
        by = "by_id" if id else "by_phone"
        id = id or store.newest_id(phones)
        if not id:
            return Issue("expired", MESSAGES["expired"])
        seed = by_id = by_phone = ""
        if rules.new_code_on_resend:
            seed = codes.new_id()
            code, by_id, by_phone = _code(rules, seed, id, phones[0], code)
        answer = store.resend(
            rules,
            phones,
            id=id,
            seed=seed,
            by_id=by_id,
            by_phone=by_phone,
            reference=reference,
            by=by,
            spending=spending,
            guarded=guarded,
        )
        status = answer[0].decode()
        if status != "issued":
            return _refused(status, answer, spending)
        *_, expires_at, resend_at, replaced, seed_now, left, by_id_now, lives = answer
        code = code or _again(rules, seed_now.decode(), id, by_id_now.decode())
        if not code:
            return Issue("expired", MESSAGES["expired"])
        return Issue(
            "issued",
            MESSAGES["issued"],
            id=id,
            code=code,
            expires_at=expires_at / 1000,
            expires_in=lives / 1000,
            resend_at=resend_at / 1000,
            attempts_left=left,
            replaced=replaced.decode(),
            refusal=_refusal(answer),
        )

    @classmethod
    def cancel(cls, phone_number: given.Number, purpose: str = "login") -> bool:
        """Forget the code. True if there was one. The cooldown stays."""
        return bool(store.cancel(phones=phone_digests(phone_number, purpose))[0])


def peek(phone_number: str, purpose: str, spending: Spending) -> Issue | None:
    """Why no code would be issued now, None if one would. Counts nothing. One round trip."""
    answer = store.peek(phone_digests(phone_number, purpose), spending)
    return _refused(answer[0].decode(), answer, spending) if answer else None


def verify_id(id: str, otp_code: str, owner: str = "", spending: Spending = NOTHING) -> Check:
    """``verify_otp`` for whoever knows the id of the verification and not the number.

    ``owner``: where it must be this one's; another's is ``expired``, as one that never was. ``spending``:
    the limits that a wrong guess counts towards.
    """
    typed = _typed(otp_code)
    guesses = [codes.digest(secret, "by_id", id, typed) for secret in conf.phone_secrets()]
    answer = store.verify(guesses, id=id, owner=owner, spending=spending)
    if answer[0] == b"limited":
        _, wait, index = answer
        limit, retry_after = spending.rules[index], max(math.ceil(wait / 1000), 1)
        return Check("blocked", MESSAGES["guesses"], id=id, limit=limit, retry_after=retry_after)
    return _checked(answer, id)


def phone_digests(phone_number: given.Number, purpose: str) -> tuple[str, ...]:
    """The keyed digests that stand for a phone and purpose in Redis, one for each secret."""
    name = given.text(purpose)
    if name is None:
        raise KeyError(purpose)
    return _phone_digests(conf.phone_secrets(), given.phone(phone_number), conf.get("PHONE_REGION"), name)


@lru_cache(maxsize=1024)  # a check mostly follows its start, and reading a number takes its time
def _phone_digests(
    secrets: tuple[bytes, ...], phone_number: str, region: str, purpose: str
) -> tuple[str, ...]:
    number = numbers.canonical(phone_number, region)
    return tuple(codes.digest(secret, "phone", purpose, number) for secret in secrets)


def _typed(otp_code: object) -> str:
    """A guess as it was meant. An int is none: of 012345 it has lost the zero."""
    entered = given.text(otp_code)
    if entered is None:
        raise NotAllowed("A code is required, as a text.", code="code_missing", field="code")
    return codes.normalise(entered)


def _code(rules: Purpose, seed: str, id: str, phone: str, code: str = "") -> tuple[str, str, str]:
    secret = conf.phone_secrets()[0]
    drawn = codes.derive(secret, seed, rules.length, rules.alphabet)
    code = code or drawn  # drawn for a test number too, so that it takes no shorter
    return code, codes.digest(secret, "by_id", id, code), codes.digest(secret, "by_phone", phone, code)


def _again(rules: Purpose, seed: str, id: str, by_id: str) -> str:
    """The code that was made from ``seed`` with the secret of that time, which its digest tells.

    "" if that secret is configured no more.
    """
    for secret in conf.phone_secrets():
        code = codes.derive(secret, seed, rules.length, rules.alphabet)
        if codes.digest(secret, "by_id", id, code) == by_id:
            return code
    return ""


def _refused(status: Any, answer: list[Any], spending: Spending) -> Issue:
    wait = math.ceil(answer[1] / 1000) if len(answer) > 1 else 0
    text = MESSAGES["guesses" if status == "blocked" else status]
    limit = spending.rules[answer[2]] if status == "limited" else None
    refusal = _refusal(answer) if status == "guard" else None
    return Issue(status, text, retry_after=wait, limit=limit, refusal=refusal)


def _refusal(answer: list[Any]) -> tuple[bytes, int] | None:
    return (answer[2], answer[1]) if answer[2] else None


def _checked(answer: list[Any], id: str = "") -> Check:
    status, left, reference, found_id, purpose = answer
    word = status.decode()
    return Check(
        word,
        MESSAGES[word],
        attempts_left=left,
        id=id or found_id.decode(),
        purpose=purpose.decode(),
        reference=reference.decode(),
    )
