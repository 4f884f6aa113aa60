"""E-mail addresses, which stand where a number does for codes that go by e-mail alone."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from sms import given
from sms.errors import InvalidAddress
from sms.phone import Phone

#: Characters. RFC 5321, 4.5.3.1.3 allows a path of 256 octets with its brackets.
LONGEST = 254


def read(typed: object) -> str:
    """An address in one spelling: its domain in small letters. Raises ``InvalidAddress``.

    What stands before the @ stays as it is: only the server of its domain knows whether letters matter there.
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
    """One spelling for all that lead to one mailbox, as most servers see it: what limits count by."""
    return address.casefold()


def as_phone(address: str) -> Phone:
    """What stands for the number of a user who gave none. It has no country and no kind."""
    return Phone(identity(address), "", mask(address))


def mask(address: str) -> str:
    """``j•••@e•••.com``: enough for a person to know which address is meant. Domains are people's, too."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain[:1]}•••.{domain.rpartition('.')[2]}"
