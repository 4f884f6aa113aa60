"""The contract of a provider: what it gets (``Sms``), what it can (attributes), what it does (methods).

Only ``send`` is required. Vendors with an HTTP API start from ``sms.providers.vendor``.
"""

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
    """A message to send."""

    id: str  # our message id, which receipts carry as their reference
    to: str = field(repr=False)  # E.164
    body: str = field(repr=False)
    expires_in: float = 0.0  # seconds; 0 means that it never expires
    callback_url: str = ""  # where receipts go; "" if none are wanted
    sender: str = ""  # a number or sender ID instead of the provider's own
    code: str = field(default="", repr=False)  # the code in the body, "" if there is none
    purpose: str = ""  # of the code
    locale: str = ""  # that the user asked for, such as pt-BR
    key: str = ""  # an idempotency key: the same only when a hand-off is repeated
    email: str = field(default="", repr=False)  # the address for an e-mail provider, "" if there is none
    answer_url: str = field(default="", repr=False)  # where a vendor that ``asks_for_code`` asks


class Reply(NamedTuple):
    """Our answer to a vendor's callback: 200 with this body, or 204 without one."""

    body: str = ""
    content_type: str = "text/plain"


class Codes(NamedTuple):
    """The codes that a provider can carry."""

    form: str  # a regular expression
    words: str  # the same in words, such as "codes of 4 to 8 digits"


@dataclass(frozen=True, slots=True)
class Asked:
    """A vendor asks what to say in a phone call."""

    id: str  # the vendor's id for the call
    has_key: bool  # whether somebody has pressed a key
    phones: frozenset[str] = field(repr=False)  # the numbers of both ends, digits only


class Provider(FromUrl, ABC):
    """A vendor that sends messages.

    Subclasses take the options of their URL as keyword arguments of ``__init__``, and pass the common ones
    on to this one.
    """

    #: The vendor's name, for people.
    name: ClassVar[str]
    #: How its messages reach the user. An instance may differ from its class, depending on its options.
    channel: Channel = Channel.SMS

    # Its features. An instance may differ from its class, depending on its options.

    #: Whether it composes the text itself from a template and the code. It then sends nothing but codes.
    needs_code: bool = False
    #: Whether the vendor asks for the code at ``Sms.answer_url``, once somebody has pressed a key.
    asks_for_code: bool = False
    #: Whether the vendor de-duplicates by ``Sms.key``.
    repeats_safely: bool = False
    #: Whether ``look_up`` reads the state of a message, because the vendor sends no receipts.
    reports_by_poll: bool = False
    #: Whether receipts name a message only by the vendor's id. ``Receipt.reference`` is then empty.
    refers_by_own_id: ClassVar[bool] = False
    #: Whether the URL for receipts is set once in the vendor's console instead of sent with each message.
    set_in_console: ClassVar[bool] = False
    #: Whether inbound messages come to the same URL as receipts.
    one_address: ClassVar[bool] = False
    #: Bytes of the longest callback of the vendor, if that exceeds our usual limit.
    largest_body: ClassVar[int] = 0
    #: Whether answers or receipts say what a message costs.
    tells_prices: ClassVar[bool] = False
    #: Whether ``feed_back`` reports which codes were typed, so that the vendor learns which routes work.
    takes_feedback: bool = False
    #: Whether ``revoke`` can stop a message that has not reached the user yet.
    revokes: bool = False
    #: Which codes it can carry.
    codes: ClassVar[Codes] = Codes("(?s:.*)", "any code")
    #: Whether it hands over messages that users send to our number.
    receives: bool = False

    #: Our answers to callbacks with receipts and with inbound messages.
    receipt_reply: ClassVar[Reply] = Reply()
    inbound_reply: ClassVar[Reply] = Reply()

    #: Whether it can tell genuine receipts from forged ones. That usually takes a secret.
    takes_receipts: bool = False
    #: The option of the URL that holds this secret.
    receipt_option: ClassVar[str] = "receipt_secret"
    #: The number or sender ID of messages that name none. "" if the vendor chooses, or if we do not know.
    sender: str = ""
    #: Whether requests go through ``http_pool``, which knows whether a request has left this machine.
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
        """
        - ``address``: the URL of the API, unless ``base_url`` replaces it, as for a mock or a proxy.
        - ``pool_size``: how many calls may run at once.
        - ``timeout``: seconds.
        - ``ssl_ca_certs``: a file with the CA to trust, if the system does not trust it.

        Raises ``BadProviderURL``.
        """
        base_url = base_url or address
        if not 0 < timeout <= MAX_TIMEOUT:
            raise BadProviderURL(f"{alias}: timeout={timeout:g} must be over 0 and at most {MAX_TIMEOUT:g}.")
        if base_url and not is_address(base_url):
            raise BadProviderURL(
                f"{alias}: the host, or base_url=, must give a URL such as https://api.example:8443, with "
                "https:// or http://, without a user and without a query."
            )
        if ssl_ca_certs and not os.access(ssl_ca_certs, os.R_OK):
            raise BadProviderURL(f"{alias}: ssl_ca_certs= must name a file that can be read.")
        self.alias = alias
        self.ssl_ca_certs = ssl_ca_certs
        self.pool_size = pool_size
        self.timeout = timeout
        self.base_url = base_url.rstrip("/")
        self.host = urlsplit(base_url).hostname or ""  # of its API, "" if it has none

    def http_pool(self) -> Http:
        """Make the one pool of connections that all requests of this provider go through."""
        self.sends_by_pool = True
        return Http(self.pool_size, self.timeout, self.ssl_ca_certs)

    @abstractmethod
    def send(self, sms: Sms) -> str:
        """Hand over one message and return the vendor's id for it. Many threads call it at once.

        If the vendor definitely did not take the message, raises

        - ``TemporaryFailure``: 408, 429, 5xx, no connection;
        - ``AccountFailure``: credentials, funds, a sender that is not allowed;
        - ``Unreachable``: the number does not have this channel;
        - ``PermanentFailure``: the number or the text.

        Raises ``OutcomeUnknown`` if the vendor may have taken it. Any other exception counts as
        ``OutcomeUnknown``, or as ``TemporaryFailure`` if no request has left yet (see
        ``sms.delivery.handover``).
        """

    def check_head(self, headers: Mapping[str, str], url: str) -> None:
        """Refuse a forged callback by its headers and URL alone, before its body is read.

        Raises ``ReceiptRejected``. ``parse_receipts`` still authenticates what passes.
        """
        if not self.takes_receipts:
            raise ReceiptRejected(f"no receipt can be verified: {self.receipt_option}= is not set")

    def parse_receipts(self, headers: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        """Authenticate a vendor's callback and return its receipts.

        ``headers`` have lower-case names. ``url`` is the public one that the vendor called. Raises
        ``ReceiptRejected``.
        """
        raise ReceiptRejected(f"{self.scheme} sends no receipts")

    def panel_address(self, address: str) -> str:
        """The URL to enter in the vendor's console, made from ``address``, the URL of our receipts."""
        return address

    def greet(self, headers: Mapping[str, str], body: bytes, url: str) -> Reply | None:
        """Answer the request by which a vendor verifies that a URL is ours; None for any other request.

        It is authenticated like a receipt. Raises ``ReceiptRejected``.
        """
        return None

    def parse_inbound(self, headers: Mapping[str, str], body: bytes, url: str) -> list[Inbound]:
        """Authenticate a callback and return its inbound messages. Raises ``ReceiptRejected``."""
        raise ReceiptRejected(f"{self.scheme} hands over no inbound messages")

    def parse_question(self, headers: Mapping[str, str], body: bytes, url: str) -> Asked:
        """Authenticate and read a request to ``Sms.answer_url``. Raises ``ReceiptRejected``."""
        raise NotImplementedError

    def read_out(self, code: str, locale: str) -> Reply:
        """The answer to that request: say the code, or end the call if it is ""."""
        raise NotImplementedError

    def look_up(self, reference: str, provider_message_id: str) -> Receipt | None:
        """Ask the vendor for the state of a message. None if nothing is new. Raises ``ProviderError``."""
        raise NotImplementedError

    def feed_back(self, reference: str, provider_message_id: str, *, converted: bool) -> None:
        """Report whether the code of a message was typed before it expired. Raises ``ProviderError``."""
        raise NotImplementedError

    def revoke(self, reference: str, provider_message_id: str) -> None:
        """Stop a message that has not reached the user yet. Raises ``ProviderError``."""
        raise NotImplementedError

    def carries(self, code: str) -> bool:
        """Whether it can carry a code of this form."""
        return re.fullmatch(self.codes.form, code, re.ASCII) is not None


class ListeningProvider(Provider):
    """A provider whose vendor sends receipts and inbound messages over the connection that we send by.

    A worker keeps that connection open even when it has nothing to send. It sets ``on_receipts`` and
    ``on_inbound``, which the provider calls in a thread of its own. Once one of them returns, the vendor is
    told to forget the report. If it raises, the vendor is told to repeat it. A process that sets neither
    only sends.
    """

    refers_by_own_id: ClassVar[bool] = True
    on_receipts: Callable[[list[Receipt]], None] | None = None
    on_inbound: Callable[[list[Inbound]], None] | None = None

    @abstractmethod
    def open(self) -> None:
        """Connect, and stay connected until ``close``. Returns at once, even if the vendor is away. The first
        ``send`` connects if nobody called ``open``.
        """

    @abstractmethod
    def close(self) -> None:
        """Disconnect once nothing is being sent. Takes a few seconds at most."""

    def check_head(self, headers: Mapping[str, str], url: str) -> None:
        raise ReceiptRejected(f"{self.scheme} reports over its own connection, never over HTTP")


class ClearProvider(Provider):
    """A provider that writes numbers and texts in clear where others may read them.

    It is meant for development. ``clear=yes`` says that this is wanted anyway.
    """

    example: ClassVar[str]  # a URL with ``clear=yes``

    def __init__(self, alias: str, *, clear: str = "", **common: Any) -> None:
        super().__init__(alias, **common)
        self.is_wanted = is_yes(alias, "clear", clear)
