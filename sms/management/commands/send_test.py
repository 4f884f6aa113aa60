"""``manage.py send_test ALIAS +NUMBER``: send one real SMS, and show what the vendor answers."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import phonenumbers
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from sms import answers, conf, ids, receipts, registry, services
from sms.delivery.handover import hand_over
from sms.errors import (
    AccountFailure,
    InvalidNumber,
    OutcomeUnknown,
    PermanentFailure,
    ProviderError,
    Unreachable,
)
from sms.providers.base import Sms
from sms.providers.transport import watching
from sms.providers.url import read_url

TEXT = "This is a test of Otpost."

#: The code for templates. No verification accepts it.
CODE = "123456"

#: Seconds until it expires.
LIFE = 120.0

#: Options that hold no secret, and help to see what was sent.
PLAIN = {
    "from",
    "base_url",
    "timeout",
    "ssl_ca_certs",
    "rate",
    "segment_rate",
    "share",
    "only",
    "price",
    "region",
}
PLAIN |= {"template", "feedback", "poll", "parameter", "variable", "smsc"}
PLAIN |= {"key_press", "machine_detection", "ring", "longest"}

#: Characters. A value this short is masked only if its name marks it as a secret: that of password= is
#: masked, that of id= is not.
SHORT = 3

_NAMES_A_SECRET = re.compile("(?i:auth|key|token|password|signature|secret)")

#: Headers whose whole value is masked, because it may be derived from a secret.
_SECRET_HEADER = re.compile(rf"^(\S*{_NAMES_A_SECRET.pattern}\S*:).*$", re.MULTILINE)


class Command(BaseCommand):
    help = (
        "Send one real SMS by one provider, bypassing queue, routes and limits. Show step by step what is "
        "sent and what the vendor answers, with numbers and secrets masked. The SMS costs its usual price. "
        "The exit code is 1 unless the vendor took it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("alias", help="an alias of SMS_PROVIDERS")
        parser.add_argument("number", help="the recipient, such as +12025550123")
        parser.add_argument("--text", default=TEXT, help=f"({TEXT})")
        parser.add_argument(
            "--purpose", default="login", help="the purpose whose template to use, if there are any (login)"
        )
        parser.add_argument("--locale", default="", help="the language, if there are templates")
        parser.add_argument("--email", default="", help="the address, for a provider of e-mail")

    def handle(self, *args: Any, **options: Any) -> None:
        alias = _alias(options["alias"])
        try:
            number = services.parse_phone(options["number"])
        except InvalidNumber as error:
            raise CommandError(error.detail) from None
        provider = alias.provider
        id = ids.new()
        code = {"code": CODE} | {name: options[name] for name in ("purpose", "locale")}
        content = {"to": number.e164, **(code if provider.needs_code else {})}
        sms = Sms(
            id=id,
            body=options["text"],
            expires_in=LIFE,
            callback_url=receipts.address(alias.name, id),
            answer_url=answers.address(alias.name, id, content, LIFE) if provider.asks_for_code else "",
            key=ids.new(),
            email=options["email"],
            **content,
        )
        masks = _Masks(conf.get("SMS_PROVIDERS")[alias.name], number.e164, number.masked)

        def show(status: str, content: bytes) -> None:
            text = masks.hide(content.decode(errors="replace"))
            self.stdout.write(f"← {status}\n{text}\n" if status else f"→ {text}\n")

        self.stdout.write(f"{alias.name}: {provider.name}, to {number.masked}\n")
        token = watching.set(show)
        try:
            taken_as = hand_over(provider, sms)
        except ProviderError as error:
            raise CommandError(_meaning(error)) from None
        finally:
            watching.reset(token)
        self.stdout.write(f"It took the message, as {masks.hide(taken_as)}. Look whether it arrives.")


def _alias(name: str) -> registry.Alias:
    try:
        known = registry.aliases()
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None
    if name not in known:
        raise CommandError(f"SMS_PROVIDERS has no {name}. It has: {', '.join(known)}.")
    return known[name]


def _meaning(error: ProviderError) -> str:
    said = f" ({error.code})" if error.code else ""
    if isinstance(error, AccountFailure):
        fix = "Check the credentials, the balance and the sender"
        return f"Your account was refused{said}: {error}. {fix}{', in this country' if error.here else ''}."
    if isinstance(error, Unreachable):
        return f"This channel does not reach the number{said}: {error}."
    if isinstance(error, PermanentFailure):
        return f"Refused because of the number or the text{said}: {error}."
    if isinstance(error, OutcomeUnknown):
        return f"It may or may not have taken the message{said}: {error}."
    return f"Not taken now, but the same may work later{said}: {error}."


class _Masks:
    """Hides the number and the secrets of the alias, in every way that they may be written."""

    def __init__(self, url: str, number: str, masked: str) -> None:
        self._masked = masked
        secrets = {form for secret in _secrets(url) for form in _written(secret)}
        forms = "|".join(map(re.escape, sorted(secrets, key=len, reverse=True)))
        # In one pass, so that one mask does not hide half of what another would find.
        self._found = re.compile(f"(?P<number>{_spelt(number)})|{forms or '(?!)'}", re.IGNORECASE)

    def hide(self, text: str) -> str:
        text = _SECRET_HEADER.sub(r"\1 •••", text)
        return self._found.sub(lambda found: self._masked if found["number"] else "•••", text)


def _spelt(e164: str) -> str:
    """A pattern for a number in international or national form, whatever separates its digits."""
    divider = r"(?:[^\w%]|%20){0,3}"
    national = str(phonenumbers.national_significant_number(phonenumbers.parse(e164)))
    country = divider.join(e164[1 : -len(national)])
    before = rf"(?:\+|%2B|00)?{country}{divider}(?:\(0\){divider})?|0{divider}"
    return rf"(?:{before})?{divider.join(national)}"


def _secrets(url: str) -> Iterator[str]:
    parts, options = read_url("", url)
    # If the URL has no password, its user name is a key.
    given = [("" if parts.password else "key", parts.username), ("password", parts.password)]
    found = [(name, unquote(value)) for name, value in given if value]
    found += [(name, value) for name, value in options if name not in PLAIN and value]
    yield from (value for name, value in found if len(value) > SHORT or _NAMES_A_SECRET.search(name))
    if len(found) > 1:
        yield f"{found[0][1]}:{found[1][1]}"


def _written(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1])
    yield b64encode(secret.encode()).decode()
