"""What a URL of Redis, Sentinel or RabbitMQ says of TLS, as ``?ssl_ca_certs=…``, read once for every library.

What is not said is verified. What cannot work raises ``ImproperlyConfigured``, which names setting and option
and repeats nothing of the URL.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

#: The words, redis-py's: docs/operations.md explains them.
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_WORDS = {"ssl_cert_reqs": ("required", "none"), "ssl_check_hostname": ("true", "false")}


def read(said: Mapping[str, str], name: str) -> dict[str, Any]:
    """What the URL of the setting ``name`` has said of TLS, as redis-py wants it."""
    # kombu would take one that it does not know for all that is to be said of TLS, and verify nothing.
    if not said.keys() <= {*FILES, *_WORDS}:
        known = ", ".join((*FILES, *_WORDS))
        raise ImproperlyConfigured(f"{name}: of TLS a URL says {known}, and nothing else.")
    for option, value in said.items():
        words = _WORDS.get(option)
        if words and value not in words:
            raise ImproperlyConfigured(
                f"{name}: {option}= is {' or '.join(words)}. Leave it out, and all is verified; a CA of "
                "your own is named by ssl_ca_certs=/path."
            )
        if not words and not os.access(value, os.R_OK):
            raise ImproperlyConfigured(f"{name}: {option}= names no file that can be read.")
    _try_files(said, name)
    verified = said.get("ssl_cert_reqs") != "none"
    return {
        **said,
        "ssl_cert_reqs": "required" if verified else "none",
        "ssl_check_hostname": verified and said.get("ssl_check_hostname") != "false",
    }


def for_amqp(tls: Mapping[str, Any]) -> dict[str, Any]:
    """The same as py-amqp wants it."""
    return {
        "cert_reqs": ssl.CERT_REQUIRED if tls["ssl_cert_reqs"] == "required" else ssl.CERT_NONE,
        **{name.removeprefix("ssl_"): tls[name] for name in FILES if name in tls},
        **({"server_hostname": ""} if tls["ssl_check_hostname"] else {}),
    }


def _try_files(said: Mapping[str, str], name: str) -> None:
    """Read them as each connection will: there a wrong one would only look like a server that is away."""
    ca, certificate, key = map(said.get, FILES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        try:
            context.load_verify_locations(ca)
        except ssl.SSLError:
            raise ImproperlyConfigured(f"{name}: ssl_ca_certs= names no file with a CA in PEM.") from None
    if key and not certificate:
        raise ImproperlyConfigured(f"{name}: ssl_keyfile= needs the certificate, by ssl_certfile=/path.")
    if certificate:
        try:
            # Without a password OpenSSL would ask a terminal for it, and wait.
            context.load_cert_chain(certificate, key, password="")
        except (ssl.SSLError, ValueError):
            raise ImproperlyConfigured(
                f"{name}: ssl_certfile= and ssl_keyfile= name no certificate in PEM with the key that "
                "belongs to it. A key with a passphrase cannot be used."
            ) from None
