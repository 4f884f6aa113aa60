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
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from kombu.transport.pyamqp import SSLTransport

from config.addresses import Address

_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_WORDS = {"ssl_cert_reqs": ("required", "none"), "ssl_check_hostname": ("true", "false")}


class AmqpsTransport(SSLTransport):
    """kombu's, which compares the certificate with the name of the node that it connects to.

    By itself it compares none, or that of one node with those of all.
    """

    def establish_connection(self) -> Any:
        client: Any = self.client
        if isinstance(client.ssl, dict) and "server_hostname" in client.ssl:
            client.ssl = client.ssl | {"server_hostname": client.hostname}
        return super().establish_connection()


def of_redis(address: Address) -> dict[str, Any]:
    """What ``address`` says of it, as redis-py wants it; nothing where it has no TLS.

    Raises ``ImproperlyConfigured``, without repeating the URL.
    """
    name, scheme, said = address.name, address.scheme, address.tls
    if not scheme.startswith(("rediss", "amqps")):
        if said:
            mend = {"amqp": "amqps", "pyamqp": "amqps", "sentinel": "rediss+sentinel"}
            new = mend.get(scheme, scheme.replace("redis", "rediss", 1))
            raise ImproperlyConfigured(f"{name} has {min(said)}=, but no TLS: that begins with {new}://.")
        return {}
    # kombu would take one that it does not know for all that is to be said of TLS, and verify nothing.
    if not said.keys() <= {*_FILES, *_WORDS}:
        known = ", ".join((*_FILES, *_WORDS))
        raise ImproperlyConfigured(f"{name}: of TLS a URL says {known}, and nothing else.")
    for option, value in said.items():
        if option in _FILES and not os.access(value, os.R_OK):
            raise ImproperlyConfigured(f"{name}: {option}= names no file that can be read.")
        if option in _WORDS and value not in _WORDS[option]:
            raise ImproperlyConfigured(
                f"{name}: {option}= is {' or '.join(_WORDS[option])}. Leave it out, and all is verified; a "
                "CA of your own is named by ssl_ca_certs=/path."
            )
    verified = said.get("ssl_cert_reqs") != "none"
    return {
        **said,
        "ssl_cert_reqs": "required" if verified else "none",
        "ssl_check_hostname": verified and said.get("ssl_check_hostname") != "false",
    }


def of_rabbitmq(options: Mapping[str, Any]) -> dict[str, Any]:
    """The same as py-amqp wants it."""
    return {
        "cert_reqs": ssl.CERT_REQUIRED if options["ssl_cert_reqs"] == "required" else ssl.CERT_NONE,
        **{name.removeprefix("ssl_"): options[name] for name in _FILES if name in options},
        **({"server_hostname": ""} if options["ssl_check_hostname"] else {}),
    }
