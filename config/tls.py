"""Read the TLS options of a Redis, Sentinel or RabbitMQ URL, such as ``?ssl_ca_certs=…``, for every library.

By default everything is verified. An option that cannot work raises ``ImproperlyConfigured``, which names the
setting and the option, and repeats nothing of the URL.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

#: The options have redis-py's names. docs/tls.md explains them.
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_WORDS = {"ssl_cert_reqs": ("required", "none"), "ssl_check_hostname": ("true", "false")}


def read(said: Mapping[str, str], name: str) -> dict[str, Any]:
    """The TLS options of a URL as arguments for redis-py. ``name``: the setting, for errors."""
    # Given an option that it does not know, kombu would ignore the others and verify nothing.
    if not said.keys() <= {*FILES, *_WORDS}:
        known = ", ".join((*FILES, *_WORDS))
        raise ImproperlyConfigured(f"{name}: the TLS options of a URL are {known}, and no others.")
    for option, value in said.items():
        words = _WORDS.get(option)
        if words and value not in words:
            raise ImproperlyConfigured(
                f"{name}: {option}= must be {' or '.join(words)}. Leave it out to verify everything. Name a "
                "CA of your own by ssl_ca_certs=/path."
            )
        if not words and not os.access(value, os.R_OK):
            raise ImproperlyConfigured(f"{name}: {option}= must name a file that can be read.")
    _try_files(said, name)
    verified = said.get("ssl_cert_reqs") != "none"
    return {
        **said,
        "ssl_cert_reqs": "required" if verified else "none",
        "ssl_check_hostname": verified and said.get("ssl_check_hostname") != "false",
    }


def for_amqp(tls: Mapping[str, Any]) -> dict[str, Any]:
    """The same options as arguments for py-amqp."""
    return {
        "cert_reqs": ssl.CERT_REQUIRED if tls["ssl_cert_reqs"] == "required" else ssl.CERT_NONE,
        **{name.removeprefix("ssl_"): tls[name] for name in FILES if name in tls},
        **({"server_hostname": ""} if tls["ssl_check_hostname"] else {}),
    }


def _try_files(said: Mapping[str, str], name: str) -> None:
    """Read the files once. At connection time, a bad file would only look like a server that is away."""
    ca, certificate, key = map(said.get, FILES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        try:
            context.load_verify_locations(ca)
        except ssl.SSLError:
            raise ImproperlyConfigured(f"{name}: ssl_ca_certs= must name a file with a CA in PEM.") from None
    if key and not certificate:
        raise ImproperlyConfigured(f"{name}: ssl_keyfile= needs the certificate, by ssl_certfile=/path.")
    if certificate:
        try:
            # Without a password argument, OpenSSL would ask on the terminal, and wait.
            context.load_cert_chain(certificate, key, password="")
        except (ssl.SSLError, ValueError):
            raise ImproperlyConfigured(
                f"{name}: ssl_certfile= and ssl_keyfile= must name a certificate in PEM and its key. The key "
                "must not have a passphrase."
            ) from None
