"""How a message goes to a vendor over HTTP, and how the vendor's receipts are read: the same steps for all.

    send             build the request → post it → read the answer → say what it means → take the id out of it
    parse_receipts   read the head → read the receipts, their states by a table

A vendor's file fills in ``build``, ``read_head`` and ``read_receipts``, its tables, and what else is its own.
Who sends no receipts is a ``HttpSender`` alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

from sms.errors import AccountFailure, OutcomeUnknown, PermanentFailure, ProviderError, TemporaryFailure
from sms.message import Receipt, State
from sms.providers.base import BadProviderURL, Provider, Sms
from sms.providers.exchange import Answer
from sms.providers.transport import is_temporary, redirected, retry_after
from sms.providers.wire import at, parse

#: What an answer means: ``refused`` is the number or the text, ``account`` is us, ``country`` us in the
#: message's country; ``unknown``: it says neither yes nor no.
Outcome = Literal["accepted", "temporary", "refused", "account", "country", "redirect", "unknown"]


class Request(NamedTuple):
    url: str
    body: str | bytes
    headers: Mapping[str, str]
    method: str = "POST"


class HttpSender(Provider):
    #: What our errors call it.
    name: ClassVar[str]
    #: What its own words for what happened mean.
    outcomes: Mapping[str, Outcome] = {}
    #: HTTP statuses that speak of us, where the word says nothing else.
    account_statuses: ClassVar[frozenset[int]] = frozenset({401, 402, 403})
    #: Where its answer has the message's id; names and, in lists, numbers, divided by dots.
    id_path: str = ""

    def __init__(self, alias: str, address: str = "", **common: Any) -> None:
        super().__init__(alias, address, **common)
        self._http = self.http_pool()

    def send(self, sms: Sms) -> str:
        url, body, headers, method = self.build(sms)
        answer = self._http.ask(method, url, body, headers)
        found = self.read(answer.data)
        word = self.word_in(found)
        outcome = self.outcome(answer.status, word, found)
        if outcome != "accepted":
            raise self._failure(outcome, word or str(answer.status), answer)
        return self.id_for(sms, found)

    @abstractmethod
    def build(self, sms: Sms) -> Request:
        """The request that hands the message over."""

    def read(self, content: bytes) -> Any:
        """The body of an answer, in a form that the other methods take."""
        return parse(content)

    def word_in(self, found: Any) -> str:
        """The vendor's word for what happened, "" for none. Logs show it, so it must not be a text of the
        vendor's, which may repeat the number.
        """
        return ""

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        """What an answer means. A status that says "later" outweighs a word that blames us."""
        if status < 400:
            return "unknown" if status < 200 else "accepted" if status < 300 else "redirect"
        listed = self.outcomes.get(word or str(status))
        if is_temporary(status) and listed != "refused":
            return "temporary"
        return listed or ("account" if status in self.account_statuses else "refused")

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
        if outcome == "refused":
            return PermanentFailure(f"{self.name} refuses it", code=code)
        if outcome == "redirect":
            return redirected(answer.status)
        return OutcomeUnknown("the answer says neither yes nor no", code=code)


class VendorProvider(HttpSender):
    url_names: ClassVar[Mapping[str, str]] = {"from": "sender"}

    #: What its words in receipts mean.
    states: Mapping[str, State] = {}

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

    @abstractmethod
    def read_head(self, headers: Mapping[str, str], url: str) -> Any:
        """What ``read_receipts`` needs of a callback's head. Raises ``ReceiptRejected`` where the head alone
        shows that it is not the vendor's.
        """

    @abstractmethod
    def read_receipts(self, head: Any, body: bytes, url: str) -> list[Receipt]:
        """The receipts of one callback, if they are the vendor's. Raises ``ReceiptRejected``."""

    def receipt(self, reference: str, word: str, *, id: str = "", error: str = "") -> Receipt:
        """``word``: the vendor's for the state. ``id``: the vendor's for the message."""
        state = self.states.get(word, State.UNKNOWN)
        return Receipt(reference=reference, state=state, raw=word, provider_message_id=id, error=error)


def outcome_table(**words: str) -> dict[str, Outcome]:
    """The table of the words that are listed under what they mean, divided by blanks."""
    return {word: meaning for meaning, listed in words.items() for word in listed.split()}  # type: ignore[misc]


def state_table(**words: str) -> dict[str, State]:
    """The same for words of receipts: ``sent``, ``delivered``, ``failed``."""
    return {word: State(name) for name, listed in words.items() for word in listed.split()}
