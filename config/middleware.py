"""Middleware of every request: trusted proxies, request ids, size limits, and security headers."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from random import getrandbits

import structlog
from django.conf import settings
from django.core import signals
from django.core.cache import close_caches
from django.core.handlers.exception import convert_exception_to_response
from django.db import close_old_connections, reset_queries
from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware
from django.utils.log import log_response

from config import error_pages
from otp.api.auth import forget_holder
from otp.caller import is_trusted, tell_ignored, trusted_proxies
from otp.checks.python import mended_python
from otp.twilio import errors as twilio
from sms import problems, resources, traces

log = structlog.get_logger("config")

GetResponse = Callable[[HttpRequest], HttpResponse]

#: The form of a request id that callers may set. Free text could hold a phone number.
_REQUEST_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_FORWARDED = ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST")

#: Bytes of all headers, and of the cookies among them.
LARGEST_HEADERS, LARGEST_COOKIES = 16 * 1024, 4 * 1024

#: Pages load everything from this server, and from CSP_SOURCES ({more}).
_CSP = (
    "default-src 'none'; script-src 'self'{more}; style-src 'self'; img-src 'self'; "
    "connect-src 'self'{more}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

#: Answered whatever the Host: health checks and Prometheus may use an IP address that no setting names.
_PROBES = ("/healthz", "/readyz", "/metrics")

#: Prefixes of the APIs, which have no pages.
_OF_PROGRAMS = ("/v1/", "/v2/")

#: Prefixes without spans: frequent requests that have nothing to do with a message.
_UNTRACED = (*_PROBES, "/static/")


class RequestMiddleware:
    """The first middleware. It drops untrusted X-Forwarded-* headers and sets the id of the request.

    X-Forwarded-* only counts from ``TRUSTED_PROXIES`` (IP addresses or networks). The id is in each log line,
    in messages, and in the header ``X-Request-ID``.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        is_ours = tuple(settings.MIDDLEWARE) == settings.SITE_MIDDLEWARE
        self.answer_program = _for_programs(get_response) if is_ours else get_response
        self.trusted = trusted_proxies()  # here, so that a malformed one fails the start, not a request
        _close_nothing()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        if request.path_info in _PROBES:
            meta["HTTP_HOST"] = "localhost"
        if not is_trusted(meta.get("REMOTE_ADDR", ""), self.trusted):
            if "HTTP_X_FORWARDED_FOR" in meta:
                tell_ignored(meta.get("REMOTE_ADDR", ""))
            for header in _FORWARDED:
                meta.pop(header, None)
        given = meta.get("HTTP_X_REQUEST_ID", "")
        # The id is no secret. To get the system's random numbers, the thread would have to let others run.
        request_id = given if _REQUEST_ID.fullmatch(given) else f"{getrandbits(128):032x}"
        with structlog.contextvars.bound_contextvars(request_id=request_id), _traced(request):
            try:
                response = self._answer(request)
            finally:  # config.rsgi may start the request again, in another thread
                forget_holder()
        response["X-Request-ID"] = request_id
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        of_api = request.path_info.startswith(_OF_PROGRAMS)
        response = self.answer_program(request) if of_api else self.get_response(request)
        found = request.resolver_match
        traces.answered(str(request.method), found.route if found else "", response.status_code)
        if response.status_code >= 400:  # log here: Django would later, without the id
            log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request)
        return response


def _traced(request: HttpRequest) -> AbstractContextManager[None]:
    """A span for the request, in the trace that its caller names, if any."""
    if request.path_info.startswith(_UNTRACED):
        return nullcontext()
    return traces.request(str(request.method), request.META.get("HTTP_TRACEPARENT", ""))


def _close_nothing() -> None:
    """Keep Django from looking for connections to close after each request: there are usually none."""
    signals.request_finished.disconnect(close_caches)
    if not settings.DATABASES:
        signals.request_started.disconnect(reset_queries)
        for signal in (signals.request_started, signals.request_finished):
            signal.disconnect(close_old_connections)


def _for_programs(chain: GetResponse) -> GetResponse:
    """The middleware chain of the API. It checks the Host and sets headers.

    The rest of Django's middleware is for pages, such as redirects, static files and CSRF tokens. It would
    cost more than checking a code.
    """
    view = chain
    while inner := getattr(view, "get_response", None):
        view = inner
    security = SecurityMiddleware(view)

    def hosted(request: HttpRequest) -> HttpResponse:
        request.get_host()
        response = view(request)
        response["X-Frame-Options"] = settings.X_FRAME_OPTIONS
        response["Content-Length"] = str(len(response.content))
        return response

    # The stubs of this function also cover async views.
    answer = AnswerMiddleware(convert_exception_to_response(hosted))  # type: ignore[arg-type]
    return lambda request: security.process_response(request, answer(request))


class AnswerMiddleware:
    """Around the views: refuse headers that are too large, and give every response our headers and format.

    Pages only load from this server and from ``CSP_SOURCES``, the origins of a captcha. Under ``/v1/`` every
    error is a problem document, and under ``/v2/`` an error of Twilio's, even if no view of ours made it.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        more = "".join(f" {source}" for source in settings.CSP_SOURCES)
        self.policy = _CSP.format(more=more) + (f"; frame-src{more}" if more else "")
        self.slow = bool(mended_python())

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._answer(request)
        if response.status_code >= 400 and request.path.startswith("/v1/"):
            response = problems.as_problem(response)
        elif response.status_code >= 400 and request.path.startswith("/v2/"):
            response = twilio.as_twilio(response)
        response.setdefault("Content-Security-Policy", self.policy)
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        """The view's answer, unless the headers are too large (they are then not parsed), or the body is
        late.

        Some versions of Python take 30 ms to read four kilobytes of backslashes in a cookie (CVE-2024-7592).
        For those we remove backslashes from cookies; ours have none.
        """
        meta = request.META
        size = sum([len(name) + len(value) for name, value in meta.items() if name.startswith("HTTP_")])
        cookies = meta.get("HTTP_COOKIE", "")
        if size > LARGEST_HEADERS or len(cookies) > LARGEST_COOKIES:
            return error_pages.unreadable(request, status=431)
        if self.slow and cookies:
            meta["HTTP_COOKIE"] = cookies.replace("\\", "")
        response = self.get_response(request)
        # The view may have mistaken a late body for a form without fields, or for malformed JSON.
        if getattr(meta.get("wsgi.input"), "late", False):
            return error_pages.unreadable(request, status=408)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer 503 if this process is out of descriptors or memory, since another one may be able to
        answer.
        """
        reason = resources.ran_out(error)
        if not request.path.startswith(_OF_PROGRAMS) or not reason:
            return None
        log.error("ran_out", reason=reason)
        if request.path.startswith("/v2/"):
            return twilio.written(503, 20503, "This server cannot answer now.", problems.RETRY_AFTER)
        return problems.problem(
            503, "unavailable", "This server cannot answer now.", retry_after=problems.RETRY_AFTER
        )
