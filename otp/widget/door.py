"""Admit requests from pages of the key's origins, in the browser that first opened the session.

Cookies play no part, because browsers send none from a page of another site. The browser identifies itself
by a random ``holder`` that the widget made. So if the first answer gets lost, the browser can ask again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers
from django.utils.crypto import salted_hmac
from django.views.decorators.csrf import csrf_exempt
from pydantic import Field, ValidationError

from otp import conf, sessions
from otp.api import problems
from otp.api.access import Denied
from otp.caller import caller_of
from otp.pages import kept, language
from otp.pages.kept import Kept
from otp.pages.steps import Visitor
from otp.sessions import Session
from otp.widget import shown
from otp.widget.shown import View
from sms.problems import BARE, Body, problem

#: Seconds for which a browser caches the answer to a preflight.
_PREFLIGHT = "600"


class Asked(Body):
    """The fields of every step."""

    holder: str = Field(pattern=r"^[0-9a-f]{32}$", repr=False)
    token: str = Field("", max_length=4096, repr=False)  # of the previous answer


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser that may take a step of a session."""

    session: Session
    visitor: Visitor
    about: Kept | None  # the verification that is shown; None before the start


Step = Callable[[Visit, Any], HttpResponse]


def answered(steps: Mapping[str, tuple[type[Asked], Step]]) -> Callable[..., HttpResponse]:
    """The view of ``steps``. Each has a name, the model of its body, and a function."""

    @csrf_exempt
    @login_not_required
    def view(request: HttpRequest, id: str, step: str) -> HttpResponse:
        if step not in steps:
            return problem(404, "not_found", BARE[404][1])
        response = _of_a_page(request, id, *steps[step])
        patch_vary_headers(response, ["Origin", "Accept-Language"])
        response["Cache-Control"] = "no-store"
        return response

    return view


def _of_a_page(request: HttpRequest, id: str, model: type[Asked], step: Step) -> HttpResponse:
    """Refuse pages of other origins, and let the page read the answer."""
    if request.method not in ("OPTIONS", "POST"):
        response = problem(405, "method_not_allowed", BARE[405][1])
        response["Allow"] = "OPTIONS, POST"
        return response
    origin = request.headers.get("Origin", "")
    found = _judged(id, origin)
    if isinstance(found, HttpResponse):
        return found
    if request.method == "OPTIONS":
        response = HttpResponse(status=204)
        response["Access-Control-Allow-Methods"] = "POST"
        response["Access-Control-Allow-Headers"] = "Content-Type"
        response["Access-Control-Max-Age"] = _PREFLIGHT
    else:
        with language.spoken(request, found.locale):
            response = _take(request, found, model, step)
    response["Access-Control-Allow-Origin"] = origin
    return response


@problems.answered
def _judged(id: str, origin: str) -> Session:
    """The session, if its key may return users to the origin of this page. Raises ``Denied`` otherwise.

    For an expired session the owner is no longer known, so the pages of every key are admitted.
    """
    session, access = sessions.read(id), conf.get("API_ACCESS")
    keys = [access[session.owner]] if session.owner in access else []
    if session.status == "expired":
        keys = access.values()
    if not any(origin in key.returns for key in keys):
        raise Denied(
            "origin_not_allowed",
            "No page of this origin may show this session. Add return:ORIGIN to the entry of its key in "
            "API_ACCESS.",
            session.owner,
        )
    return session


@problems.answered
def _take(request: HttpRequest, session: Session, model: type[Asked], step: Step) -> HttpResponse:
    if request.content_type != "application/json":
        return problems.fixed(415, "unsupported_media_type")
    try:
        asked = model.model_validate_json(request.body)
    except ValidationError as error:
        return problems.unreadable(error)
    browser = salted_hmac("otp.widget", asked.holder, algorithm="sha256").hexdigest()
    opened = sessions.open_in(session.id, browser)
    if opened is None:
        response = problem(409, "opened_elsewhere", "Another browser has opened this session.")
        return _with(response, {"view": shown.elsewhere()})
    if opened.status == "expired":
        return over()
    about = kept.of_token(asked.token, browser) if asked.token else None
    if about and about.session != opened.id:
        about = None
    host = urlsplit(request.headers["Origin"]).hostname or ""
    who = Visitor(browser, caller_of(request), language.asked(request), getattr(asked, "challenge", ""), host)
    return step(Visit(opened, who, about), asked)


def told(visit: Visit, view: View, about: Kept | None = None, error: Exception | None = None) -> HttpResponse:
    """Answer with a view. ``about``: the verification of the next step. ``error``: why this step failed."""
    response: HttpResponse = problems.answer(error) if error else JsonResponse({})
    token = kept.token(visit.visitor.browser, about) if about else ""
    return _with(response, {"view": view, "token": token})


def over() -> HttpResponse:
    """The answer if the session has expired, or never existed."""
    response = problem(410, "session_expired", "This session has expired, or never existed.")
    return _with(response, {"view": shown.over()})


def _with(response: HttpResponse, more: Mapping[str, object]) -> HttpResponse:
    response.content = json.dumps(json.loads(response.content) | more).encode()
    return response
