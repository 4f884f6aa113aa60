"""What a provider is: the contract, and its options out of a URL."""

from __future__ import annotations

import inspect
import os
import re
import typing
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from sms.errors import ReceiptRejected
from sms.message import Receipt
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


class Provider(ABC):
    """A vendor that sends SMS. Subclasses add options as keyword arguments of ``__init__``, and hand those
    that every provider has to this one's.

    An option's annotation (``str``, ``float``, ``int``) says how it is read from the URL's query;
    ``url_names`` maps what stands elsewhere in the URL, or under a Python keyword, to an option.
    """

    scheme: ClassVar[str]
    url_names: ClassVar[Mapping[str, str]] = {}
    #: Whether it can tell a genuine receipt from a forged one, for which it mostly needs a secret.
    takes_receipts: bool = False
    #: The option of the URL that holds this secret.
    receipt_option: ClassVar[str] = "receipt_secret"
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

    def http_pool(self) -> Http:
        """What every request of this provider goes through."""
        self.sends_by_pool = True
        return Http(self.pool_size, self.timeout, self.ssl_ca_certs)

    @abstractmethod
    def send(self, sms: Sms) -> str:
        """Hand one SMS over and return the vendor's id for it.

        Where the vendor definitely did not take it, raises ``TemporaryFailure`` (408, 429, 5xx, no
        connection), ``AccountFailure`` (credentials, funds, a sender that is not allowed) or
        ``PermanentFailure`` (the number, the text); ``OutcomeUnknown`` where it may have. What else it
        raises is read as the last of these, or the first if nothing has left yet (see
        ``sms.delivery.handover``). Called from many threads at once.
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


class ClearProvider(Provider):
    """One that writes numbers and texts in clear where others may read them: for development, or where
    ``clear=yes`` says that this is wanted. ``example``: a URL that says so.
    """

    example: ClassVar[str]

    def __init__(self, alias: str, *, clear: str = "", **common: Any) -> None:
        super().__init__(alias, **common)
        if clear not in ("", "yes"):
            raise BadProviderURL(f"{alias}: clear= takes yes alone.")
        self.is_wanted = clear == "yes"


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


def options_from_url(cls: type[Provider], alias: str, url: str) -> dict[str, Any]:
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
    known = _options(cls)
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
    for option, parameter in inspect.signature(cls).parameters.items():
        if option in known and parameter.default is parameter.empty and option not in options:
            raise BadProviderURL(
                f"{alias}: {cls.scheme} needs {option}. See the README's table of providers."
            )
    return options


def _options(cls: type[Provider]) -> dict[str, type]:
    found: dict[str, type] = {}
    for init in (vars(base)["__init__"] for base in reversed(cls.__mro__[:-1]) if "__init__" in vars(base)):
        hints = typing.get_type_hints(init)
        for name, parameter in inspect.signature(init).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY and name != "pool_size":
                found[name] = hints[name]
    return found
