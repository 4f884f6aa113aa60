"""Where an SMS may go: the setting ``SMS_DESTINATIONS``.

    DE AT CH        only to these countries (ISO 3166)
    * -IR           everywhere, but not there
    -+4370          nor to numbers that begin so
    -voip           nor to numbers of this kind
    uan             to these, although their kind is refused otherwise (see REFUSED)

Without a country in it, every country is allowed. A denial wins over what allows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from django.core.exceptions import ImproperlyConfigured

from sms import conf, countries
from sms.errors import InvalidNumber
from sms.phone import KINDS, Phone, is_prefix

#: Kinds that get no SMS unless the setting names them: they cost the caller, answer to machines,
#: or are wires without a screen. What to call each in "This is …".
REFUSED = {
    "premium_rate": "a premium-rate number",
    "shared_cost": "a shared-cost number",
    "pager": "a pager",
    "uan": "a company's universal number",
    "voicemail": "a voicemail box",
    "fixed_line": "a fixed line, which gets no SMS",
}


@dataclass(frozen=True, slots=True)
class Destinations:
    """The setting, read."""

    countries: frozenset[str]  # empty: all
    denied: frozenset[str]  # countries
    prefixes: tuple[str, ...]  # denied
    kinds: frozenset[str]  # denied


def require(number: Phone) -> Phone:
    """``number``, if an SMS may go there. Raises ``InvalidNumber``, ``ImproperlyConfigured``."""
    rules = configured()
    if number.kind in rules.kinds:
        what = REFUSED.get(number.kind, f"a number of the kind {number.kind.replace('_', ' ')}")
        raise InvalidNumber("phone_type", f"This is {what}; give a mobile number.")
    country = number.country
    if country in rules.denied or not (rules.countries <= {"*"} or country in rules.countries):
        where = countries.name(country) or "numbers of no country"
        raise InvalidNumber("phone_not_allowed", f"No SMS is sent to {where}.")
    if number.e164.startswith(rules.prefixes):
        raise InvalidNumber("phone_not_allowed", "No SMS is sent to numbers that begin like this one.")
    return number


def configured() -> Destinations:
    """The rules of ``SMS_DESTINATIONS``. Raises ``ImproperlyConfigured``."""
    setting = conf.get("SMS_DESTINATIONS")
    if not isinstance(setting, list | tuple) or not all(isinstance(word, str) for word in setting):
        raise ImproperlyConfigured('SMS_DESTINATIONS is a list of texts such as ["DE", "-+4370"].')
    return _read(tuple(setting))


@lru_cache(maxsize=8)
def _read(words: Iterable[str]) -> Destinations:
    allowed: set[str] = set()
    denied: set[str] = set()
    prefixes: set[str] = set()
    kinds = set(REFUSED)
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
            raise ImproperlyConfigured(f"SMS_DESTINATIONS, {word}: no number begins with {bare}.")
        else:
            if word.upper() != word and word.upper().removeprefix("-") in phonenumbers.SUPPORTED_REGIONS:
                raise ImproperlyConfigured(f"SMS_DESTINATIONS: write {word.upper()} instead of {word}.")
            raise ImproperlyConfigured(
                f"SMS_DESTINATIONS: {word!r} is no country such as DE, nor *, nor a denial such as -IR, "
                f"-+4470 or -voip, nor a kind of number ({', '.join(sorted(KINDS))})."
            )
    if "*" in allowed and len(allowed) > 1:
        raise ImproperlyConfigured("SMS_DESTINATIONS holds * and countries; * allows them all already.")
    return Destinations(frozenset(allowed), frozenset(denied), tuple(prefixes), frozenset(kinds))
