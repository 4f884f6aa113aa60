"""Who asks for a code, and from which IP address. Limits count by both."""

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

if TYPE_CHECKING:  # making codes needs no HTTP
    from django.http import HttpRequest

log = structlog.get_logger("otp")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Entries of X-Forwarded-For as some proxies write them: IPv6 in brackets, and with a port.
_HOP = re.compile(r"\[([^\]]*)\](?::\d+)?|([\d.]+):\d+")

#: No real chain of proxies is longer. An entry is at most "[" 45 characters "]:65535" in quotes.
_MOST_HOPS = 32
_LONGEST_HOP = 64

#: Behind NAT64 an IPv4 address is the last 32 bits of one of these (RFC 6052, 2.1).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

#: The IPv6 spelling of an IPv4 address begins with this many bits, the same for all of them.
_MAPPED_BITS = 96


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for a code. An empty field means unknown; no rule counts by it."""

    name: str = ""  # of the API key; stored in Redis as plain text
    ip: str = ""  # the end user's IP address, normalised; never that of a backend
    limits: str = ""  # the key's own rules: see otp.api.access


NOBODY = Caller()


def of_key(name: str) -> Caller:
    """The caller with the API key of this name, and its limits."""
    access = conf.get("API_ACCESS").get(name)
    return Caller(name, limits=access.limits if access else "")


def caller_of(request: HttpRequest) -> Caller:
    """The end user behind a request for a page.

    The IP address is that of the connection. If the connection comes from one of ``TRUSTED_PROXIES``, it is
    the right-most address in X-Forwarded-For that is not a trusted proxy. The user could forge everything
    left of it. "" if the connection has no address (a Unix socket).
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
            break  # our proxy did not know the address: all such users count as one
    return Caller(ip=address)


def normalise(address: str) -> str:
    """The canonical form of an IP address. An IPv4 address written as IPv6 becomes IPv4.

    Raises ``ValueError`` if it is not an address, or has a zone (``fe80::1%eth0``).
    """
    return str(_parse(address))


@lru_cache(maxsize=1024)  # a start counts an address by several rules
def subscriber(ip: str) -> str:
    """What counts as one address: for IPv6 the /64, which one household or server gets.

    If IPv6 embeds an IPv4 address (6to4, Teredo, NAT64), the IPv4 address counts. Otherwise all users of
    NAT64 would share one /64, and the owner of one IPv4 address would have 65,536 of them in 6to4. Use this
    only for counting, never for trust: an embedded address is not proved. Raises ``ValueError``.
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
    """The /48 of an IPv6 address, the most that one customer usually gets; "" for IPv4."""
    counted = subscriber(ip)
    return str(ipaddress.IPv6Network(counted).supernet(new_prefix=48)) if ":" in counted else ""


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Whether ``address`` is in one of the networks. False if it is not an address."""
    try:
        parsed = _parse(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)


def tell_ignored(peer: str) -> None:
    """Warn that ``X-Forwarded-For`` from ``peer`` is ignored, once per process and kind of address.

    Behind a proxy that is not in TRUSTED_PROXIES, all users share its address, and soon all get 429 ``ip``.
    """
    try:
        address = _parse(peer)
    except ValueError:
        return  # a Unix socket, for which no limit counts by address
    kind = "loopback" if address.is_loopback else "public" if address.is_global else "private"
    if kind not in _told:
        _told.add(kind)
        log.warning(
            "forwarded_for_ignored",
            peer=kind,
            fix="If that is your proxy, name it in TRUSTED_PROXIES. Until then, all users behind it count "
            "as one address.",
        )


_told: set[str] = set()


def trusted_proxies() -> tuple[Network, ...]:
    """The networks of ``TRUSTED_PROXIES``. Raises ``ImproperlyConfigured``."""
    try:
        return tuple(map(_network, conf.get("TRUSTED_PROXIES")))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"TRUSTED_PROXIES must hold IP addresses and networks: {error}. Write them as "
            "127.0.0.1,10.0.0.0/8."
        ) from None


def _hop(text: str) -> str:
    text = text.strip().strip('"')
    if len(text) > _LONGEST_HOP:
        raise ValueError("no address")
    match = _HOP.fullmatch(text)
    return normalise((match[1] or match[2] or "") if match else text)


@lru_cache(maxsize=1024)  # a request parses its address for each rule
def _parse(address: str) -> Address:
    if "%" in address:
        raise ValueError("an address with a zone is valid only on its own host")
    parsed = ipaddress.ip_address(address)
    return getattr(parsed, "ipv4_mapped", None) or parsed


@lru_cache(maxsize=1024)
def _network(text: str) -> Network:
    network = ipaddress.ip_network(text)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= _MAPPED_BITS:
        return ipaddress.IPv4Network((int(mapped), network.prefixlen - _MAPPED_BITS))
    return network
