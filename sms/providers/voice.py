"""The base class of vendors of phone calls. A call rings, says a code, and reports whether somebody heard it.

By default the call asks for a key first and reads the code only then, so that a voicemail never gets it. The
vendor asks us at ``Sms.answer_url`` what to say. A pressed key counts as "delivered". A call that merely
ended does not, because nobody knows who answered. ``key_press=no`` turns this off.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from sms.errors import AccountFailure
from sms.message import Channel, Receipt, State
from sms.providers.base import Asked, Provider, Sms
from sms.providers.url import BadProviderURL, is_yes
from sms.providers.vendor import VendorProvider

#: Default of ``ring=``, in seconds. The vendors' default of 60 reaches the voicemail. Twilio suggests 15
#: instead, which leaves little time to find the phone.
RING = 25

#: Default of ``longest=``, in seconds. Asking twice, waiting for a key and saying the code twice take up to
#: 50.
LONGEST = 60

#: The word of a receipt for a call that ended without a key, or without proof that a person answered.
UNHEARD = "nobody_heard_it"


class VoiceProvider(VendorProvider):
    channel = Channel.VOICE
    needs_code = True
    revokes = True
    #: The longest time to ring that the vendor accepts, in seconds.
    longest_ring: ClassVar[int]
    #: The vendor's words for calls that failed because of the person called. They do not blame the vendor.
    nobody: ClassVar[frozenset[str]]

    def __init__(
        self,
        alias: str,
        *,
        key_press: str = "",
        machine_detection: str = "",
        ring: int = RING,
        longest: int = LONGEST,
        **common: Any,
    ) -> None:
        super().__init__(alias, **common)
        if key_press not in ("", "yes", "no"):
            raise BadProviderURL(f"{alias}: key_press= takes yes or no.")
        self.asks_for_code = key_press != "no"
        self.detects_machines = is_yes(alias, "machine_detection", machine_detection)
        if self.detects_machines and self.asks_for_code:
            raise BadProviderURL(
                f"{alias}: machine_detection=yes is for calls that do not ask for a key. Leave it out, or "
                "write key_press=no."
            )
        if not self.sender:
            raise BadProviderURL(f"{alias}: from= must be the number that calls. Write its + as %2B.")
        if not 5 <= ring <= self.longest_ring:
            raise BadProviderURL(f"{alias}: ring= takes 5 to {self.longest_ring} seconds.")
        if not 10 <= longest <= 600:
            raise BadProviderURL(f"{alias}: longest= takes 10 to 600 seconds.")
        self._ring, self.longest = ring, longest

    def parse_question(self, headers: Mapping[str, str], body: bytes, url: str) -> Asked:
        Provider.check_head(self, headers, url)
        return self.read_question(self.read_head(headers, url), body, url)

    @abstractmethod
    def read_question(self, head: Any, body: bytes, url: str) -> Asked:
        """Authenticate and read the question. Raises ``ReceiptRejected``."""

    def answer_url(self, sms: Sms) -> str:
        """The URL at which the vendor asks for the code; "" if it need not ask. Raises ``AccountFailure``."""
        if self.asks_for_code and not sms.answer_url:
            raise AccountFailure(
                "a call cannot ask for a key: set PUBLIC_URL to an https:// address, or write key_press=no",
                code="no_answer_url",
            )
        return sms.answer_url if self.asks_for_code else ""

    def ring(self, sms: Sms) -> int:
        """Seconds to ring, at most as long as the code lives."""
        return max(5, min(self._ring, int(sms.expires_in))) if sms.expires_in else self._ring

    def judged(self, receipt: Receipt, *, is_heard: bool) -> Receipt:
        """``receipt``, with the state that fits. ``is_heard``: whether somebody has heard the code."""
        if is_heard:
            return replace(receipt, state=State.DELIVERED)
        error = receipt.error or (UNHEARD if receipt.raw == "completed" else "")
        return replace(receipt, error=error, unreachable=receipt.raw in self.nobody)

    @property
    def end_is_proof(self) -> bool:
        """Whether an answered call counts as delivered when it ends, because there is no better proof."""
        return not self.asks_for_code and not self.detects_machines
