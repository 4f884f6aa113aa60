"""Connect only to IP addresses that an event may go to: public ones, and kinds that an endpoint allows.

Each connection goes to the very address that was checked. So DNS rebinding does not work.
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

#: Seconds: to connect to one address, or for its TLS handshake; and for all of DNS, connecting and TLS.
CONNECT_TIMEOUT, LONGEST_CONNECT = 3.0, 9.0

#: Values of ``allow``, in addition to http.
KINDS = ("private", "loopback", "link-local")

#: Cloud metadata services, which hand out credentials or control machines. Nothing allows them.
_METADATA = {"169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"}

#: RFC 1918, RFC 6598 (carrier-grade NAT), RFC 4193.
_PRIVATE = [
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
]

#: Embeds an IPv4 address (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")

#: The public part of IPv6.
_GLOBAL = IPv6Network("2000::/3")


class Refused(OSError):
    """No address of the name may be connected to."""


def kind(address: str) -> str:
    """The kind of an IP address: ``public``, one of ``KINDS``, or ``reserved``, which nothing allows."""
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
    """The kind of a URL's host, if it is an IP address or ``localhost``; "" for any other name."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 section 6.3
        return "loopback"
    try:
        return kind(host)
    except ValueError:
        return ""


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address embeds, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def left(until: float) -> float:
    """The timeout of a step that must end by ``until``. Raises ``TimeoutError`` if that has passed."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("too late")
    return min(seconds, CONNECT_TIMEOUT)


def connect(host: str, port: int, allow: Collection[str], until: float) -> socket.socket:
    """An open connection, by ``until`` (monotonic clock). Raises ``Refused``, or another ``OSError`` if
    nobody answers.
    """
    last: OSError = Refused("all addresses are refused")
    for family, type, protocol, _, address in _looked_up(host, port, until):
        timeout = left(until)
        if kind(str(address[0])) not in ("public", *allow):
            continue
        connection = socket.socket(family, type, protocol)
        connection.settimeout(timeout)
        with suppress(OSError):  # not every system has this option
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
    """The result of ``getaddrinfo``, by ``until``.

    It has no timeout, and takes long if the DNS servers are away. So it runs in a thread, which may outlive
    this call.
    """
    answers: SimpleQueue[list[Any] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # raised below, in the waiting thread
            answers.put(error)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        found = answers.get(timeout=max(0.0, until - time.monotonic()))
    except Empty:
        raise TimeoutError("DNS did not answer") from None
    if isinstance(found, Exception):
        raise found
    return found
