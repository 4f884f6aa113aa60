"""The keyed digests that stand in Redis for phones and guesses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from otp import codes, conf
from otp.errors import NotAllowed
from sms import given
from sms import phone as numbers


def of_phone(phone_number: given.Number, purpose: str) -> tuple[str, ...]:
    """Those that stand for a phone and purpose, one for each secret, the newest first.

    Raises ``InvalidNumber``.
    """
    name = given.text(purpose)
    if name is None:
        raise KeyError(purpose)
    return _of_phone(conf.phone_secrets(), given.phone(phone_number), conf.get("PHONE_REGION"), name)


@lru_cache(maxsize=1024)  # a check mostly follows its start, and reading a number takes its time
def _of_phone(secrets: tuple[bytes, ...], phone_number: str, region: str, purpose: str) -> tuple[str, ...]:
    number = numbers.canonical(phone_number, region)
    return tuple(codes.digest(secret, "phone", purpose, number) for secret in secrets)


def of_guess(otp_code: object, *, id: str = "", phones: Sequence[str] = ()) -> list[str]:
    """Those to compare a guess by, one for each secret. An int is no code: of 012345 it has lost the zero.

    Raises ``NotAllowed``.
    """
    entered = given.text(otp_code)
    if entered is None:
        raise NotAllowed("A code is required, as a text.", code="code_missing", field="code")
    typed, secrets = codes.normalise(entered), conf.phone_secrets()
    if not phones:
        return [codes.digest(secret, "by_id", id, typed) for secret in secrets]
    pairs = zip(secrets, phones, strict=True)
    return [codes.digest(secret, "by_phone", phone, typed) for secret, phone in pairs]
