"""Whom to believe, and what a page may load."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import RequestFactory

from config.middleware import ProxyMiddleware

FORWARDED = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "203.0.113.7"}


@pytest.mark.parametrize(
    ("trusted", "address", "believed"),
    [
        ([], "10.0.0.1", False),
        (["10.0.0.0/8"], "10.0.0.1", True),
        (["10.0.0.1"], "10.0.0.2", False),
        (["::1"], "::1", True),
        (["10.0.0.0/8"], "", False),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", True),  # as a socket for both families shows IPv4
        (["::ffff:10.0.0.1"], "::ffff:10.0.0.1", True),
        (["::ffff:10.0.0.0/104"], "10.0.0.1", True),
        (["10.0.0.0/8"], "::ffff:11.0.0.1", False),
        (["::/0"], "10.0.0.1", False),
    ],
)
def test_forwarded_headers_count_from_trusted_proxies_only(settings, trusted, address, believed):
    settings.TRUSTED_PROXIES = trusted
    request = RequestFactory().get("/")
    request.META |= FORWARDED | {"REMOTE_ADDR": address}
    ProxyMiddleware(lambda _: HttpResponse())(request)
    assert all((name in request.META) is believed for name in FORWARDED)


def test_a_malformed_network_is_named(settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/99"]
    with pytest.raises(ImproperlyConfigured, match="TRUSTED_PROXIES"):
        ProxyMiddleware(lambda _: HttpResponse())


def test_pages_load_from_here_alone(client):
    policy = client.get("/healthz")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
