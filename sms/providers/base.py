"""What a provider is: the contract."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

from sms.errors import ReceiptRejected
from sms.message import Channel, Inbound, Receipt
from sms.providers.exchange import is_address
from sms.providers.transport import MAX_TIMEOUT, Http
from sms.providers.url import BadProviderURL, FromUrl, is_yes


@dataclass(frozen=True, slots=True)
class Sms:
    """One SMS to hand over."""

    id: str  # our message id, the reference of receipts
    to: str = field(repr=False)  # E.164
    body: str = field(repr=False)
    expires_in: float = 0.0  # seconds after which it is of no use; 0 means that it has no limit
    callback_url: str = ""  # where receipts go; empty: none are wanted
    sender: str = ""  # a number or sender ID instead of the provider's own
    code: str = field(default="", repr=False)  # that the body brings; "": none
    purpose: str = ""  # of the code
    locale: str = ""  # that the user asked for, such as pt-BR
    key: str = ""  # the same when a hand-off is repeated, and never else
    email: str = field(default="", repr=False)  # where it goes by e-mail; "": nowhere
    answer_url: str = field(default="", repr=False)  # where a vendor that ``asks_for_code`` does so


class Reply(NamedTuple):
    """What a vendor wants to hear when it has called us. Without a body it is answered 204."""

    body: str = ""
    content_type: str = "text/plain"


class Codes(NamedTuple):
    """The codes that a provider can carry."""

    form: str  # a pattern
    words: str  # the same for people, such as "codes of 4 to 8 digits"


@dataclass(frozen=True, slots=True)
class Asked:
    """A vendor's question what a call is to say."""

    id: str  # the vendor's for the call
    has_key: bool  # whether somebody has pressed a key
    phones: frozenset[str] = field(repr=False)  # those of the call, in digits


class Provider(FromUrl, ABC):
    """A vendor that sends messages. Subclasses add options as keyword arguments of ``__init__``, and hand
    those that every provider has to this one's.
    """

    #: What people call it.
    name: ClassVar[str]
    #: By what its messages reach a user. An instance may say otherwise than its class, by its options.
    channel: Channel = Channel.SMS

    # What it can. An instance may say otherwise than its class, by its options.

    #: Whether it composes the text itself, out of a template and the code: other messages it cannot send.
    needs_code: bool = False
    #: Whether its vendor asks for the code at ``Sms.answer_url``, once somebody has pressed a key.
    asks_for_code: bool = False
    #: Whether the vendor sends once what it gets twice under the same ``Sms.key``.
    repeats_safely: bool = False
    #: Whether ``look_up`` tells what became of a message, as the vendor calls nobody.
    reports_by_poll: bool = False
    #: Whether its receipts name a message by the vendor's id alone: then ``Receipt.reference`` is empty.
    refers_by_own_id: ClassVar[bool] = False
    #: Whether the address for its receipts is set once in the vendor's console, not told with each message.
    set_in_console: ClassVar[bool] = False
    #: Whether its vendor has one address for both, so that what users send comes to that of its receipts.
    one_address: ClassVar[bool] = False
    #: Bytes of the longest body that its vendor sends, where that is more than other bodies may have.
    largest_body: ClassVar[int] = 0
    #: Whether its answers or receipts say what a message costs.
    tells_prices: ClassVar[bool] = False
    #: Whether ``feed_back`` tells it which codes were typed, from which it learns which routes work.
    takes_feedback: bool = False
    #: Whether ``revoke`` takes a message back that has not reached its user.
    revokes: bool = False
    #: Which codes it can carry.
    codes: ClassVar[Codes] = Codes("(?s:.*)", "any code")
    #: Whether it hands over what users send to the sender.
    receives: bool = False

    #: What it wants to hear for receipts, and for what a user sent.
    receipt_reply: ClassVar[Reply] = Reply()
    inbound_reply: ClassVar[Reply] = Reply()

    #: Whether it can tell a genuine receipt from a forged one, for which it mostly needs a secret.
    takes_receipts: bool = False
    #: The option of the URL that holds this secret.
    receipt_option: ClassVar[str] = "receipt_secret"
    #: The number or sender ID of messages that name none; "" where the vendor chooses, or we do not know.
    sender: str = ""
    #: Whether its requests go through ``http_pool``, which knows if one has left. Of others nobody knows.
    sends_by_pool: bool = False

    def __init__(
        self,
        alias: str,
        address: str = "",
        *,
        pool_size: int = 10,
        timeout: float = 10.0,
        base_url: str = "",
        ssl_ca_certs: str = "",
    ) -> None:
        """``address``: where its API is, unless ``base_url=`` says otherwise. ``ssl_ca_certs``: the CA to
        believe, where it is none that everybody does.
        """
        base_url = base_url or address
        if not 0 < timeout <= MAX_TIMEOUT:
            raise BadProviderURL(f"{alias}: timeout={timeout:g} must be over 0 and at most {MAX_TIMEOUT:g}.")
        if base_url and not is_address(base_url):
            raise BadProviderURL(
                f"{alias}: the host, or base_url=, must make an address such as https://api.example:8443, "
                "with https:// or http://, without a user and without a query."
            )
        if ssl_ca_certs and not os.access(ssl_ca_certs, os.R_OK):
            raise BadProviderURL(f"{alias}: ssl_ca_certs= names no file that can be read.")
        self.alias = alias
        self.ssl_ca_certs = ssl_ca_certs
        self.pool_size = pool_size
        self.timeout = timeout
        self.base_url = base_url.rstrip("/")
        self.host = urlsplit(base_url).hostname or ""  # of its API, "" where there is none

    def http_pool(self) -> Http:
        """What every request of this provider goes through."""
        self.sends_by_pool = True
        return Http(self.pool_size, self.timeout, self.ssl_ca_certs)

    @abstractmethod
    def send(self, sms: Sms) -> str:
        """Hand one SMS over and return the vendor's id for it.

        Where the vendor definitely did not take it, raises ``TemporaryFailure`` (408, 429, 5xx, no
        connection), ``AccountFailure`` (credentials, funds, a sender that is not allowed), ``Unreachable``
        (the number has not this channel) or ``PermanentFailure`` (the number, the text); ``OutcomeUnknown``
        where it may have. What else it raises is read as the last of these, or the first if nothing has left
        yet (see ``sms.delivery.handover``). Called from many threads at once.
        """

    def check_head(self, headers: Mapping[str, str], url: str) -> None:
        """Refuse a callback that its head alone gives away, so that nobody waits for its body. Raises
        ``ReceiptRejected``. ``parse_receipts`` authenticates all the same.
        """
        if not self.takes_receipts:
            raise ReceiptRejected(f"no receipt can be verified: {self.receipt_option}= is not set")

    def parse_receipts(self, headers: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        """Authenticate and read a vendor's callback. ``headers`` have lower-case names; ``url`` is
        the public one that the vendor called. Raises ``ReceiptRejected``.
        """
        raise ReceiptRejected(f"{self.scheme} sends no receipts")

    def panel_address(self, address: str) -> str:
        """``address``, of its receipts, as it is to be set in the vendor's console."""
        return address

    def greet(self, headers: Mapping[str, str], body: bytes, url: str) -> Reply | None:
        """The answer to a call by which the vendor makes sure that the address is ours; None for any other
        call. It is authenticated as a receipt is. Raises ``ReceiptRejected``.
        """
        return None

    def parse_inbound(self, headers: Mapping[str, str], body: bytes, url: str) -> list[Inbound]:
        """Authenticate and read what users sent, as ``parse_receipts`` does. Raises ``ReceiptRejected``."""
        raise ReceiptRejected(f"{self.scheme} hands nothing over that users send")

    def parse_question(self, headers: Mapping[str, str], body: bytes, url: str) -> Asked:
        """Authenticate and read a call to ``Sms.answer_url``, as ``parse_receipts`` does. Raises
        ``ReceiptRejected``.
        """
        raise NotImplementedError

    def read_out(self, code: str, locale: str) -> Reply:
        """The answer to it: the code is said; "": nothing is, and the call ends."""
        raise NotImplementedError

    def look_up(self, reference: str, provider_message_id: str) -> Receipt | None:
        """Ask what became of a message: None while the vendor has nothing new. Raises ``ProviderError``."""
        raise NotImplementedError

    def feed_back(self, reference: str, provider_message_id: str, *, converted: bool) -> None:
        """Tell that the code of a message was typed, or died without. Raises ``ProviderError``."""
        raise NotImplementedError

    def revoke(self, reference: str, provider_message_id: str) -> None:
        """Take a message back that has not reached its user. Raises ``ProviderError``."""
        raise NotImplementedError

    def carries(self, code: str) -> bool:
        """Whether it can carry a code such as this one."""
        return re.fullmatch(self.codes.form, code, re.ASCII) is not None


class ListeningProvider(Provider):
    """One whose vendor reports on the connection by which it is sent to. A worker keeps that open, also while
    it has nothing to send; whoever sets neither of the two below sends and hears nothing.

    ``on_receipts`` and ``on_inbound`` are called in a thread of the provider's. When one has returned, the
    vendor is told that it may forget what it has said; if it raises, that it shall say it again.
    """

    refers_by_own_id: ClassVar[bool] = True
    on_receipts: Callable[[list[Receipt]], None] | None = None
    on_inbound: Callable[[list[Inbound]], None] | None = None

    @abstractmethod
    def open(self) -> None:
        """Connect, and stay connected until ``close``. It returns at once, also where the vendor is away.
        Without it the first ``send`` does so.
        """

    @abstractmethod
    def close(self) -> None:
        """Take leave of the vendor, once nothing is being sent. It takes some seconds at most."""

    def check_head(self, headers: Mapping[str, str], url: str) -> None:
        raise ReceiptRejected(f"{self.scheme} reports on a connection of its own, and never over HTTP")


class ClearProvider(Provider):
    """One that writes numbers and texts in clear where others may read them: for development, or where
    ``clear=yes`` says that this is wanted. ``example``: a URL that says so.
    """

    example: ClassVar[str]

    def __init__(self, alias: str, *, clear: str = "", **common: Any) -> None:
        super().__init__(alias, **common)
        self.is_wanted = is_yes(alias, "clear", clear)
