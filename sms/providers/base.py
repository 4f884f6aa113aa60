"""What a provider is: the contract, and its options out of a URL."""

from __future__ import annotations

import inspect
import os
import re
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from sms.errors import ReceiptRejected
from sms.message import Channel, Inbound, Receipt
from sms.providers.exchange import is_address
from sms.providers.transport import MAX_TIMEOUT, Http


class BadProviderURL(ValueError):
    """A provider's URL that cannot be used; the text says what to change, and holds no secret."""


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


class FromUrl:
    """What a URL describes by its scheme; see ``options_from_url``.

    An option's annotation (``str``, ``float``, ``int``) says how it is read from the URL's query;
    ``url_names`` maps what stands elsewhere in the URL, or under a Python keyword, to an option.
    """

    scheme: ClassVar[str]
    url_names: ClassVar[Mapping[str, str]] = {}


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


def is_yes(alias: str, option: str, value: str) -> bool:
    """Whether an option that takes yes alone says so; "" is not given. Raises ``BadProviderURL``."""
    if value not in ("", "yes"):
        raise BadProviderURL(f"{alias}: {option}= takes yes alone.")
    return value == "yes"


def read_channel(alias: str, value: str) -> Channel:
    """What an option ``channel=`` says; "" is SMS. Raises ``BadProviderURL``, for e-mail too."""
    known = [channel.value for channel in Channel if channel is not Channel.EMAIL]
    if value and value not in known:
        raise BadProviderURL(f"{alias}: channel= takes one of {', '.join(known)}.")
    return Channel(value or "sms")


def read_url(alias: str, url: str) -> tuple[SplitResult, list[tuple[str, str]]]:
    """The parts of a provider's URL, and the options of its query. Raises ``BadProviderURL``."""
    if "#" in url:
        raise BadProviderURL(f"{alias}: a # ends the URL, and what follows would be lost; write it %23.")
    try:
        parts = urlsplit(url)
        _ = parts.port  # read only now
    except ValueError:
        raise BadProviderURL(f"{alias}: the URL cannot be read; is its host or port malformed?") from None
    options = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in options]
    if twice := sorted({_shown(name) for name in names if names.count(name) > 1}):
        raise BadProviderURL(f"{alias}: {', '.join(twice)} is given twice; give each option once.")
    return parts, options


def _shown(name: str) -> str:
    """Only what looks like an option is repeated: it may be the rest of a secret with an & in it."""
    return f"{name}=" if re.fullmatch(r"[a-z_]{2,20}", name) else "an option"


def options_from_url(cls: type[FromUrl], alias: str, url: str) -> dict[str, Any]:
    """The keyword arguments for ``cls`` that ``url`` holds. Raises ``BadProviderURL``."""
    parts, query = read_url(alias, url)
    host = parts.netloc.rpartition("@")[2]
    found: list[tuple[str, str]] = [
        (name, unquote(value))
        for name, value in (
            ("user", parts.username),
            ("password", parts.password),
            ("host", host),
            ("path", parts.path.removesuffix("/") and parts.path),
        )
        if value
    ]
    found += query
    known = options_of(cls)
    options: dict[str, Any] = {}
    for name, value in found:
        option = cls.url_names.get(name, name)
        if option not in known:
            names = sorted(
                {*known, *cls.url_names} - {"user", "password", "host", "path"} - set(cls.url_names.values())
            )
            looks = _shown(name) == f"{name}="
            problem = (
                f"has no option {name!r}" if looks else "is given an option that it has not; write & as %26"
            )
            raise BadProviderURL(f"{alias}: {cls.scheme} {problem}. It has: {', '.join(names)}.")
        if option in options:
            raise BadProviderURL(f"{alias}: {name} stands in the URL twice; give it once.")
        try:
            options[option] = known[option](value)
        except ValueError:
            raise BadProviderURL(f"{alias}: {name} must be a number.") from None
    for option, parameter in _parameters(cls).items():
        if parameter.default is parameter.empty and option not in options:
            raise BadProviderURL(
                f"{alias}: {cls.scheme} needs {option}. See the README's table of providers."
            )
    return options


def options_of(cls: type[FromUrl]) -> dict[str, type]:
    """The options of its URL, and of what type each is."""
    return {name: parameter.annotation for name, parameter in _parameters(cls).items()}


def _parameters(cls: type[FromUrl]) -> dict[str, inspect.Parameter]:
    """The keyword arguments of its ``__init__`` and of those that this calls; what a class says of one that a
    base has as well counts. Their annotations are types.
    """
    found: dict[str, inspect.Parameter] = {}
    for init in (vars(base)["__init__"] for base in reversed(cls.__mro__[:-1]) if "__init__" in vars(base)):
        hints = typing.get_type_hints(init)
        for name, parameter in inspect.signature(init).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY and name != "pool_size":
                found[name] = parameter.replace(annotation=hints[name])
    return found
