"""Parse the recipient of a code: a phone number or an e-mail address."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from otp import conf
from otp.admission import testnumbers
from otp.errors import NotAllowed
from otp.purposes import Purpose
from sms import given
from sms import phone as numbers
from sms import services as sms
from sms.errors import InvalidNumber
from sms.message import Channel
from sms.phone import Phone


def parse_phone(spelling: given.Number, by: Sequence[Channel] = (Channel.SMS,), *, region: str = "") -> Phone:
    """Parse a number to which messages may go by one of the channels in ``by``, or a test number.

    ``region``: the country of numbers in national form; "" means ``PHONE_REGION``. Raises
    ``sms.errors.InvalidNumber``.
    """
    spelling = given.phone(spelling)
    try:
        return sms.parse_phone(spelling, by, region=region)
    except InvalidNumber:
        with suppress(InvalidNumber):
            e164 = numbers.canonical(spelling, region or conf.get("PHONE_REGION"))
            if e164 in testnumbers.in_force():  # even a number that does not exist
                return Phone(e164, "", numbers.mask(e164))
        raise


def read_email(email: str | None, rules: Purpose) -> str:
    """An e-mail address as we store it. Raises ``NotAllowed`` if the purpose does not use e-mail."""
    if not email:
        return ""
    if Channel.EMAIL not in rules.channels:
        raise NotAllowed(
            "Codes for this purpose do not go by e-mail. Leave email out.",
            code="email_not_allowed",
            field="email",
        )
    return sms.read_email(email)
