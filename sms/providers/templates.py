"""Which template of a vendor's composes the text of a code, and in which language: the options ``template=``
and ``languages=``.
"""

from __future__ import annotations

import re

from sms.errors import AccountFailure
from sms.providers.base import Sms
from sms.providers.url import BadProviderURL

_LANGUAGE = re.compile("[A-Za-z]{2,3}(_[A-Za-z]{2,4})?")
_ENTRY = re.compile(r"(?:(?P<purpose>[\w-]*)(?:\.(?P<locale>[A-Za-z-]+))?=)?(?P<id>[^=|\s]+)", re.ASCII)


class Templates:
    """``otp`` alone, or several divided by ``|``: ``otp|login=enter|login.fa=vorud|.fa=ramz``. The closest
    one counts: that of purpose and locale, of the purpose, of the locale, the one for all else.
    """

    def __init__(self, alias: str, text: str) -> None:
        """Raises ``BadProviderURL``. ``text``: "" is none at all."""
        self._known: dict[tuple[str, str], str] = {}
        for entry in filter(None, text.split("|")):
            found = _ENTRY.fullmatch(entry.strip())
            if not found:
                raise BadProviderURL(
                    f"{alias}: template= must look like ID, or ID|PURPOSE=ID|PURPOSE.LOCALE=ID|.LOCALE=ID."
                )
            place = found["purpose"] or "", (found["locale"] or "").lower()
            if self._known.setdefault(place, found["id"]) != found["id"]:
                raise BadProviderURL(f"{alias}: template= names two for the same; name one.")

    def __bool__(self) -> bool:
        return bool(self._known)

    def of(self, sms: Sms) -> str:
        """The template for this code. Raises ``AccountFailure`` where none fits."""
        locale = _tag(sms.locale)
        for purpose in (sms.purpose, ""):
            for tongue in (locale, locale.partition("-")[0], ""):
                if id := self._known.get((purpose, tongue)):
                    return id
        raise AccountFailure("template= names none for this purpose", code="no_template")


class Languages:
    """Those that a template was approved in, as the vendor writes them: ``en_US|de|pt_BR``."""

    def __init__(self, alias: str, text: str) -> None:
        """Raises ``BadProviderURL``. ``text``: the first is for users of every other language."""
        found = text.split("|")
        if not all(_LANGUAGE.fullmatch(language) for language in found):
            raise BadProviderURL(f"{alias}: languages= must look like en_US|de|pt_BR.")
        self._first = found[0]
        self._known: dict[str, str] = {}
        for language in found:
            if _tag(language) in self._known:
                raise BadProviderURL(f"{alias}: languages= names one twice; drop one.")
            self._known[_tag(language)] = language
        for language in found:
            # en-GB is better served by en_US than by what is no English.
            self._known.setdefault(_tag(language).partition("-")[0], language)

    def of(self, sms: Sms) -> str:
        """That of the user, or of the longest tag that the user's begins with (RFC 4647, 3.4)."""
        tag = _tag(sms.locale)
        while tag and tag not in self._known:
            tag = tag.rpartition("-")[0]
        return self._known.get(tag, self._first)


def _tag(locale: str) -> str:
    return locale.replace("_", "-").lower()
