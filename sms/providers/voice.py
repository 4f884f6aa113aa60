"""What vendors of calls share: a call rings, says a code, and tells whether somebody has heard it.

With ``key_press`` (unless the URL says no) the call asks for a key first, and reads the code only then: so no
mailbox ever has it. The vendor asks us at ``Sms.answer_url`` what to say, and that a key was pressed is what
says "delivered": of a call that merely ended nobody knows who was there.
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

#: Seconds for which a phone rings unless ``ring=`` says otherwise. Twilio's and Vonage's default of 60
#: reaches a mailbox; 15, which Twilio names instead, leaves little time to find a phone.
RING = 25

#: Seconds after which a call ends unless ``longest=`` says otherwise. To put the question twice, to wait for
#: a key and to say the code twice takes 50 or less.
LONGEST = 60

#: What a receipt says where a call has ended, and nobody had pressed a key or was known to be a person.
UNHEARD = "nobody_heard_it"


class VoiceProvider(VendorProvider):
    channel = Channel.VOICE
    needs_code = True
    revokes = True
    #: The longest time to ring that the vendor takes, in seconds.
    longest_ring: ClassVar[int]
    #: Its words for a call that failed because of whoever was called: they say nothing of the vendor.
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
                f"{alias}: machine_detection=yes is for calls that ask for no key; leave it out, or write "
                "key_press=no."
            )
        if not self.sender:
            raise BadProviderURL(f"{alias}: from= must hold the number that calls; write its + as %2B.")
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
        """The question, if it is the vendor's. Raises ``ReceiptRejected``."""

    def answer_url(self, sms: Sms) -> str:
        """Where the vendor asks for the code; "" where it is not to. Raises ``AccountFailure``."""
        if self.asks_for_code and not sms.answer_url:
            raise AccountFailure(
                "a call cannot ask for a key: set PUBLIC_URL to an https:// address, or write key_press=no",
                code="no_answer_url",
            )
        return sms.answer_url if self.asks_for_code else ""

    def ring(self, sms: Sms) -> int:
        """Seconds to ring: no longer than the code lives."""
        return max(5, min(self._ring, int(sms.expires_in))) if sms.expires_in else self._ring

    def judged(self, receipt: Receipt, *, is_heard: bool) -> Receipt:
        """A receipt, and what it says of who was called. ``is_heard``: that somebody has heard the code."""
        if is_heard:
            return replace(receipt, state=State.DELIVERED)
        error = receipt.error or (UNHEARD if receipt.raw == "completed" else "")
        return replace(receipt, error=error, unreachable=receipt.raw in self.nobody)

    @property
    def end_is_proof(self) -> bool:
        """Whether a call that was answered is delivered when it ends, as nothing better tells of that."""
        return not self.asks_for_code and not self.detects_machines
