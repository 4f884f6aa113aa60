"""Everything made with the secrets: codes, and the digests of phones and guesses that Redis holds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from otp import codes, conf, steps
from otp.errors import NotAllowed
from otp.purposes import Purpose
from otp.results import Draft, Live
from sms import given, ids
from sms import phone as numbers
from sms.phone import Phone


def of_phone(phone_number: given.Number, purpose: str) -> tuple[str, ...]:
    """The digests of a phone and purpose, one per secret, the newest first. Raises ``InvalidNumber``."""
    name = given.text(purpose)
    if name is None:
        raise KeyError(purpose)
    return _of_e164(_canonical(given.phone(phone_number), conf.get("PHONE_REGION")), name)


#: A check mostly follows its start, and parsing a number is slow.
_canonical = lru_cache(maxsize=1024)(numbers.canonical)


def of_number(number: Phone, purpose: str) -> tuple[str, ...]:
    """The same for a number that is parsed already."""
    return _of_e164(number.e164, purpose)


def _of_e164(e164: str, purpose: str) -> tuple[str, ...]:
    return tuple(codes.digest(secret, "phone", purpose, e164) for secret in conf.phone_secrets())


def of_guess(otp_code: object, *, id: str = "", phones: Sequence[str] = ()) -> list[str]:
    """The digests of a guess, one per secret. Raises ``NotAllowed`` for an int, which loses leading zeros."""
    entered = given.text(otp_code)
    if entered is None:
        raise NotAllowed("A code is required, as a text.", code="code_missing", field="code")
    typed, secrets = codes.normalise(entered), conf.phone_secrets()
    if not phones:
        return [codes.digest(secret, "by_id", id, typed) for secret in secrets]
    pairs = zip(secrets, phones, strict=True)
    return [codes.digest(secret, "by_phone", phone, typed) for secret, phone in pairs]


def draw(rules: Purpose, phones: Sequence[str], id: str = "", code: str = "") -> Draft:
    """A new code, or ``code``, which a test number or the caller has. A code is drawn even then, so that both
    cases take the same time.

    ``id``: of a verification that gets this code; "" begins one. Raises ``StoreUnavailable``.
    """
    id, seed, secret = id or ids.new(steps.home(phones)), ids.new(), conf.phone_secrets()[0]
    drawn = codes.derive(secret, seed, rules.length, rules.alphabet)
    code = code or drawn
    by_id = codes.digest(secret, "by_id", id, code)
    by_phone = codes.digest(secret, "by_phone", phones[0], code)
    return Draft(id, code, ("seed", seed, "by_id", by_id, "by_phone", by_phone))


def of_text(code: str, phones: Sequence[str]) -> list[str]:
    """The digests of a code that a user sent to us, one per secret."""
    pairs = zip(conf.phone_secrets(), phones, strict=True)
    return [codes.digest(secret, "by_sms", phone, code) for secret, phone in pairs]


def awaited(rules: Purpose, phones: Sequence[str], *, withheld: bool = False) -> Draft:
    """A new code for the user to send to us. ``withheld``: no SMS will match it."""
    id, secret = ids.new(steps.home(phones)), conf.phone_secrets()[0]
    code = codes.derive(secret, ids.new(), rules.length, rules.alphabet)
    by_sms = codes.digest(secret, "by_sms", phones[0], ids.new() if withheld else code)
    return Draft(id, code, ("reverse", "1", "by_sms", by_sms))


def again(rules: Purpose, live: Live, code: str = "") -> Draft | None:
    """The live code: ``code`` of a test number, else derived again with its secret.

    None if that secret is no longer configured.
    """
    if code:
        return Draft(live.id, code)
    for secret in conf.phone_secrets():
        derived = codes.derive(secret, live.seed, rules.length, rules.alphabet)
        if codes.digest(secret, "by_id", live.id, derived) == live.by_id:
            return Draft(live.id, derived)
    return None
