"""Decide to which addresses events may go: the public internet, and what an endpoint allows by name.

Each call connects to the very address that was checked. So a name that resolves elsewhere a moment later
gains nothing.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from queue import Empty, SimpleQueue
from typing import Any

#: Seconds to connect to one address or to shake hands there, and for all of it: looking up the name,
#: connecting, and shaking hands.
CONNECT_TIMEOUT, LONGEST_CONNECT = 3.0, 9.0

#: Names for ``allow``, besides http.
KINDS = ("private", "loopback", "link-local")

#: Clouds hand out credentials or control machines at these addresses. Nothing allows them.
_METADATA = {"169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"}

#: RFC 1918, RFC 6598 (shared by customers of a provider), RFC 4193.
_PRIVATE = [
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
]

#: Embeds an IPv4 address (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")

#: All public IPv6 addresses.
_GLOBAL = IPv6Network("2000::/3")


class Refused(OSError):
    """Every address of a name is forbidden."""


def kind(address: str) -> str:
    """The kind of an address: ``public``, one of ``KINDS``, or ``reserved``, which nothing allows."""
    found = _meant(ip_address(address.partition("%")[0]))
    if str(found) in _METADATA or found.is_multicast or found.is_unspecified:
        return "reserved"
    if found.is_loopback:
        return "loopback"
    if found.is_link_local:
        return "link-local"
    if any(found in network for network in _PRIVATE if network.version == found.version):
        return "private"
    return "public" if found.is_global and (found.version == 4 or found in _GLOBAL) else "reserved"


def kind_written(host: str) -> str:
    """The kind of a URL's host, if that is an address or ``localhost``; "" for any other name."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 section 6.3
        return "loopback"
    try:
        return kind(host)
    except ValueError:
        return ""


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address to which an IPv6 address leads, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def left(until: float) -> float:
    """Seconds left for a step until then. Raises ``TimeoutError`` if there are none."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("too late")
    return min(seconds, CONNECT_TIMEOUT)


def connect(host: str, port: int, allow: Collection[str], until: float) -> socket.socket:
    """Connect before ``until`` (monotonic clock). Raises ``Refused``, or another ``OSError`` on failure."""
    last: OSError = Refused("all addresses are refused")
    for family, type, protocol, _, address in _looked_up(host, port, until):
        timeout = left(until)
        if kind(str(address[0])) not in ("public", *allow):
            continue
        connection = socket.socket(family, type, protocol)
        connection.settimeout(timeout)
        with suppress(OSError):  # not every system has it
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            last = error
        else:
            return connection
    raise last


def _looked_up(host: str, port: int, until: float) -> list[Any]:
    """Call ``getaddrinfo`` with a time-out, which it lacks itself.

    It waits long if DNS servers are away. Then its thread is left behind, and ends when it returns.
    """
    answers: SimpleQueue[list[Any] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # raised by the thread that waits
            answers.put(error)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        found = answers.get(timeout=max(0.0, until - time.monotonic()))
    except Empty:
        raise TimeoutError("no answer about a name") from None
    if isinstance(found, Exception):
        raise found
    return found
