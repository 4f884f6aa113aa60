"""What the public doors are given, as text: a view passes on whatever a form held, None included."""

from __future__ import annotations

import re

import phonenumbers
from django.utils.functional import Promise
from phonenumbers import PhoneNumberFormat

#: What is read as a phone number. None, which a form without the field gives, is no number.
Number = str | phonenumbers.PhoneNumber | None

_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


def text(value: object) -> str | None:
    """A text, a lazy one of Django or an instance of a subclass as a plain ``str``; None for all else."""
    if isinstance(value, Promise):
        return str(value)
    # Its own __str__ may say something else: that of an Enum names the class.
    return str.__str__(value) if issubclass(type(value), str) else None


def id(value: object) -> str:
    """What can be an id of ours; "", which none is, for all else."""
    found = text(value) or ""
    return found if _ID.fullmatch(found) else ""


def phone(value: object) -> str:
    """A phone number's spelling; "" for what is none.

    Reads a ``phonenumbers.PhoneNumber`` too, as the fields of django-phonenumber-field hold them.
    """
    if not isinstance(value, phonenumbers.PhoneNumber):
        return text(value) or ""
    if value.country_code is None or value.national_number is None:
        return value.raw_input or ""
    # An extension stays, so that it is refused as in any other spelling.
    form = PhoneNumberFormat.INTERNATIONAL if value.extension else PhoneNumberFormat.E164
    return str(phonenumbers.format_number(value, form))
