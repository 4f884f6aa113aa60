"""TLS to Redis, Sentinel and RabbitMQ, by one spelling in their URLs: redis-py's.

    ?ssl_ca_certs=/path        the CA to believe, where it is none that everybody does
    ?ssl_certfile=…&ssl_keyfile=…   what we show, where they ask for it
    ?ssl_check_hostname=false  the certificate may be for another host
    ?ssl_cert_reqs=none        any certificate will do: nothing is verified

Without the last two both are verified. kombu's defaults are others: no certificate of a Redis, no host name
of a RabbitMQ.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.core.exceptions import ImproperlyConfigured
from kombu.transport.pyamqp import SSLTransport

_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_WORDS = {
    "ssl_cert_reqs": {"required": True, "none": False},
    "ssl_check_hostname": {"true": True, "false": False},
}


@dataclass(frozen=True)
class Tls:
    """What a URL says of it."""

    verified: bool = True
    host: bool = True
    files: dict[str, str] = field(default_factory=dict)  # by the option's name

    @property
    def of_redis(self) -> dict[str, Any]:
        """As redis-py wants it."""
        return {
            "ssl_cert_reqs": "required" if self.verified else "none",
            "ssl_check_hostname": self.verified and self.host,
            **self.files,
        }

    @property
    def of_amqp(self) -> dict[str, Any]:
        """As py-amqp wants it."""
        found: dict[str, Any] = {
            "cert_reqs": ssl.CERT_REQUIRED if self.verified else ssl.CERT_NONE,
            **{name.removeprefix("ssl_"): path for name, path in self.files.items()},
        }
        return found | ({"server_hostname": ""} if self.verified and self.host else {})


class AmqpsTransport(SSLTransport):
    """kombu's, which compares the certificate with the name of the node that it connects to.

    By itself it compares none, or that of one node with those of all.
    """

    def establish_connection(self) -> Any:
        client: Any = self.client
        if isinstance(client.ssl, dict) and "server_hostname" in client.ssl:
            client.ssl = client.ssl | {"server_hostname": client.hostname}
        return super().establish_connection()


def read(url: str, name: str) -> tuple[str, Tls | None]:
    """``url`` without its options of TLS, and what they say; None where it has no TLS.

    Raises ``ImproperlyConfigured`` with ``name``, without repeating the URL.
    """
    address, _, query = url.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        return url, Tls() if _has_tls(url) else None  # what reads the rest says what is wrong
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ImproperlyConfigured(f"{name} gives an option twice. Give each once.")
    ours = {option: value for option, value in options.items() if option.partition("_")[0] == "ssl"}
    if not _has_tls(url):
        if ours:
            scheme = url.partition("://")[0]
            mend = {"amqp": "amqps", "pyamqp": "amqps", "sentinel": "rediss+sentinel"}
            new = mend.get(scheme, scheme.replace("redis", "rediss", 1))
            raise ImproperlyConfigured(f"{name} has {min(ours)}=, but no TLS: that begins with {new}://.")
        return url, None
    # kombu would take one that it does not know for all that is to be said of TLS, and verify nothing.
    if any(option not in _WORDS and option not in _FILES for option in ours):
        known = ", ".join((*_FILES, *_WORDS))
        raise ImproperlyConfigured(f"{name}: of TLS a URL says {known}, and nothing else.")
    found = Tls(
        verified=_word(name, ours, "ssl_cert_reqs"),
        host=_word(name, ours, "ssl_check_hostname"),
        files={option: _file(name, option, ours[option]) for option in _FILES if option in ours},
    )
    rest = {option: value for option, value in options.items() if option not in ours}
    return f"{address}?{urlencode(rest)}" if rest else address, found


def _has_tls(url: str) -> bool:
    return url.startswith(("rediss", "amqps"))


def _word(name: str, options: dict[str, str], option: str) -> bool:
    words = _WORDS[option]
    value = options.get(option, next(iter(words)))
    if value not in words:
        raise ImproperlyConfigured(
            f"{name}: {option}= is {' or '.join(words)}. Leave it out, and all is verified; a CA of your own "
            "is named by ssl_ca_certs=/path."
        )
    return words[value]


def _file(name: str, option: str, path: str) -> str:
    if not os.access(path, os.R_OK):
        raise ImproperlyConfigured(f"{name}: {option}= names no file that can be read.")
    return path
