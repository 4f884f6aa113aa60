"""What a look-up is: its options out of a URL, what it asks its vendor, and which answers keep a code back.

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

#: What can be asked of a number. The answer to the first is one of KINDS_TOLD or UNKNOWN, that to the second
#: SWAPPED, NOT_SWAPPED or UNKNOWN.
LINE_TYPE, SIM_SWAP = "line_type", "sim_swap"

SWAPPED, NOT_SWAPPED = "swapped", "not_swapped"

#: The vendor cannot say: another operator's number, or data that its carrier does not give.
UNKNOWN = "unknown"

#: Besides the kinds of SMS_DESTINATIONS; ``voip`` covers it.
NON_FIXED_VOIP = "non_fixed_voip"
KINDS_TOLD = frozenset(KINDS) - {UNKNOWN, "fixed_line_or_mobile"} | {NON_FIXED_VOIP}

#: Seconds that an answer is kept. A line seldom changes; a SIM that is swapped must soon be noticed, but a
#: resend (a code lives 10 minutes at most) shall not be paid for again.
KEPT = {LINE_TYPE: 7 * 86_400, SIM_SWAP: 15 * 60}
UNKNOWN_KEPT = 86_400

#: Hours back that CAMARA may be asked about (sim-swap.yaml 2.1.0: maxAge, 1 to 2400).
MOST_HOURS = 2400

#: Seconds for a request and its answer, beside those to connect. Who waits has long gone on by then, but the
#: answer is paid for, and a resend can use it.
TIMEOUT = 3.0

#: Connections that are kept.
CONNECTIONS = 16

_WORD = re.compile(r"[A-Za-z0-9_.]{1,64}", re.ASCII)


class Failed(Exception):
    """The vendor gave no usable answer. The text is one word for the reason, never the number."""


class Lookup(FromUrl, ABC):
    """A vendor that answers questions about numbers. It takes its options from a URL, like a provider."""

    #: The vendor's name, for people.
    name: ClassVar[str]
    #: Path of the vendor's word for the reason in a refusal.
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
        """``sim_swap``: how long ago a swap keeps a code back, as 72h or 3d. ``countries``: ISO 3166 with |
        between; "" is every one. ``per_day``: answers that may be paid for on one day (UTC).
        """
        base_url = base_url or address
        if not is_address(base_url):
            raise BadProviderURL(
                f"{alias}: the host, or base_url=, must make an address such as https://api.example:8443, "
                "with https:// or http://, without a user and without a query."
            )
        if ssl_ca_certs and not os.access(ssl_ca_certs, os.R_OK):
            raise BadProviderURL(f"{alias}: ssl_ca_certs= names no file that can be read.")
        if not 0 < per_day < 10**9:
            raise BadProviderURL(
                f"{alias}: per_day={per_day} must be over 0. Leave the look-up out for none."
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
        """What is asked, each of which costs."""
        wanted = {LINE_TYPE: self.refused_kinds, SIM_SWAP: self.hours}
        return tuple(question for question, is_wanted in wanted.items() if is_wanted)

    def covers(self, country: str) -> bool:
        """Whether numbers of this country are asked about."""
        return not self.countries or country in self.countries

    def refuses(self, question: str, answer: str) -> bool:
        """Whether this answer keeps a code back."""
        return answer == SWAPPED if question == SIM_SWAP else answer in self.refused_kinds

    def kept_as(self, question: str) -> str:
        """The question with all that its answer depends on, for the name of a key."""
        return f"{question}-{self.hours}" if question == SIM_SWAP else question

    def kept_for(self, question: str, answer: str) -> int:
        """Seconds that the answer may be used again."""
        return UNKNOWN_KEPT if answer == UNKNOWN else KEPT[question]

    @abstractmethod
    def ask(self, e164: str, questions: Collection[str]) -> Mapping[str, str]:
        """The answer to each question. Called from many threads at once. Raises ``Failed``, and what
        ``Http.ask`` does.
        """

    def failure(self, answer: Answer) -> Exception:
        """What an answer means that is none to the question."""
        if 300 <= answer.status < 400:
            return redirected(answer.status)
        word = word_of(at(parse(answer.data), self.word_path))
        if answer.status in (401, 403):
            return AccountFailure(f"{self.name} refuses us", code=word if _WORD.fullmatch(word) else "")
        return Failed(f"{answer.status} {word}" if _WORD.fullmatch(word) else str(answer.status))


def hours_in(alias: str, text: str) -> int:
    """``72h`` or ``3d`` as hours. Raises ``BadProviderURL``."""
    match = re.fullmatch(r"([1-9]\d{0,3})([hd])", text, re.ASCII)
    hours = int(match[1]) * {"h": 1, "d": 24}[match[2]] if match else 0
    if not 0 < hours <= MOST_HOURS:
        raise BadProviderURL(f"{alias}: sim_swap= takes hours or days such as 72h or 3d, at most 100d.")
    return hours


def kinds_in(alias: str, text: str) -> frozenset[str]:
    """``fixed_line|voip`` as kinds. Raises ``BadProviderURL``."""
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
