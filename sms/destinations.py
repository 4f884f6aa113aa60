"""The setting ``SMS_DESTINATIONS``: where messages may go, and hints for users whose number is refused.

    DE AT CH        only to these countries (ISO 3166)
    * -IR           everywhere but to this country
    -+4370          not to numbers with this prefix
    -voip           not to numbers of this kind
    uan             also to numbers of this kind, which are refused by default (see REFUSED)
    voice:DE        a rule for another channel, which then has its own rules

Without a country, every country is allowed. A denial wins over a permission. A channel without its own rules
has those of SMS, but a call may also go to a fixed line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import phonenumbers
from django.core.exceptions import ImproperlyConfigured
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from sms import conf, countries, phone
from sms.errors import InvalidNumber
from sms.message import Channel
from sms.phone import KINDS, Phone, is_prefix

#: A national number is tried in at most this many of the allowed countries.
TRIED = 20

#: For descriptions that need an example, if no allowed number is known.
EXAMPLE = "+12015550123"

#: Kinds that get no SMS unless the setting names them: calls to them cost extra, machines answer, or they
#: have no screen. The texts complete "This is …".
REFUSED = {
    "premium_rate": "a premium-rate number",
    "shared_cost": "a shared-cost number",
    "pager": "a pager",
    "uan": "a company's universal number",
    "voicemail": "a voicemail box",
    "fixed_line": "a fixed line, which gets no SMS",
}

_CALLED = {kind: f"a number of the kind {kind.replace('_', ' ')}" for kind in KINDS} | REFUSED


@dataclass(frozen=True, slots=True)
class Destinations:
    """The rules of one channel."""

    countries: frozenset[str]  # empty: all
    denied: frozenset[str]  # countries
    prefixes: tuple[str, ...]  # denied
    kinds: frozenset[str]  # denied

    def allow(self, country: str) -> bool:
        return country not in self.denied and (self.countries <= {"*"} or country in self.countries)


def require(number: Phone, channels: Iterable[Channel] = (Channel.SMS,)) -> Phone:
    """Return ``number`` if a message may go there by one of ``channels``.

    Raises ``InvalidNumber`` with the fault of the first channel, or ``ImproperlyConfigured``.
    """
    refusals = [_refusal(number, channel) for channel in channels]
    if refusal := all(refusals) and next(iter(refusals), None):
        raise refusal
    return number


def allow(number: Phone, channel: Channel) -> bool:
    """Whether a message may go there by ``channel``. Raises ``ImproperlyConfigured``."""
    return _refusal(number, channel) is None


def _refusal(number: Phone, channel: Channel) -> InvalidNumber | None:
    rules = configured(channel)
    if number.kind in rules.kinds:
        return InvalidNumber("phone_type", f"This is {_CALLED[number.kind]}; give a mobile number.")
    if not rules.allow(number.country):
        where = countries.name(number.country) or "numbers of no country"
        return InvalidNumber("phone_not_allowed", f"No SMS is sent to {where}.")
    if number.e164.startswith(rules.prefixes):
        return InvalidNumber("phone_not_allowed", "No SMS is sent to numbers that begin like this one.")
    return None


def configured(channel: Channel = Channel.SMS) -> Destinations:
    """The rules of a channel. Raises ``ImproperlyConfigured``."""
    return _configured()[channel]


@conf.cached
def _configured() -> Mapping[Channel, Destinations]:
    words = conf.get("SMS_DESTINATIONS")
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ImproperlyConfigured('SMS_DESTINATIONS must be a list of texts such as ["DE", "-+4370"].')
    own: dict[Channel, list[str]] = {channel: [] for channel in Channel}
    for word in words:
        channel, colon, rest = word.rpartition(":")
        if colon and channel not in own:
            raise ImproperlyConfigured(
                f"SMS_DESTINATIONS, {word}: there is no channel {channel!r}. Write one of: {', '.join(own)}."
            )
        own[Channel(channel or "sms")].append(rest)
    of_sms = _read(own[Channel.SMS])
    without_words = dict.fromkeys(Channel, of_sms) | {
        Channel.VOICE: replace(of_sms, kinds=of_sms.kinds - {"fixed_line"} | _denied(own[Channel.SMS]))
    }
    return without_words | {channel: _read(words, channel) for channel, words in own.items() if words}


def _denied(words: Iterable[str]) -> set[str]:
    """The kinds of numbers that the words deny by name."""
    return {word.removeprefix("-") for word in words if word.startswith("-")} & KINDS.keys()


def _read(words: Iterable[str], channel: Channel = Channel.SMS) -> Destinations:
    allowed: set[str] = set()
    denied: set[str] = set()
    prefixes: set[str] = set()
    kinds = set(REFUSED)
    if channel is Channel.VOICE:
        kinds.discard("fixed_line")
    for word in words:
        bare = word.removeprefix("-")
        if bare in KINDS:
            (kinds.add if word != bare else kinds.discard)(bare)
        elif bare in phonenumbers.SUPPORTED_REGIONS:
            (denied if word != bare else allowed).add(bare)
        elif word == "*":
            allowed.add(word)
        elif word != bare and is_prefix(bare):
            prefixes.add(bare)
        elif word.startswith("-+"):
            raise ImproperlyConfigured(
                f"SMS_DESTINATIONS, {word}: no number begins with {bare}. Write a prefix such as -+4470."
            )
        else:
            if word.upper() != word and word.upper().removeprefix("-") in phonenumbers.SUPPORTED_REGIONS:
                raise ImproperlyConfigured(f"SMS_DESTINATIONS: write {word.upper()} instead of {word}.")
            raise ImproperlyConfigured(
                f"SMS_DESTINATIONS: {word!r} is not a rule. Write a country such as DE, *, a denial such as "
                f"-IR, -+4470 or -voip, or a kind of number ({', '.join(sorted(KINDS))})."
            )
    if "*" in allowed and len(allowed) > 1:
        raise ImproperlyConfigured(
            "SMS_DESTINATIONS has both * and countries, but * allows all of them. Remove one or the other."
        )
    return Destinations(frozenset(allowed), frozenset(denied), tuple(prefixes), frozenset(kinds))


@conf.cached
def example() -> str:
    """A mobile number (E.164) of the first allowed country, "" if none is known."""
    region = conf.get("PHONE_REGION").upper()
    countries = [*_allowed(), region, "US", *sorted(phonenumbers.SUPPORTED_REGIONS)]
    return next(filter(None, map(example_of, countries)), "")


def example_of(country: str) -> str:
    """A mobile number (E.164) of ``country`` that SMS may go to, "" if none is known."""
    number = _mobile_number(country)
    return number.e164 if number and _refusal(number, Channel.SMS) is None else ""


@cache  # a page may need all of them, which takes 0.1 s
def _mobile_number(country: str) -> Phone | None:
    """The example of ``phonenumbers``. None if it has none, or one of another country."""
    number = phonenumbers.example_number_for_type(country, PhoneNumberType.MOBILE)
    if number is None:
        return None
    found = phone.parse(str(phonenumbers.format_number(number, PhoneNumberFormat.E164)))
    return found if found.country == country else None


def _allowed() -> list[str]:
    """The allowed countries, in the order of the setting."""
    return [word for word in conf.get("SMS_DESTINATIONS") if word in phonenumbers.SUPPORTED_REGIONS]


def spelled(e164: str) -> str:
    """``+12015550123`` → ``+1 201-555-0123``."""
    return str(phonenumbers.format_number(phonenumbers.parse(e164), PhoneNumberFormat.INTERNATIONAL))


@cache  # its size is the number of examples
def spelled_at_home(e164: str) -> str:
    """``+12015550123`` → ``(201) 555-0123``, the national form."""
    return str(phonenumbers.format_number(phonenumbers.parse(e164), PhoneNumberFormat.NATIONAL))


def with_hint(error: InvalidNumber, spelling: object) -> InvalidNumber:
    """``error`` of ``phone.parse`` with a hint added. The text never holds the number."""
    if error.code == "phone_emergency":
        return error
    detail = error.code == "phone_no_country" and isinstance(spelling, str) and _missing(spelling)
    such = f", for example {example()}" if example() else ""
    detail = detail or f"{error.detail} Give it with + and the country code{such}."
    return InvalidNumber(error.code, detail)


def _missing(spelling: str) -> str:
    """The prefix for a number without +, if its digits suggest one."""
    bare = spelling.strip()
    if found := _country(f"+{bare}"):
        return f"The + is missing. If this is a number of {countries.name(found)}, write + in front of it."
    matches = [found for region in _allowed()[:TRIED] if (found := _country(bare, region)) == region]
    if len({phonenumbers.country_code_for_region(region) for region in matches}) != 1:
        return ""
    code = phonenumbers.country_code_for_region(matches[0])
    where = countries.name(matches[0])
    return f"The country code is missing. If this is a number of {where}, write +{code} in front of it."


def _country(spelling: str, region: str = "") -> str:
    """The country of this number, "" unless an SMS may go there."""
    try:
        return require(phone.parse(spelling, region)).country
    except InvalidNumber:
        return ""
