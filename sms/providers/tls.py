"""TLS for every call that we make over HTTP: of providers, look-ups and webhooks."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import certifi
from urllib3.util.ssl_ import create_urllib3_context


def trusting(ssl_ca_certs: str = "") -> ssl.SSLContext:
    """TLS from 1.2 with a server that shows, by a CA in this file, that it has the name we call it by.

    Without a file the public CAs are believed.
    """
    # An operator's own CA may be replaced while we run; reading all the public ones takes long.
    return _reading(ssl_ca_certs) if ssl_ca_certs else _public(certifi.where())


def _reading(ssl_ca_certs: str) -> ssl.SSLContext:
    context = create_urllib3_context()
    context.load_verify_locations(ssl_ca_certs)
    context.set_alpn_protocols(["http/1.1"])
    return context


_public = lru_cache(maxsize=1)(_reading)

# A thread of the parent may have held a lock of the context.
os.register_at_fork(after_in_child=_public.cache_clear)
