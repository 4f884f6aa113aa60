"""Who asks for a code, and from where: what limits count by."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import structlog
from django.core.exceptions import ImproperlyConfigured

from otp import conf

if TYPE_CHECKING:  # codes alone need no HTTP
    from django.http import HttpRequest

log = structlog.get_logger("otp")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Entries of X-Forwarded-For as some proxies write them: IPv6 in brackets, and a port behind it.
_HOP = re.compile(r"\[([^\]]*)\](?::\d+)?|([\d.]+):\d+")

#: So many proxies stand in a row nowhere, and no longer is an entry: "[" 45 characters "]:65535" in quotes.
_MOST_HOPS = 32
_LONGEST_HOP = 64

#: Behind NAT64 an IPv4 address is the last 32 bits of one of these (RFC 6052, 2.1).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

#: An IPv6 network that holds IPv4 addresses in their IPv6 spelling begins with so many bits.
_MAPPED_BITS = 96


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks for a code. An empty field is not known, and no rule counts by it."""

    name: str = ""  # of the API key; stands in Redis in clear
    ip: str = ""  # the end user's address, as ``normalise`` writes it; never that of a backend
    limits: str = ""  # the key's own rules: see otp.api.access


NOBODY = Caller()


def of_key(name: str) -> Caller:
    """The API key of this name, with the limits of its own."""
    access = conf.get("API_ACCESS").get(name)
    return Caller(name, limits=access.limits if access else "")


def caller_of(request: HttpRequest) -> Caller:
    """The end user behind a request for a page.

    The address is the connection's. Only if that is one of ``TRUSTED_PROXIES``, it is the right-most
    one in X-Forwarded-For that is not: everything left of it is what the user claims. "" where the
    connection has no address (a Unix socket).
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    try:
        address = normalise(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return NOBODY
    trusted = trusted_proxies()
    if forwarded and not is_trusted(address, trusted):
        tell_ignored(address)
    for hop in reversed(forwarded.rsplit(",", _MOST_HOPS)):
        if not is_trusted(address, trusted):
            break
        try:
            address = _hop(hop)
        except ValueError:
            break  # a proxy of ours that did not know: then all whom it did not know count as one
    return Caller(ip=address)


def normalise(address: str) -> str:
    """The one spelling of an IP address; an IPv4 address written as IPv6 becomes IPv4.

    Raises ``ValueError`` for what is no address, or one with a zone (``fe80::1%eth0``).
    """
    return str(_parse(address))


@lru_cache(maxsize=1024)  # a start counts an address by several rules
def subscriber(ip: str) -> str:
    """What counts as one address: of IPv6 the /64, which is what one household or server gets.

    Where IPv4 hides in IPv6 (6to4, Teredo, NAT64) it is the IPv4 address: all of NAT64 would be one
    /64, and whoever has one IPv4 address has 65,536 of them in 6to4. Only for counting, never for
    trust: nobody has proved to own the address that is written there. Raises ``ValueError``.
    """
    address = _parse(ip)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address in _NAT64:
        return str(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    teredo = address.teredo
    hidden = address.sixtofour or (teredo and teredo[1])
    return str(hidden or ipaddress.IPv6Network((address, 64), strict=False))


@lru_cache(maxsize=1024)
def network(ip: str) -> str:
    """Of an IPv6 address the /48, which is the most that one customer is usually given; "" for IPv4."""
    counted = subscriber(ip)
    return str(ipaddress.IPv6Network(counted).supernet(new_prefix=48)) if ":" in counted else ""


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Whether ``address`` lies in one of the networks; what is no address does not."""
    try:
        parsed = _parse(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)


def tell_ignored(peer: str) -> None:
    """Warn that ``X-Forwarded-For`` from ``peer`` is not believed: once per process and kind of address.

    Behind a proxy that nobody named, all users share its address, and soon all get 429 ``ip``.
    """
    try:
        address = _parse(peer)
    except ValueError:
        return  # a Unix socket: no limit counts by address then
    kind = "loopback" if address.is_loopback else "public" if address.is_global else "private"
    if kind not in _told:
        _told.add(kind)
        log.warning(
            "forwarded_for_ignored",
            peer=kind,
            mend="If that is a proxy of yours, name it in TRUSTED_PROXIES: until then all users behind it "
            "count as one address.",
        )


_told: set[str] = set()


def trusted_proxies() -> tuple[Network, ...]:
    """The networks of ``TRUSTED_PROXIES``. Raises ``ImproperlyConfigured``."""
    try:
        return tuple(map(_network, conf.get("TRUSTED_PROXIES")))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"TRUSTED_PROXIES holds what is no address or network: {error}. Write them as "
            "127.0.0.1,10.0.0.0/8."
        ) from None


def _hop(text: str) -> str:
    text = text.strip().strip('"')
    if len(text) > _LONGEST_HOP:
        raise ValueError("no address")
    match = _HOP.fullmatch(text)
    return normalise((match[1] or match[2] or "") if match else text)


@lru_cache(maxsize=1024)  # a request reads its address for each of the things that are counted by it
def _parse(address: str) -> Address:
    if "%" in address:
        raise ValueError("an address with a zone means nothing elsewhere")
    parsed = ipaddress.ip_address(address)
    return getattr(parsed, "ipv4_mapped", None) or parsed


@lru_cache(maxsize=1024)
def _network(text: str) -> Network:
    network = ipaddress.ip_network(text)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= _MAPPED_BITS:
        return ipaddress.IPv4Network((int(mapped), network.prefixlen - _MAPPED_BITS))
    return network
