"""``manage.py look_up +NUMBER``: ask the vendors of OTP_LOOKUPS about a number, and show their answers."""

from __future__ import annotations

import json
import time
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from otp.lookups import settings
from otp.lookups.base import Lookup
from otp.lookups.verdict import DEADLINE, reason_of
from sms import services
from sms.errors import InvalidNumber
from sms.phone import Phone

#: Decimal places of a time in seconds.
MILLISECONDS = 3


class Command(BaseCommand):
    help = (
        "Ask every vendor of OTP_LOOKUPS about a number, ignoring cached answers and per_day. Show what each "
        "says, whether a code would be refused, and how long it took. Look-ups cost their usual price; no "
        "code is sent. The exit code is 1 unless every vendor that covers the country has answered."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", help="as +12025550123")
        parser.add_argument("--json", action="store_true", help="print one JSON object per look-up")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            number = services.parse_phone(options["number"])
            lookups = settings.configured().values()
        except InvalidNumber as error:
            raise CommandError(error.detail) from None
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        asked = [lookup for lookup in lookups if lookup.questions]
        if not asked:
            raise CommandError(
                "OTP_LOOKUPS is empty. Write twilio=twilio-lookup://SID:TOKEN@?refuse=voip, for example. "
                "docs/lookups.md has the details."
            )
        found = [_look_up(lookup, number) for lookup in asked]
        for one in found:
            self.stdout.write(json.dumps(one) if options["json"] else _in_words(one, number))
        if failed := [one["lookup"] for one in found if one["error"]]:
            raise CommandError(f"No answer from {', '.join(failed)}. A code would be sent without it.")


def _look_up(lookup: Lookup, number: Phone) -> dict[str, Any]:
    one: dict[str, Any] = {"lookup": lookup.alias, "vendor": lookup.name, "number": number.masked}
    one |= {
        "asked": lookup.covers(number.country),
        "answers": {},
        "refused": False,
        "seconds": 0.0,
        "error": "",
    }
    if not one["asked"]:
        return one
    begun = time.monotonic()
    try:
        answers = dict(lookup.ask(number.e164, lookup.questions))
    except Exception as error:  # a start treats every exception as "no answer"
        one["error"] = reason_of(error)
    else:
        one["answers"] = answers
        one["refused"] = any(lookup.refuses(question, answer) for question, answer in answers.items())
    one["seconds"] = round(time.monotonic() - begun, MILLISECONDS)
    return one


def _in_words(one: dict[str, Any], number: Phone) -> str:
    start = f"{one['lookup']} ({one['vendor']}), {number.masked}: "
    if not one["asked"]:
        return f"{start}not asked, because countries= excludes {number.country or 'no country'}"
    took = f"{one['seconds'] * 1000:.0f} ms"
    if one["seconds"] > DEADLINE:
        took += f", longer than the {DEADLINE * 1000:.0f} ms that a start waits"
    if one["error"]:
        return f"{start}no answer: {one['error']} ({took})"
    answers = ", ".join(f"{question} {answer}" for question, answer in one["answers"].items())
    outcome = "no code would be sent" if one["refused"] else "a code would be sent"
    return f"{start}{answers}; {outcome} ({took})"
