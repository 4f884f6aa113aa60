"""TLS for every HTTP request that we make: by providers, look-ups and webhooks."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import certifi
from urllib3.util.ssl_ import create_urllib3_context


def trusting(ssl_ca_certs: str = "") -> ssl.SSLContext:
    """A client context for TLS 1.2 and newer that verifies the certificate and its host name.

    ``ssl_ca_certs``: a file with the CAs to trust; "" for the public ones.
    """
    # Read an operator's file each time, since it may be replaced. Read the public CAs once, since that is
    # slow.
    return _reading(ssl_ca_certs) if ssl_ca_certs else _public(certifi.where())


def _reading(ssl_ca_certs: str) -> ssl.SSLContext:
    context = create_urllib3_context()
    context.load_verify_locations(ssl_ca_certs)
    context.set_alpn_protocols(["http/1.1"])
    return context


_public = lru_cache(maxsize=1)(_reading)

# A thread of the parent may have held a lock of the context during the fork.
os.register_at_fork(after_in_child=_public.cache_clear)
