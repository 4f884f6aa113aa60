"""The options ``template=`` and ``languages=``, which choose a vendor's template for a code."""

from __future__ import annotations

import re

from sms.errors import AccountFailure
from sms.providers.base import Sms
from sms.providers.url import BadProviderURL

_LANGUAGE = re.compile("[A-Za-z]{2,3}(_[A-Za-z]{2,4})?")
_ENTRY = re.compile(r"(?:(?P<purpose>[\w-]*)(?:\.(?P<locale>[A-Za-z-]+))?=)?(?P<id>[^=|\s]+)", re.ASCII)


class Templates:
    """One template, ``otp``, or several separated by ``|``: ``otp|login=enter|login.fa=vorud|.fa=ramz``.

    The most specific one wins: by purpose and locale, by purpose, by locale, the default.
    """

    def __init__(self, alias: str, text: str) -> None:
        """``text``: "" for no template. Raises ``BadProviderURL``."""
        self._known: dict[tuple[str, str], str] = {}
        for entry in filter(None, text.split("|")):
            found = _ENTRY.fullmatch(entry.strip())
            if not found:
                raise BadProviderURL(
                    f"{alias}: template= must look like ID, or ID|PURPOSE=ID|PURPOSE.LOCALE=ID|.LOCALE=ID."
                )
            place = found["purpose"] or "", (found["locale"] or "").lower()
            if self._known.setdefault(place, found["id"]) != found["id"]:
                raise BadProviderURL(f"{alias}: template= names two for the same case. Name one.")

    def __bool__(self) -> bool:
        return bool(self._known)

    def of(self, sms: Sms) -> str:
        """The template for this code. Raises ``AccountFailure`` if none fits."""
        locale = _tag(sms.locale)
        for purpose in (sms.purpose, ""):
            for tongue in (locale, locale.partition("-")[0], ""):
                if id := self._known.get((purpose, tongue)):
                    return id
        raise AccountFailure("template= names none for this purpose", code="no_template")


class Languages:
    """The languages in which a template was approved, as the vendor writes them: ``en_US|de|pt_BR``."""

    def __init__(self, alias: str, text: str) -> None:
        """``text``: the first language is also the default. Raises ``BadProviderURL``."""
        found = text.split("|")
        if not all(_LANGUAGE.fullmatch(language) for language in found):
            raise BadProviderURL(f"{alias}: languages= must look like en_US|de|pt_BR.")
        self._first = found[0]
        self._known: dict[str, str] = {}
        for language in found:
            if _tag(language) in self._known:
                raise BadProviderURL(f"{alias}: languages= names one twice. Drop one.")
            self._known[_tag(language)] = language
        for language in found:
            # For en-GB, en_US is better than another language.
            self._known.setdefault(_tag(language).partition("-")[0], language)

    def of(self, sms: Sms) -> str:
        """The user's language, or the longest tag with which it begins (RFC 4647, 3.4)."""
        tag = _tag(sms.locale)
        while tag and tag not in self._known:
            tag = tag.rpartition("-")[0]
        return self._known.get(tag, self._first)


def _tag(locale: str) -> str:
    return locale.replace("_", "-").lower()
