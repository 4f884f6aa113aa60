"""Base classes for vendors with an HTTP API. They own the sequence; a vendor's module fills the gaps.

    send             build → ask (post, read, outcome) → id_for
    look_up          build_look_up → ask → read_look_up
    feed_back        build_feedback → ask
    revoke           build_revoke → ask
    parse_receipts   read_head → read_receipts
    parse_inbound    read_head → read_inbound

Choose the base class by how the vendor reports:

    HttpSender       not at all
    VendorProvider   with signed receipts
    TokenProvider    with receipts that it does not sign

Every vendor has a ``build`` and tables of its words. One with receipts adds ``read_head`` and
``read_receipts``. The rest has defaults.
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

#: The meaning of an answer, and whose fault a refusal is.
Outcome = Literal[
    "accepted",
    "temporary",  # not now
    "refused",  # because of the number or the text
    "opted_out",  # the number wants no messages from this sender
    "unreachable",  # the number does not have this channel
    "account",  # because of our account
    "country",  # because of our account, in the country of the number only
    "redirect",
    "unknown",  # neither yes nor no
]


class Request(NamedTuple):
    url: str
    body: str | bytes
    headers: Mapping[str, str]
    method: str = "POST"


class HttpSender(Provider):
    """A vendor with an HTTP API."""

    #: The meaning of the vendor's own error words or codes.
    outcomes: Mapping[str, Outcome] = {}
    #: HTTP statuses that blame our account (key, funds, address), unless the vendor's word says otherwise.
    account_statuses: ClassVar[frozenset[int]] = frozenset(
        {401, 402, 403, 404, 405, 406, 407, 410, 411, 415, 421, 426}
    )
    #: Path of the message's id in an answer: names, and indexes of lists, separated by dots.
    id_path: str = ""
    #: Paths of the vendor's word in an answer, the most precise first.
    word_paths: ClassVar[tuple[str, ...]] = ()
    #: The form of such a word, as a regular expression. Logs show the word, so it must not match free text,
    #: which may repeat the phone number.
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
        # Not every vendor repeats the id that it was asked about.
        return receipt and replace(receipt, provider_message_id=provider_message_id)

    def feed_back(self, reference: str, provider_message_id: str, *, converted: bool) -> None:
        if request := self.build_feedback(reference, provider_message_id, converted=converted):
            self.ask(request)

    def revoke(self, reference: str, provider_message_id: str) -> None:
        self.ask(self.build_revoke(provider_message_id))

    def ask(self, request: Request) -> Any:
        """Post a request and return the answer as ``read`` parsed it. Raises the ``ProviderError`` that fits
        its outcome, unless that is "accepted".
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
        """The request that sends the message."""

    def build_look_up(self, provider_message_id: str) -> Request:
        """The request that asks for the state of a message."""
        raise NotImplementedError

    def read_look_up(self, reference: str, found: Any) -> Receipt | None:
        """The state in the answer; None if there is nothing new."""
        raise NotImplementedError

    def build_feedback(self, reference: str, provider_message_id: str, *, converted: bool) -> Request | None:
        """The request that reports whether the code was typed. None if the vendor only wants to hear of
        those that were.
        """
        raise NotImplementedError

    def build_revoke(self, provider_message_id: str) -> Request:
        """The request that revokes a message."""
        raise NotImplementedError

    def read(self, content: bytes) -> Any:
        """Parse the body of an answer. The result is the ``found`` of the other methods."""
        return parse(content)

    def word_in(self, found: Any) -> str:
        """The vendor's word for what happened, "" if the answer has none."""
        words = (word_of(at(found, path)) for path in self.word_paths)
        return next((word for word in words if re.fullmatch(self.word_form, word, re.ASCII)), "")

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        """The meaning of an answer. A status that says "later" outweighs a word that blames our account."""
        if status < 400:
            return "unknown" if status < 200 else "accepted" if status < 300 else "redirect"
        listed = self.outcomes.get(word or str(status))
        if is_temporary(status) and listed not in ("refused", "opted_out", "unreachable"):
            return "temporary"
        return listed or ("account" if status in self.account_statuses else self.unlisted(found))

    def unlisted(self, found: Any) -> Outcome:
        """The meaning of a refusal that no table lists: by default, the number or the text is wrong. Override
        it if the answer can show that the sender is.
        """
        return "refused"

    def id_for(self, sms: Sms, found: Any) -> str:
        """The vendor's id for a message that it has accepted."""
        id = at(found, self.id_path)
        if not id or isinstance(id, bool) or not isinstance(id, str | int):
            # It did say "accepted", so it most likely has the message.
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
    """A vendor that also sends receipts, and can prove that they are its own."""

    url_names: ClassVar[Mapping[str, str]] = {"from": "sender"}

    #: The meaning of the vendor's words in receipts.
    states: Mapping[str, State] = {}
    #: Paths of an inbound message's id, the user's number, our number, and the text.
    inbound_paths: ClassVar[tuple[str, str, str, str]]

    def __init__(self, alias: str, address: str = "", *, sender: str = "", **common: Any) -> None:
        """``sender``: the number or sender ID of messages that name none themselves."""
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
        """Take from the headers and the URL of a callback what ``read_receipts`` needs, such as a signature.
        Raises ``ReceiptRejected`` if these alone show a forgery, so that nobody reads its body.
        """

    @abstractmethod
    def read_receipts(self, head: Any, body: bytes, url: str) -> list[Receipt]:
        """Authenticate a callback and return its receipts. ``head``: from ``read_head``. Raises
        ``ReceiptRejected``.
        """

    def read_inbound(self, head: Any, body: bytes, url: str) -> list[Inbound]:
        """Authenticate a callback and return its inbound messages. Raises ``ReceiptRejected``."""
        raise NotImplementedError

    def receipt(
        self, reference: str, word: str, *, id: str = "", error: str = "", opted_out: str = ""
    ) -> Receipt:
        """One receipt. ``states`` translates ``word``, and ``outcomes`` translates ``error``.

        ``word``: the vendor's word for the state. ``id``: the vendor's id for the message. ``opted_out``: the
        number, with or without +, if the error says that it wants no messages from this sender.
        """
        state = self.states.get(word, State.UNKNOWN)
        phone = f"+{opted_out.removeprefix('+')}" if opted_out else ""
        unreachable = self.outcomes.get(error) == "unreachable"
        return Receipt(reference, state, word, id, error, phone, unreachable)

    def inbound(self, message: Any) -> Inbound:
        """An inbound message, read by ``inbound_paths``. It adds the + that some vendors leave out. Raises
        ``ReceiptRejected`` if there is no id or no number of a user.
        """
        id, phone, sender, text = (word_of(at(message, path)) for path in self.inbound_paths)
        if not id or not phone:
            raise ReceiptRejected("not a message from a user: is this the right address?")
        return Inbound(id, f"+{phone}" if phone.isdecimal() else phone, sender, text)


#: Characters. Whoever sees the callback URLs could find a shorter receipt_secret by trying.
MIN_SECRET = 16


class TokenProvider(VendorProvider):
    """A vendor that signs nothing. A token in the callback URL takes the place of a signature.

    The token is an HMAC of our reference under ``receipt_secret``. So a leaked URL allows forged receipts for
    that one message only, and no inbound messages. The URL that is set once in the vendor's console
    (``panel_address``) has a token without a reference.
    """

    def __init__(self, alias: str, address: str = "", *, receipt_secret: str = "", **common: Any) -> None:
        super().__init__(alias, address, **common)
        if 0 < len(receipt_secret) < MIN_SECRET:
            raise BadProviderURL(f"{alias}: receipt_secret= needs {MIN_SECRET} random characters or more.")
        self.takes_receipts = bool(receipt_secret)
        self._receipt_secret = receipt_secret.encode()

    def receipt_address(self, sms: Sms) -> str:
        """The callback URL of this message; "" if no receipt is wanted, or none could be verified."""
        wanted = sms.callback_url and self.takes_receipts
        return f"{sms.callback_url}&token={self._token(sms.id)}" if wanted else ""

    def panel_address(self, address: str) -> str:
        return f"{address}?token={self._token('')}"

    def read_head(self, headers: Mapping[str, str], url: str) -> Mapping[str, str]:
        """The query fields of the callback URL, if its token is right."""
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
    """Refuse the URL of a single message's receipts, which may have leaked."""
    if "reference" in fields:
        raise ReceiptRejected("the token belongs to a single message")


def one_number(to: str) -> str:
    """``to``, if it is one E.164 number. For vendors that would accept a list of numbers, or something else,
    in that field. Raises ``PermanentFailure``.
    """
    if not E164.fullmatch(to):
        raise PermanentFailure("the number is not in E.164 form", code="to")
    return to


def outcome_table(**words: str) -> dict[str, Outcome]:
    """A table for ``outcomes``: the vendor's words for each outcome, separated by spaces."""
    return {word: meaning for meaning, listed in words.items() for word in listed.split()}  # type: ignore[misc]


def state_table(**words: str) -> dict[str, State]:
    """A table for ``states``: the vendor's words for ``sent``, ``delivered`` and ``failed``."""
    return {word: State(name) for name, listed in words.items() for word in listed.split()}
