"""E-mail addresses. They replace the number for codes that only go by e-mail."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from sms import given
from sms.errors import InvalidAddress
from sms.phone import Phone

#: Characters. RFC 5321, 4.5.3.1.3 allows a path of 256 octets with its brackets.
LONGEST = 254


def read(typed: object) -> str:
    """An address with its domain in lower case. Raises ``InvalidAddress``.

    The part before the @ stays as it is: only the server of the domain knows whether case matters there.
    """
    text = (given.text(typed) or "").strip()
    local, _, domain = text.rpartition("@")
    address = f"{local}@{domain.lower()}"
    try:
        validate_email(address)
    except ValidationError:
        raise InvalidAddress from None
    if len(address) > LONGEST or not address.isprintable():
        raise InvalidAddress
    return address


def identity(address: str) -> str:
    """One spelling for all addresses that most servers treat as the same mailbox. Limits count by it."""
    return address.casefold()


def as_phone(address: str) -> Phone:
    """A ``Phone`` for a user who gave no number. It has no country and no kind."""
    return Phone(identity(address), "", mask(address))


def mask(address: str) -> str:
    """``j•••@e•••.com``: enough for a person to recognise the address. Some domains belong to one person."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain[:1]}•••.{domain.rpartition('.')[2]}"
