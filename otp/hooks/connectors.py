"""``POST hooks/logto`` and ``hooks/fusionauth``: where these two have us send an SMS, with an API key.

In both you can set the header ``Authorization``. Any status 2xx means "sent" to them. Sources:
github.com/logto-io/logto, packages/connectors/connector-http-sms; fusionauth.io/docs, Generic Messenger.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from ninja.errors import AuthenticationError

from otp import foreign
from otp.api.access import Access
from otp.api.problems import answered, fixed
from otp.caller import Caller, normalise
from sms.bearer import ApiKey
from sms.message import Channel
from sms.problems import problem

_KEY = ApiKey("messages")

Sender = Callable[[dict[str, Any], Access, str], bool]


def _hook(needed: str) -> Callable[[Sender], Callable[[HttpRequest], HttpResponse]]:
    """Make a view of a function that sends the code in a body, or returns False if ``needed`` is missing."""

    def made(send: Sender) -> Callable[[HttpRequest], HttpResponse]:
        @csrf_exempt
        @login_not_required
        @require_POST
        @answered
        @wraps(send)
        def take(request: HttpRequest) -> HttpResponse:
            holder = _KEY(request)
            if not isinstance(holder, Access):
                raise AuthenticationError
            purpose = request.GET.get("purpose", "login")
            holder.require_purpose(purpose)
            if request.content_type != "application/json":
                return fixed(415, "unsupported_media_type")
            try:
                body = json.loads(request.body)
            except (ValueError, RecursionError):  # the latter if it is nested too deep
                return fixed(400, "malformed_json")
            if not send(body, holder, purpose):
                return problem(422, "field_missing", f"The body must have {needed}.")
            return JsonResponse({})

        return take

    return made


@_hook("to and payload.code")
def logto(body: dict[str, Any], holder: Access, purpose: str) -> bool:
    """Logto's HTTP SMS connector: ``{"to", "type", "payload": {"code", "locale"?}, "ip"?}``."""
    match body:
        case {"to": str(to), "payload": {"code": str(code), **payload}, **more}:
            locale, ip = payload.get("locale"), more.get("ip")
            caller = _caller(holder, ip if holder.client_ip else None)
            locale = locale if isinstance(locale, str) else ""
            foreign.send(to, code, purpose, locale=locale, on_our_site=False, caller=caller)
            return True
    return False


@_hook("phoneNumber, code, and textMessage or, for a call, message")
def fusionauth(body: dict[str, Any], holder: Access, purpose: str) -> bool:
    """FusionAuth's Generic Messenger: ``{"phoneNumber", "code", "textMessage", "type"}``, with its text."""
    match body:
        case {"type": "Voice", "phoneNumber": str(phone), "code": str(code), "message": str(text)}:
            by = [Channel.VOICE]
        case {"phoneNumber": str(phone), "code": str(code), "textMessage": str(text)}:
            by = []
        case _:
            return False
    foreign.send(phone, code, purpose, text=text, by=by, caller=_caller(holder))
    return True


def _caller(holder: Access, ip: object = None) -> Caller:
    try:
        return Caller(holder.name, normalise(ip) if isinstance(ip, str) else "", holder.limits)
    except ValueError:
        return Caller(holder.name, limits=holder.limits)
