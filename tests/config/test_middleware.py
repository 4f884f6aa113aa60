"""Whom to believe, and what a page may load."""

from __future__ import annotations

import time

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import Client, RequestFactory

from config.middleware import AnswerMiddleware, RequestMiddleware
from otp import caller

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
    RequestMiddleware(lambda _: HttpResponse())(request)
    assert all((name in request.META) is believed for name in FORWARDED)


def test_a_proxy_that_nobody_named_is_told_of_once(settings, monkeypatch, caplog):
    """Behind it all users share one address: 20 codes in ten minutes, and then 429 for everybody."""
    monkeypatch.setattr(caller, "_told", set())
    settings.TRUSTED_PROXIES = ["10.0.0.1"]
    middleware = RequestMiddleware(lambda _: HttpResponse())
    for address, given in [
        ("10.0.0.1", FORWARDED),
        ("", FORWARDED),
        ("10.0.0.2", {}),
        ("10.0.0.2", FORWARDED),
        ("192.168.0.9", FORWARDED),
        ("::1", FORWARDED),
        ("8.8.8.8", FORWARDED),
    ]:
        request = RequestFactory().get("/", REMOTE_ADDR=address)
        request.META |= given
        middleware(request)
    lines = [record.msg for record in caplog.records]
    assert [line["peer"] for line in lines] == ["private", "loopback", "public"]
    assert all("TRUSTED_PROXIES" in line["fix"] and line["level"] == "warning" for line in lines)
    assert not any(
        FORWARDED["HTTP_X_FORWARDED_FOR"] in str(line) or "10.0.0.2" in str(line) for line in lines
    )


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_health_check_may_name_any_host(settings, path):
    settings.ALLOWED_HOSTS = ["otp.shop.test", "localhost"]
    for host in ("10.1.2.3:8000", "[fd00::1]", "evil.example", "", "a b"):
        assert Client().get(path, HTTP_HOST=host).status_code in (200, 503)


@pytest.mark.parametrize("path", ["/", "/v1/docs", "/v1/verifications/x", "/healthz/", "/readyz/x", "/code"])
def test_nothing_else_answers_to_a_host_that_is_not_ours(settings, path):
    settings.ALLOWED_HOSTS = ["otp.shop.test", "localhost"]
    assert Client().get(path, HTTP_HOST="10.1.2.3").status_code == 400


LARGE = {
    "cookies": {"Cookie": "a=" + "x" * 4095},
    "a header": {"X-Any": "x" * 16_384},
    "headers": {f"X-{n}": "x" * 100 for n in range(200)},
    "quadratic cookies": {"Cookie": 'a="' + "\\" * 8000 + '"'},
}


@pytest.mark.parametrize("headers", LARGE.values(), ids=LARGE)
def test_headers_that_are_too_large_are_refused_before_they_are_parsed(headers, monkeypatch):
    """CVE-2024-7592: such a cookie takes an old Python 0.1 s, and one of 64 KB eight seconds."""
    monkeypatch.delattr("django.core.handlers.wsgi.parse_cookie")
    api = Client().get("/v1/verifications/x", headers=headers)
    assert (api.status_code, api.json()["code"]) == (431, "headers_too_large")
    page = Client().get("/code", headers=headers)
    assert (page.status_code, page["Content-Type"]) == (431, "text/html; charset=utf-8")
    assert Client().get("/healthz", headers=headers).status_code == 431
    assert all("x" * 100 not in answer.content.decode() for answer in (api, page))


def test_no_cookie_takes_long_to_read():
    cookie = 'a="' + "\\" * 4000 + '"; b=2'
    Client().get("/code")
    began = time.process_time()
    for _ in range(30):
        assert Client().get("/code", headers={"Cookie": cookie}).status_code == 303
    assert time.process_time() - began < 0.5


def test_headers_of_a_usual_size_are_taken():
    headers = {"Cookie": "a=" + "x" * 4000, "X-Any": "x" * 11_000}
    assert Client().get("/healthz", headers=headers).status_code == 200


def test_a_malformed_network_is_named(settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/99"]
    with pytest.raises(ImproperlyConfigured, match="TRUSTED_PROXIES"):
        RequestMiddleware(lambda _: HttpResponse())


def test_the_api_has_the_headers_of_a_page(settings):
    """Although it does without most of Django's middlewares."""
    settings.SECURE_HSTS_SECONDS = 60
    settings.SECURE_SSL_REDIRECT = True
    page, api = (Client().get(path, secure=True) for path in ("/healthz", "/v1/docs"))
    other = {"Content-Type", "Content-Length", "X-Request-ID"}
    assert (page.headers.keys() | {"ETag", "Cache-Control"}) == api.headers.keys()
    assert {name: page[name] for name in page.headers.keys() - other}.items() <= api.headers.items()
    assert {"Strict-Transport-Security", "X-Frame-Options", "X-Content-Type-Options"} < page.headers.keys()


class Refuse:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return HttpResponse(status=403)


def test_a_middleware_that_somebody_added_guards_the_api_too(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.Refuse"]
    assert Client().get("/v1/docs").status_code == 403


def test_pages_load_from_here_alone(client):
    policy = client.get("/healthz")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-src" not in policy


def test_csp_sources_may_bring_scripts_and_frames_and_be_asked(settings):
    settings.CSP_SOURCES = ["https://captcha.example.com", "https://*.captcha.example.net"]
    answer = AnswerMiddleware(lambda _: HttpResponse())(RequestFactory().get("/"))
    policy = dict(part.split(" ", 1) for part in answer["Content-Security-Policy"].split("; "))
    both = "https://captcha.example.com https://*.captcha.example.net"
    assert policy["frame-src"] == both
    assert policy["script-src"] == policy["connect-src"] == f"'self' {both}"
    assert both not in policy["style-src"] + policy["form-action"] + policy["default-src"]
