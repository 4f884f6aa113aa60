"""What every request passes: whom to believe, its id, and what its page may load."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from otp.caller import is_trusted, tell_ignored, trusted_proxies
from otp.checks import mended_python

GetResponse = Callable[[HttpRequest], HttpResponse]

#: Only ids of this form are taken over from a caller: a free text could hold a phone number.
_REQUEST_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_FORWARDED = ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST")

#: Bytes of all headers, and of the cookies among them.
LARGEST_HEADERS, LARGEST_COOKIES = 16 * 1024, 4 * 1024

#: Everything comes from ourselves; the data: images are the icons in the API docs' stylesheet.
_CSP = (
    "default-src 'none'; script-src 'self'{more}; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'{more}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class ProbeMiddleware:
    """Health checks ask by an address that no setting knows: these two answer whatever the Host."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info in ("/healthz", "/readyz"):
            request.META["HTTP_HOST"] = "localhost"
        return self.get_response(request)


class ProxyMiddleware:
    """Believe X-Forwarded-* only from ``TRUSTED_PROXIES`` (addresses or networks)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.trusted = trusted_proxies()  # a malformed one ends the start, not the first request

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_trusted(request.META.get("REMOTE_ADDR", ""), self.trusted):
            if "HTTP_X_FORWARDED_FOR" in request.META:
                tell_ignored(request.META.get("REMOTE_ADDR", ""))
            for header in _FORWARDED:
                request.META.pop(header, None)
        return self.get_response(request)


class RequestIdMiddleware:
    """Give every request an id: in each log line, with its messages, and in ``X-Request-ID``."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


class IntakeMiddleware:
    """Refuse headers that are too large before anything parses them, and tell of a body that came too late.

    Some Pythons take 30 ms for four kilobytes of backslashes in a cookie (CVE-2024-7592). There cookies lose
    them; ours have none.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.slow = bool(mended_python())

    def __call__(self, request: HttpRequest) -> HttpResponse:
        size = sum(len(name) + len(value) for name, value in request.META.items() if name.startswith("HTTP_"))
        cookies = request.META.get("HTTP_COOKIE", "")
        if size > LARGEST_HEADERS or len(cookies) > LARGEST_COOKIES:
            return render(request, "400.html", status=431)
        if self.slow:
            request.META["HTTP_COOKIE"] = cookies.replace("\\", "")
        response = self.get_response(request)
        # A view may have made anything of it: a form without fields, JSON that ends too early.
        if getattr(request.META.get("wsgi.input"), "late", False):
            return render(request, "400.html", status=408)
        return response


class ContentSecurityPolicyMiddleware:
    """No page loads or sends anything anywhere else, but for ``CSP_SOURCES``: a captcha's origins."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        more = "".join(f" {source}" for source in settings.CSP_SOURCES)
        self.policy = _CSP.format(more=more) + (f"; frame-src{more}" if more else "")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.setdefault("Content-Security-Policy", self.policy)
        return response
