"""The picker for the country of a phone number. It offers the countries that codes go to.

Their names come from CLDR, in the language of the page. The user can write a number in the national form of
the picked country. A number with + needs no country, whatever is picked.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import phonenumbers
from babel import Locale
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import pgettext

from otp import conf
from otp.pages import language
from sms import services as sms
from sms.message import Channel


@dataclass(frozen=True, slots=True)
class Country:
    code: str  # ISO 3166 alpha-2
    name: str
    example: str  # a mobile number in national form, "" if none is known


@dataclass(frozen=True, slots=True)
class Picker:
    """``picked``: the country of national numbers. Without one, only numbers with + are understood."""

    countries: tuple[Country, ...]
    picked: Country | None

    @property
    def is_shown(self) -> bool:
        """Whether there is anything to pick."""
        return len(self.countries) > 1

    @property
    def country(self) -> SafeString:
        """The name of the picked country, in an element that the script updates."""
        return format_html("<span data-country>{}</span>", self.picked.name if self.picked else "")

    @property
    def example(self) -> SafeString:
        """An example number of the picked country, in an element that the script updates."""
        example = self.picked.example if self.picked else ""
        return format_html('<span class="number" dir="ltr" data-example>{}</span>', example)

    @property
    def options(self) -> SafeString:
        """The options of a ``<select>``."""
        html = _options(self.countries)
        if self.picked:
            value = f'value="{self.picked.code}"'
            html = html.replace(value, f"{value} selected", 1)
        return SafeString(html)


def picker(request: HttpRequest, channels: Sequence[Channel]) -> Picker:
    """The countries that ``channels`` reach, and the picked one.

    Picked is the country of the form, else ``PHONE_REGION``. Before a form was sent, the first country in
    ``Accept-Language`` comes next. If there is only one country, it is picked.
    """
    offered = _offered(pgettext("the language of the page", "en"), tuple(channels))
    by_code = {country.code: country for country in offered}
    wished = [request.POST.get("country", conf.get("PHONE_REGION").upper())]
    if request.method != "POST":
        wished += language.regions(request)
    found = [by_code[code] for code in wished if code in by_code]
    if len(offered) == 1:
        found = [*offered]
    return Picker(offered, found[0] if found else None)


def unpicked(channels: Sequence[Channel]) -> Picker:
    """The same without a choice: the country of ``PHONE_REGION``, if codes go there."""
    home = conf.get("PHONE_REGION").upper()
    offered = _offered(pgettext("the language of the page", "en"), tuple(channels))
    return Picker((), next((country for country in offered if country.code == home), None))


@conf.cached
def _offered(tag: str, channels: tuple[Channel, ...]) -> tuple[Country, ...]:
    names = Locale.parse("pt-PT" if tag == "pt" else tag, sep="-").territories  # CLDR's pt is Brazilian
    found = [_country(code, names.get(code, code)) for code in sms.countries_of(channels)]
    return tuple(sorted(found, key=lambda country: _collated(country.name)))


def _country(code: str, name: str) -> Country:
    example = sms.example_of(code)
    return Country(code, name, sms.spelled_at_home(example) if example else "")


def _collated(name: str) -> str:
    """A sort key without accents. The script later sorts by the rules of the language."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(char for char in plain if not unicodedata.combining(char)).casefold()


@conf.cached
def _options(countries: tuple[Country, ...]) -> str:
    # Isolated, so that the + stays before the calling code in names that run from right to left.
    return format_html_join(
        "\n",
        '<option value="{}" data-example="{}">{} (\u2066+{}\u2069)</option>',
        (
            (each.code, each.example, each.name, phonenumbers.country_code_for_region(each.code))
            for each in countries
        ),
    )
