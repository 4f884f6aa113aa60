"""Read arguments of public functions as text. A view passes on any value of a form, even None."""

from __future__ import annotations

import re

import phonenumbers
from django.utils.functional import Promise
from phonenumbers import PhoneNumberFormat

#: Values that are read as a phone number. A form without the field gives None, which is not a number.
Number = str | phonenumbers.PhoneNumber | None

_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


def text(value: object) -> str | None:
    """A text as a plain ``str``, also a lazy text of Django or one of a subclass. None for anything else."""
    if isinstance(value, Promise):
        return str(value)
    # A subclass may have another __str__: that of an Enum names the class.
    return str.__str__(value) if issubclass(type(value), str) else None


def id(value: object) -> str:
    """The value if it could be one of our ids, else "", which never is."""
    found = text(value) or ""
    return found if _ID.fullmatch(found) else ""


def phone(value: object) -> str:
    """The spelling of a phone number, "" for anything else.

    Also reads a ``phonenumbers.PhoneNumber``, the type of the fields of django-phonenumber-field.
    """
    if not isinstance(value, phonenumbers.PhoneNumber):
        return text(value) or ""
    if value.country_code is None or value.national_number is None:
        return value.raw_input or ""
    # Keep an extension, so that it is refused as in any other spelling.
    form = PhoneNumberFormat.INTERNATIONAL if value.extension else PhoneNumberFormat.E164
    return str(phonenumbers.format_number(value, form))
