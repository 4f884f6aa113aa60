"""The base of all look-ups: options from a URL, questions for the vendor, and answers that refuse a code.

No Redis and no settings, as with providers.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import ClassVar

import phonenumbers

from sms.errors import AccountFailure
from sms.phone import KINDS
from sms.providers.exchange import Answer, is_address
from sms.providers.transport import Http, redirected
from sms.providers.url import BadProviderURL, FromUrl
from sms.providers.wire import at, parse, word_of

#: The questions. LINE_TYPE is answered by one of KINDS_TOLD or UNKNOWN; SIM_SWAP by SWAPPED, NOT_SWAPPED or
#: UNKNOWN.
LINE_TYPE, SIM_SWAP = "line_type", "sim_swap"

SWAPPED, NOT_SWAPPED = "swapped", "not_swapped"

#: The vendor cannot tell: the number is another operator's, or its carrier does not share the data.
UNKNOWN = "unknown"

#: A kind besides those of SMS_DESTINATIONS; ``voip`` includes it.
NON_FIXED_VOIP = "non_fixed_voip"
KINDS_TOLD = frozenset(KINDS) - {UNKNOWN, "fixed_line_or_mobile"} | {NON_FIXED_VOIP}

#: Seconds to keep an answer. Lines seldom change. A SIM swap must be noticed soon, but a resend should not be
#: paid for again: a code lives 10 minutes at most.
KEPT = {LINE_TYPE: 7 * 86_400, SIM_SWAP: 15 * 60}
UNKNOWN_KEPT = 86_400

#: How far back CAMARA can look, in hours (sim-swap.yaml 2.1.0: maxAge, 1 to 2400).
MOST_HOURS = 2400

#: Seconds for a request and its answer, after connecting. The user has long gone on by then, but the answer
#: is paid for, and a resend can use it.
TIMEOUT = 3.0

#: Connections kept open.
CONNECTIONS = 16

_WORD = re.compile(r"[A-Za-z0-9_.]{1,64}", re.ASCII)


class Failed(Exception):
    """The vendor gave no usable answer. The text is one word for the reason, never the number."""


class Lookup(FromUrl, ABC):
    """One vendor to ask. Options are keyword arguments, as with providers."""

    #: The vendor's name for people.
    name: ClassVar[str]
    #: Where a refusal has the vendor's error word.
    word_path: ClassVar[str]

    def __init__(
        self,
        alias: str,
        address: str = "",
        *,
        sim_swap: str = "",
        countries: str = "",
        per_day: int = 1000,
        base_url: str = "",
        ssl_ca_certs: str = "",
    ) -> None:
        """``sim_swap``: refuse if the SIM was swapped within this time, 72h or 3d. ``countries``: ISO 3166
        with | between; "" for all. ``per_day``: paid answers a day (UTC).
        """
        base_url = base_url or address
        if not is_address(base_url):
            raise BadProviderURL(
                f"{alias}: the host, or base_url=, must give an address such as https://api.example:8443, "
                "with https:// or http://, without a user and without a query."
            )
        if ssl_ca_certs and not os.access(ssl_ca_certs, os.R_OK):
            raise BadProviderURL(f"{alias}: ssl_ca_certs= names no file that can be read.")
        if not 0 < per_day < 10**9:
            raise BadProviderURL(
                f"{alias}: per_day={per_day} must be over 0. Remove the look-up to ask nothing."
            )
        self.alias = alias
        self.base_url = base_url.rstrip("/")
        self.hours = hours_in(alias, sim_swap) if sim_swap else 0
        self.countries = _countries(alias, countries)
        self.per_day = per_day
        self.refused_kinds: Collection[str] = frozenset()
        self._http = Http(CONNECTIONS, TIMEOUT, ssl_ca_certs)

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions to ask. Each costs money."""
        wanted = {LINE_TYPE: self.refused_kinds, SIM_SWAP: self.hours}
        return tuple(question for question, is_wanted in wanted.items() if is_wanted)

    def covers(self, country: str) -> bool:
        """Whether to ask about numbers of this country."""
        return not self.countries or country in self.countries

    def refuses(self, question: str, answer: str) -> bool:
        """Whether this answer refuses a code."""
        return answer == SWAPPED if question == SIM_SWAP else answer in self.refused_kinds

    def kept_as(self, question: str) -> str:
        """The question with all options that its answer depends on, as part of a key."""
        return f"{question}-{self.hours}" if question == SIM_SWAP else question

    def kept_for(self, question: str, answer: str) -> int:
        """Seconds for which the answer may be used again."""
        return UNKNOWN_KEPT if answer == UNKNOWN else KEPT[question]

    @abstractmethod
    def ask(self, e164: str, questions: Collection[str]) -> Mapping[str, str]:
        """Answer each question. Called from many threads. Raises ``Failed``, and what ``Http.ask`` raises."""

    def failure(self, answer: Answer) -> Exception:
        """The error for an HTTP response that does not answer the question."""
        if 300 <= answer.status < 400:
            return redirected(answer.status)
        word = word_of(at(parse(answer.data), self.word_path))
        if answer.status in (401, 403):
            return AccountFailure(f"{self.name} refuses us", code=word if _WORD.fullmatch(word) else "")
        return Failed(f"{answer.status} {word}" if _WORD.fullmatch(word) else str(answer.status))


def hours_in(alias: str, text: str) -> int:
    """Parse ``72h`` or ``3d`` as hours. Raises ``BadProviderURL``."""
    match = re.fullmatch(r"([1-9]\d{0,3})([hd])", text, re.ASCII)
    hours = int(match[1]) * {"h": 1, "d": 24}[match[2]] if match else 0
    if not 0 < hours <= MOST_HOURS:
        raise BadProviderURL(f"{alias}: sim_swap= takes hours or days such as 72h or 3d, at most 100d.")
    return hours


def kinds_in(alias: str, text: str) -> frozenset[str]:
    """Parse ``fixed_line|voip`` as kinds. Raises ``BadProviderURL``."""
    kinds = frozenset(text.split("|")) if text else frozenset()
    if not kinds <= KINDS_TOLD:
        raise BadProviderURL(
            f"{alias}: refuse= takes kinds of lines with | between: {', '.join(sorted(KINDS_TOLD))}."
        )
    return kinds | {NON_FIXED_VOIP} if "voip" in kinds else kinds


def _countries(alias: str, text: str) -> frozenset[str]:
    countries = frozenset(text.split("|")) if text else frozenset()
    if not countries <= phonenumbers.SUPPORTED_REGIONS:
        raise BadProviderURL(f"{alias}: countries= takes codes of ISO 3166 with | between, such as DE|AT.")
    return countries
