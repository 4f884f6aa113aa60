"""Log in with an API key, and log out."""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from structlog.contextvars import bind_contextvars

from otp import alarms, codes, conf, store
from otp.admission.limits import Counted
from otp.admission.rules import Rule
from otp.api import keys
from otp.api.auth import HOLDER, access_of
from otp.caller import caller_of, subscriber
from otp.dashboard import session
from otp.dashboard.door import sealed
from otp.errors import StoreUnavailable
from otp.names import LIMIT, key
from sms.errors import Unavailable

log = structlog.get_logger("otp")

#: The limit on wrong keys from one IP address. A right key still gets in: 256 random bits cannot be guessed,
#: and a stranger behind the same proxy must not lock the operator out.
WRONG = Rule("dashboard", most=20, seconds=600)


@sealed("GET", "HEAD", "POST")
def login(request: HttpRequest) -> HttpResponse:
    """Ask for a key, and start a session."""
    if request.method != "POST":
        return _ask(request)
    given = request.POST.get("key", "").strip()
    name = keys.owner(given, conf.get("API_KEYS"))
    if name is None:
        return _refuse(request)
    if "read" not in access_of(name).scopes:
        alarms.note(alarms.DENIED, reason="scope_missing", name=name)
        return _ask(request, "This key lacks the scope read. API_ACCESS grants it.", 403)
    bind_contextvars(**{HOLDER: name})
    log.info("dashboard_login")
    response = HttpResponseRedirect(_next(request), status=303)
    rotate_token(request)
    session.begin(response, name, given)
    return response


@sealed("POST")
def logout(request: HttpRequest) -> HttpResponse:
    """End the session of this browser."""
    response = HttpResponseRedirect(reverse("dashboard:login"), status=303)
    try:
        session.end(request, response)
    except Unavailable as error:  # then it only ends in this browser
        log.warning("unavailable", reason=str(error))
    return response


def _refuse(request: HttpRequest) -> HttpResponse:
    """Count a wrong key."""
    ip = caller_of(request).ip
    alarms.note(alarms.DENIED, ip=ip, reason="unauthorized", name="")
    try:
        wait = _counted(ip)
    except StoreUnavailable:
        return _ask(request, "This key is not in API_KEYS. Besides, Redis does not answer.", 503)
    if wait:
        alarms.note(alarms.LIMIT, ip=ip, limit=WRONG.name, name="")
        return _ask(request, f"Too many wrong keys from this address. Try again in {wait} s.", 429, wait)
    return _ask(request, "This key is not in API_KEYS.", 422)


def _ask(request: HttpRequest, error: str = "", status: int = 200, wait: int = 0) -> HttpResponse:
    context = {"site": conf.get("OTP_SITE_NAME"), "title": "Log in", "error": error, "next": _next(request)}
    response = render(request, "otp/dashboard/login.html", context, status=status)
    if wait:
        response["Retry-After"] = str(wait)
    return response


def _counted(ip: str) -> int:
    """Count a wrong key from this address. Returns the seconds to wait if there were too many."""
    source = codes.digest(conf.phone_secrets()[0], "dashboard", subscriber(ip) if ip else "")
    refused = store.count(Counted((WRONG,), ({"key": key(f"{LIMIT}{WRONG.name}:{source}"), **WRONG.in_lua},)))
    return refused[0] if refused else 0


def _next(request: HttpRequest) -> str:
    """The page that was requested before the login, if it belongs to the dashboard."""
    start = reverse("dashboard:now")
    wanted = (request.POST if request.method == "POST" else request.GET).get("next", "")
    is_ours = wanted.startswith(start) and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if is_ours else start
