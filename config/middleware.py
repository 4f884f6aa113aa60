"""What every request passes: whom to believe, its id, what is refused, and what its page may load."""

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
from otp.checks import mended_python
from otp.twilio import errors as twilio
from sms import problems, resources, traces

log = structlog.get_logger("config")

GetResponse = Callable[[HttpRequest], HttpResponse]

#: Only ids of this form are taken over from a caller: a free text could hold a phone number.
_REQUEST_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_FORWARDED = ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST")

#: Bytes of all headers, and of the cookies among them.
LARGEST_HEADERS, LARGEST_COOKIES = 16 * 1024, 4 * 1024

#: Everything comes from ourselves.
_CSP = (
    "default-src 'none'; script-src 'self'{more}; style-src 'self'; img-src 'self'; "
    "connect-src 'self'{more}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

#: Health checks and Prometheus ask by an address that no setting knows, and are answered whatever the Host.
_PROBES = ("/healthz", "/readyz", "/metrics")

#: What begins so is for programs: none of it is a page.
_OF_PROGRAMS = ("/v1/", "/v2/")

#: What begins so has no span: it comes all the time and says nothing of a message.
_UNTRACED = (*_PROBES, "/static/")


class RequestMiddleware:
    """Before all others: whom to believe, and an id in each log line, with its messages, in ``X-Request-ID``.

    X-Forwarded-* counts from ``TRUSTED_PROXIES`` (addresses or networks) only.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        is_ours = tuple(settings.MIDDLEWARE) == settings.SITE_MIDDLEWARE
        self.answer_program = _for_programs(get_response) if is_ours else get_response
        self.trusted = trusted_proxies()  # a malformed one ends the start, not the first request
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
        # Whoever guesses an id has gained nothing, and the system's random numbers cost a thread its turn.
        request_id = given if _REQUEST_ID.fullmatch(given) else f"{getrandbits(128):032x}"
        with structlog.contextvars.bound_contextvars(request_id=request_id), _traced(request):
            try:
                response = self._answer(request)
            finally:  # config.rsgi may begin it anew, in another thread
                forget_holder()
        response["X-Request-ID"] = request_id
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        of_api = request.path_info.startswith(_OF_PROGRAMS)
        response = self.answer_program(request) if of_api else self.get_response(request)
        found = request.resolver_match
        traces.answered(str(request.method), found.route if found else "", response.status_code)
        if response.status_code >= 400:  # Django would do so later, without the id
            log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request)
        return response


def _traced(request: HttpRequest) -> AbstractContextManager[None]:
    """The span of a request, in the trace of its caller if it names one."""
    if request.path_info.startswith(_UNTRACED):
        return nullcontext()
    return traces.request(str(request.method), request.META.get("HTTP_TRACEPARENT", ""))


def _close_nothing() -> None:
    """Spare each request the search for connections to close: the cache keeps its own, a database is rare."""
    signals.request_finished.disconnect(close_caches)
    if not settings.DATABASES:
        signals.request_started.disconnect(reset_queries)
        for signal in (signals.request_started, signals.request_finished):
            signal.disconnect(close_old_connections)


def _for_programs(chain: GetResponse) -> GetResponse:
    """The chain for the API. Of Django's middlewares it needs the test of the Host, and headers. The rest is
    for pages, such as redirects, static files and CSRF tokens, and costs more than a check.
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

    # django-stubs types what it returns for async views too.
    answer = AnswerMiddleware(convert_exception_to_response(hosted))  # type: ignore[arg-type]
    return lambda request: security.process_response(request, answer(request))


class AnswerMiddleware:
    """Before the views: refuse what is too large, and let no page or error leave otherwise than ours do.

    No page loads or sends anything anywhere else, but for ``CSP_SOURCES``: a captcha's origins. Under
    ``/v1/`` every error is a problem document and under ``/v2/`` one of Twilio's, also those that no view of
    ours made.
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
        """The view's, unless headers are too large, which nothing parses then, or the body came too late.

        Some Pythons take 30 ms for four kilobytes of backslashes in a cookie (CVE-2024-7592). There cookies
        lose them; ours have none.
        """
        meta = request.META
        size = sum([len(name) + len(value) for name, value in meta.items() if name.startswith("HTTP_")])
        cookies = meta.get("HTTP_COOKIE", "")
        if size > LARGEST_HEADERS or len(cookies) > LARGEST_COOKIES:
            return error_pages.unreadable(request, status=431)
        if self.slow and cookies:
            meta["HTTP_COOKIE"] = cookies.replace("\\", "")
        response = self.get_response(request)
        # A view may have made anything of it: a form without fields, JSON that ends too early.
        if getattr(meta.get("wsgi.input"), "late", False):
            return error_pages.unreadable(request, status=408)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Where the system gives this process no more descriptors or memory, another one may answer."""
        reason = resources.ran_out(error)
        if not request.path.startswith(_OF_PROGRAMS) or not reason:
            return None
        log.error("ran_out", reason=reason)
        if request.path.startswith("/v2/"):
            return twilio.written(503, 20503, "This server cannot answer now.", problems.RETRY_AFTER)
        return problems.problem(
            503, "unavailable", "This server cannot answer now.", retry_after=problems.RETRY_AFTER
        )
