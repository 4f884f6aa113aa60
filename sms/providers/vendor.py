"""How a message goes to a vendor over HTTP, and how the vendor's receipts are read: the same steps for all.

    send             build the request → post it → read the answer → say what it means → take the id out of it
    look_up          the same with build_look_up, and read_look_up at the end
    feed_back        the same with build_feedback
    revoke           the same with build_revoke
    parse_receipts   read the head → read the receipts, their states by a table
    parse_inbound    read the head → read the messages

A vendor's file fills in ``build``, ``read_head`` and ``read_receipts``, its tables, and what else is its own.
Who sends no receipts is a ``HttpSender`` alone; who signs nothing, a ``TokenProvider``.
"""

from __future__ import annotations

import hmac
import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, NamedTuple

from sms.errors import (
    AccountFailure,
    OutcomeUnknown,
    PermanentFailure,
    ProviderError,
    ReceiptRejected,
    TemporaryFailure,
    Unreachable,
)
from sms.message import Inbound, Receipt, State
from sms.providers.base import Provider, Sms
from sms.providers.callbacks import query_of, same
from sms.providers.exchange import Answer
from sms.providers.transport import is_temporary, redirected, retry_after
from sms.providers.url import BadProviderURL
from sms.providers.wire import E164, at, parse, word_of

#: What an answer means: ``refused`` is the number or the text, ``opted_out`` the number that wants nothing of
#: us, ``unreachable`` the number that has not this channel; ``account`` is us, ``country`` us in the country
#: of the message; ``unknown``: it says neither yes nor no.
Outcome = Literal[
    "accepted",
    "temporary",
    "refused",
    "opted_out",
    "unreachable",
    "account",
    "country",
    "redirect",
    "unknown",
]


class Request(NamedTuple):
    url: str
    body: str | bytes
    headers: Mapping[str, str]
    method: str = "POST"


class HttpSender(Provider):
    #: What its own words for what happened mean.
    outcomes: Mapping[str, Outcome] = {}
    #: HTTP statuses that speak of us, where the word says nothing else: the key, the funds, the address.
    account_statuses: ClassVar[frozenset[int]] = frozenset(
        {401, 402, 403, 404, 405, 406, 407, 410, 411, 415, 421, 426}
    )
    #: Where its answer has the message's id; names and, in lists, numbers, divided by dots.
    id_path: str = ""
    #: Where its answer has a word for what happened, the best first, and what such a word looks like. Logs
    #: show it, so it must not be a text of the vendor's, which may repeat the number.
    word_paths: ClassVar[tuple[str, ...]] = ()
    word_form: ClassVar[str] = r"[1-9][0-9]{0,4}"

    def __init__(self, alias: str, address: str = "", **common: Any) -> None:
        super().__init__(alias, address, **common)
        self._http = self.http_pool()

    def send(self, sms: Sms) -> str:
        if not self.carries(sms.code):
            raise Unreachable(f"{self.name} carries other codes", code="code")
        with self._http.one_message():
            return self.id_for(sms, self.ask(self.build(sms)))

    def look_up(self, reference: str, provider_message_id: str) -> Receipt | None:
        receipt = self.read_look_up(reference, self.ask(self.build_look_up(provider_message_id)))
        # Not each repeats the id that it was asked about.
        return receipt and replace(receipt, provider_message_id=provider_message_id)

    def feed_back(self, reference: str, provider_message_id: str, *, converted: bool) -> None:
        if request := self.build_feedback(reference, provider_message_id, converted=converted):
            self.ask(request)

    def revoke(self, reference: str, provider_message_id: str) -> None:
        self.ask(self.build_revoke(provider_message_id))

    def ask(self, request: Request) -> Any:
        """Post it, and return what ``read`` made of the answer. Raises a ``ProviderError`` unless it means
        that the vendor accepted.
        """
        url, body, headers, method = request
        answer = self._http.ask(method, url, body, headers)
        found = self.read(answer.data)
        word = self.word_in(found)
        outcome = self.outcome(answer.status, word, found)
        if outcome != "accepted":
            raise self._failure(outcome, word or str(answer.status), answer)
        return found

    @abstractmethod
    def build(self, sms: Sms) -> Request:
        """The request that hands the message over."""

    def build_look_up(self, provider_message_id: str) -> Request:
        """The request that asks what became of a message."""
        raise NotImplementedError

    def read_look_up(self, reference: str, found: Any) -> Receipt | None:
        """What the answer to it says; None for nothing new."""
        raise NotImplementedError

    def build_feedback(self, reference: str, provider_message_id: str, *, converted: bool) -> Request | None:
        """The request that tells whether the code of a message was typed; None where the vendor hears of good
        news alone.
        """
        raise NotImplementedError

    def build_revoke(self, provider_message_id: str) -> Request:
        """The request that takes a message back."""
        raise NotImplementedError

    def read(self, content: bytes) -> Any:
        """The body of an answer, in a form that the other methods take."""
        return parse(content)

    def word_in(self, found: Any) -> str:
        """The vendor's word for what happened, "" for none."""
        words = (word_of(at(found, path)) for path in self.word_paths)
        return next((word for word in words if re.fullmatch(self.word_form, word, re.ASCII)), "")

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        """What an answer means. A status that says "later" outweighs a word that blames us."""
        if status < 400:
            return "unknown" if status < 200 else "accepted" if status < 300 else "redirect"
        listed = self.outcomes.get(word or str(status))
        if is_temporary(status) and listed not in ("refused", "opted_out", "unreachable"):
            return "temporary"
        return listed or ("account" if status in self.account_statuses else self.unlisted(found))

    def unlisted(self, found: Any) -> Outcome:
        """What a refusal means that no table lists: the number or the text is wrong, unless the answer shows
        that what we send from is.
        """
        return "refused"

    def id_for(self, sms: Sms, found: Any) -> str:
        """The vendor's id for a message that it has accepted."""
        id = at(found, self.id_path)
        if not id or isinstance(id, bool) or not isinstance(id, str | int):
            # Most likely it has the message.
            raise OutcomeUnknown("the answer names no message", code="no_" + self.id_path.rpartition(".")[2])
        return str(id)

    def _failure(self, outcome: Outcome, code: str, answer: Answer) -> ProviderError:
        if outcome == "temporary":
            wait = retry_after(answer.headers)
            return TemporaryFailure(f"{self.name} cannot take it now", code=code, retry_after=wait)
        if outcome in ("account", "country"):
            return AccountFailure(f"{self.name} refuses us", code=code, here=outcome == "country")
        if outcome in ("refused", "opted_out"):
            opted_out = outcome == "opted_out"
            return PermanentFailure(f"{self.name} refuses it", code=code, opted_out=opted_out)
        if outcome == "unreachable":
            return Unreachable(f"{self.name} does not reach the number", code=code)
        if outcome == "redirect":
            return redirected(answer.status)
        return OutcomeUnknown("the answer says neither yes nor no", code=code)


class VendorProvider(HttpSender):
    url_names: ClassVar[Mapping[str, str]] = {"from": "sender"}

    #: What its words in receipts mean.
    states: Mapping[str, State] = {}
    #: Where what a user sent has its id, the user's number, ours, and the text.
    inbound_paths: ClassVar[tuple[str, str, str, str]]

    def __init__(self, alias: str, address: str = "", *, sender: str = "", **common: Any) -> None:
        """``sender``: the number or sender ID of messages that name none."""
        super().__init__(alias, address, **common)
        if sender.startswith(" "):
            raise BadProviderURL(f"{alias}: write the + of from= as %2B.")
        self.sender = sender

    def check_head(self, headers: Mapping[str, str], url: str) -> None:
        super().check_head(headers, url)
        self.read_head(headers, url)

    def parse_receipts(self, headers: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        super().check_head(headers, url)
        return self.read_receipts(self.read_head(headers, url), body, url)

    def parse_inbound(self, headers: Mapping[str, str], body: bytes, url: str) -> list[Inbound]:
        if not self.receives:
            return super().parse_inbound(headers, body, url)
        super().check_head(headers, url)
        return self.read_inbound(self.read_head(headers, url), body, url)

    @abstractmethod
    def read_head(self, headers: Mapping[str, str], url: str) -> Any:
        """What ``read_receipts`` needs of a callback's head. Raises ``ReceiptRejected`` where the head alone
        shows that it is not the vendor's.
        """

    @abstractmethod
    def read_receipts(self, head: Any, body: bytes, url: str) -> list[Receipt]:
        """The receipts of one callback, if they are the vendor's. Raises ``ReceiptRejected``."""

    def read_inbound(self, head: Any, body: bytes, url: str) -> list[Inbound]:
        """The messages of one callback, if they are the vendor's. Raises ``ReceiptRejected``."""
        raise NotImplementedError

    def receipt(
        self, reference: str, word: str, *, id: str = "", error: str = "", opted_out: str = ""
    ) -> Receipt:
        """``word``: the vendor's for the state. ``id``: the vendor's for the message. ``opted_out``: its
        number, with or without the +, where the error says that it wants no messages of this sender. What the
        error means is looked up in ``outcomes``.
        """
        state = self.states.get(word, State.UNKNOWN)
        phone = f"+{opted_out.removeprefix('+')}" if opted_out else ""
        unreachable = self.outcomes.get(error) == "unreachable"
        return Receipt(reference, state, word, id, error, phone, unreachable)

    def inbound(self, message: Any) -> Inbound:
        """What a user sent, by ``inbound_paths``, and with the + that some vendors leave out. Raises
        ``ReceiptRejected`` where it has no id or names no user.
        """
        id, phone, sender, text = (word_of(at(message, path)) for path in self.inbound_paths)
        if not id or not phone:
            raise ReceiptRejected("this is no message of a user: is it the right address?")
        return Inbound(id, f"+{phone}" if phone.isdecimal() else phone, sender, text)


#: A receipt_secret that is shorter could be guessed by those who see the addresses.
MIN_SECRET = 16


class TokenProvider(VendorProvider):
    """Its vendor signs nothing. The address that it calls holds a token, made of ``receipt_secret`` and our
    reference: whoever has that address can send receipts of that one message and of no other, and nothing
    that users sent. An address that is set once in the vendor's console (``panel_address``) has a token of no
    message.
    """

    def __init__(self, alias: str, address: str = "", *, receipt_secret: str = "", **common: Any) -> None:
        super().__init__(alias, address, **common)
        if 0 < len(receipt_secret) < MIN_SECRET:
            raise BadProviderURL(f"{alias}: receipt_secret= needs {MIN_SECRET} random characters or more.")
        self.takes_receipts = bool(receipt_secret)
        self._receipt_secret = receipt_secret.encode()

    def receipt_address(self, sms: Sms) -> str:
        """Where receipts of this message go; "" where none are wanted or could be believed."""
        wanted = sms.callback_url and self.takes_receipts
        return f"{sms.callback_url}&token={self._token(sms.id)}" if wanted else ""

    def panel_address(self, address: str) -> str:
        return f"{address}?token={self._token('')}"

    def read_head(self, headers: Mapping[str, str], url: str) -> Mapping[str, str]:
        """The fields of the address."""
        fields = query_of(url)
        if not same(fields.get("token", ""), self._token(fields.get("reference", ""))):
            raise ReceiptRejected("the token is wrong")
        if self.set_in_console:
            _refuse_reference(fields)
        return fields

    def parse_inbound(self, headers: Mapping[str, str], body: bytes, url: str) -> list[Inbound]:
        _refuse_reference(query_of(url))
        return super().parse_inbound(headers, body, url)

    def _token(self, reference: str) -> str:
        return hmac.digest(self._receipt_secret, f"receipt:{reference}".encode(), "sha256").hex()


def _refuse_reference(fields: Mapping[str, str]) -> None:
    """Only the address of one message's receipts has a reference, and others may know that address."""
    if "reference" in fields:
        raise ReceiptRejected("the token is that of a message")


def one_number(to: str) -> str:
    """``to`` itself, for a vendor that would read several numbers out of one text, or something else. Raises
    ``PermanentFailure``.
    """
    if not E164.fullmatch(to):
        raise PermanentFailure("the number is not written as E.164", code="to")
    return to


def outcome_table(**words: str) -> dict[str, Outcome]:
    """The table of the words that are listed under what they mean, divided by blanks."""
    return {word: meaning for meaning, listed in words.items() for word in listed.split()}  # type: ignore[misc]


def state_table(**words: str) -> dict[str, State]:
    """The same for words of receipts: ``sent``, ``delivered``, ``failed``."""
    return {word: State(name) for name, listed in words.items() for word in listed.split()}
