"""Common to all pages of the dashboard: who may see them, who may act, and with which headers they go out.

    @looks                      for an API key with the scope "read"
    @acts                       a POST, for one with the scope "operate" too

Both pass the ``Access`` of the key to the view; ``looks`` also passes the time of Redis. Every look and every
act is logged with the name of the key.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any
from urllib.parse import urlencode, urlsplit

import structlog
from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, HttpResponseRedirect
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render
from django.template.loader import render_to_string
from django.templatetags.static import static as static_url
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.decorators import decorator_from_middleware
from django.utils.http import quote_etag
from django.utils.safestring import mark_safe
from django.views.decorators.cache import cache_control
from django.views.decorators.clickjacking import xframe_options_deny
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from structlog.contextvars import bind_contextvars

from otp import alarms, conf, etags
from otp.api.access import Access
from otp.api.auth import HOLDER
from otp.caller import caller_of
from otp.dashboard import session
from otp.dashboard.words import Moment
from sms.errors import Unavailable

log = structlog.get_logger("otp")

Look = Callable[[HttpRequest, Access, float], HttpResponse]
Act = Callable[[HttpRequest, Access], HttpResponse]
Entry = Callable[[HttpRequest], HttpResponse]

#: The pages in the order of the menu: the name of the URL and template of each, and its title.
PAGES = {
    "now": "Now",
    "providers": "Providers",
    "guard": "Guard",
    "user": "One user",
    "dead_letters": "Dead letters",
}

#: Seconds between two log lines about a page that stays open and refreshes itself.
QUIET = 600.0

#: The name of the cookie of ``say``, and its salt.
_SAID = "otpost-dashboard-said"

#: The tones of ``say``: CSS classes.
FINE, MIND, WRONG = "note", "note mind", "alert"

_looked: dict[tuple[str, str], float] = {}


def looks(view: Look) -> Entry:
    """A page for keys with the scope ``read``. It takes searches by POST, so that no URL holds them."""
    return sealed("GET", "HEAD", "POST")(_admitted(view, "read"))


def acts(view: Act) -> Entry:
    """An action for keys with the scope ``operate``. It answers with a redirect to a page."""

    @functools.wraps(view)
    def act(request: HttpRequest, access: Access, _: float) -> HttpResponse:
        return view(request, access)

    return sealed("POST")(_admitted(act, "operate"))


class _Csrf(CsrfViewMiddleware):
    """Django's check. A request that fails it gets a page of the dashboard."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        alarms.note(alarms.DENIED, ip=caller_of(request).ip, reason="csrf", name="")
        page = render_to_string("otp/dashboard/denied.html", {"title": "Nothing was done"})
        return HttpResponseForbidden(page)


_csrf_protect: Callable[[Entry], Any] = decorator_from_middleware(_Csrf)


def sealed(*methods: str) -> Callable[[Entry], Entry]:
    """A page that is not cached or framed, takes no forms of other sites, and loads nothing from them."""

    def seal(view: Entry) -> Entry:
        protected: Entry = _csrf_protect(view)

        @csrf_exempt  # the project's check would answer with a page of its own
        @login_not_required  # the dashboard has its own login
        @cache_control(no_store=True, private=True)
        @xframe_options_deny
        @require_http_methods(list(methods))
        @functools.wraps(view)
        def wrapped(request: HttpRequest) -> HttpResponse:
            response = protected(request)
            response["Content-Security-Policy"] = _policy()
            # With "no-referrer", a browser would not even say that a form comes from our page.
            response["Referrer-Policy"] = "same-origin"
            return response

        return wrapped

    return seal


def say(
    response: HttpResponse, text: str, *, until: Moment | None = None, rest: str = "", tone: str = FINE
) -> None:
    """Let the next page show the result of an act, once. A cookie carries it, so that no URL does.

    ``until``: a time to show between ``text`` and ``rest``. ``tone``: FINE, MIND or WRONG.
    """
    told = {"text": text, "until": until and until._asdict(), "rest": rest, "tone": tone}
    response.set_cookie(
        session.cookie_name(_SAID),
        signing.dumps(told, salt=_SAID),
        max_age=60,
        secure=session.is_secure(),
        httponly=True,
        samesite="Strict",
    )


def note_act(act: str, result: str, **what: str) -> None:
    """Log an act. Every log line of the request has the name of the key."""
    log.warning("dashboard_act", act=act, result=result, **what)


def shown(
    request: HttpRequest, access: Access, page: str, context: Mapping[str, object], status: int = 200
) -> HttpResponse:
    """``otp/dashboard/<page>.html`` with the menu; ``page``: one of ``PAGES``."""
    try:
        said = signing.loads(request.COOKIES.get(session.cookie_name(_SAID), ""), salt=_SAID, max_age=60)
    except signing.BadSignature:
        said = None
    common: dict[str, object] = {
        "site": conf.get("OTP_SITE_NAME"),
        "menu": [(name, title, reverse(f"dashboard:{name}")) for name, title in PAGES.items()],
        "page": page,
        "title": PAGES[page],
        "name": access.name,
        "may_operate": "operate" in access.scopes,
        "said": said,
    }
    response = render(request, f"otp/dashboard/{page}.html", common | dict(context), status=status)
    if said:
        response.delete_cookie(session.cookie_name(_SAID), samesite="Strict")
    return response


def live(request: HttpRequest, access: Access, page: str, context: Mapping[str, object]) -> HttpResponse:
    """``shown`` for a page that refreshes itself. The part that changes is ``otp/dashboard/_<page>.html``.

    The script of the page sends the ETag that it has. Mostly nothing has changed, and it gets 304.
    """
    told = {"may_operate": "operate" in access.scopes, **context}
    part = render_to_string(f"otp/dashboard/_{page}.html", told)
    etag = quote_etag(etags.version(f"{access.name}|{part}".encode()))
    response = get_conditional_response(request, etag=etag)
    if response is None:
        live = mark_safe(part)  # noqa: S308  # from a template, which escapes
        response = shown(request, access, page, {**context, "live": live, "etag": etag})
    response["ETag"] = etag
    return response


def _admitted(view: Look, scope: str) -> Entry:
    @functools.wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        try:
            found = session.of(request)
        except Unavailable as error:
            return _away(request, error, acted=scope == "operate")
        if found is None:
            return _to_login(request, acted=scope == "operate")
        (access, now), page = found, view.__name__
        bind_contextvars(**{HOLDER: access.name})
        if scope not in access.scopes:
            alarms.note(alarms.DENIED, reason="scope_missing", name=access.name)
            return render(request, "otp/dashboard/denied.html", {"scope": scope}, status=403)
        if scope == "read":
            _note_look(request, access.name, page)
        try:
            return view(request, access, now)
        except Unavailable as error:
            if scope == "operate":
                note_act(page, "unavailable")
            return _away(request, error, acted=scope == "operate")

    return wrapped


def _away(request: HttpRequest, error: Unavailable, *, acted: bool) -> HttpResponse:
    log.warning("unavailable", reason=str(error))
    again = reverse("dashboard:now") if acted else request.get_full_path()
    away = {"reason": str(error), "again": again, "acted": acted}
    return render(request, "otp/dashboard/away.html", away, status=503)


def _note_look(request: HttpRequest, name: str, page: str) -> None:
    """Log a look. A page that stays open refreshes itself every two seconds; that is one look."""
    now, before = monotonic(), _looked.get((name, page), -math.inf)
    if "HTTP_IF_NONE_MATCH" in request.META and now - before < QUIET:
        return
    _looked[name, page] = now
    log.info("dashboard_look", page=page)


def _policy() -> str:
    """Allow only our own site, and the host of ``STATIC_URL`` for static files."""
    static = urlsplit(static_url("otp/dashboard.css"))
    origin = f" {static.scheme or 'https'}://{static.netloc}" if static.netloc else ""
    return (
        f"default-src 'none'; script-src 'self'{origin}; style-src 'self'{origin}; img-src 'self'{origin}; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _to_login(request: HttpRequest, *, acted: bool) -> HttpResponse:
    """After the login, show the requested page. An act or a search is not carried out then."""
    query = "" if acted else f"?{urlencode({'next': request.get_full_path()})}"
    return HttpResponseRedirect(reverse("dashboard:login") + query, status=303)
