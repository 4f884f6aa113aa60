"""Answer errors of ``otp`` and of ninja with problem documents (RFC 9457).

``sms.problems`` has the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pydantic
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse
from ninja.errors import AuthenticationError, HttpError, ValidationError

from otp import alarms
from otp.admission import refusals
from otp.api.access import Denied
from otp.api.described import PROBLEMS
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from sms.bearer import Forbidden
from sms.problems import answer, answered, problem

__all__ = ["RAISED_BY_NINJA", "WrongMediaType", "answer", "answered", "fixed", "unreadable"]

#: The form of a field's name.
_FIELD = re.compile(r"[A-Za-z][A-Za-z_]{0,31}")

#: Raised outside the operations, where ``answered`` does not reach.
RAISED_BY_NINJA = (AuthenticationError, HttpError, RequestDataTooBig, ValidationError)


class WrongMediaType(Exception):
    """The Content-Type is not JSON."""


def fixed(status: int, code: str) -> HttpResponse:
    """A problem with the text of its description in ``otp.api.described``."""
    known = PROBLEMS[status, code]
    return problem(status, code, known.detail, field=known.field, retry_after=known.retry_after)


@answer.register
def _of_otp(error: Denied | NotAllowed | RateLimited | StoreUnavailable) -> HttpResponse:
    if isinstance(error, Denied):
        alarms.note(alarms.DENIED, reason=error.code, name=error.name)
        return problem(403, error.code, error.detail)
    field = error.field if error.field != "id" else ""  # the id is in the path
    retry_after, limit = error.retry_after, error.limit
    puzzle = error.puzzle if isinstance(error, NotAllowed) else None
    response = problem(
        error.status,
        error.code,
        error.detail,
        field=field,
        retry_after=retry_after,
        limit=limit,
        puzzle=puzzle,
    )
    if isinstance(error, RateLimited):
        refusals.name_limit(response, error)
    return response


@answer.register
def _of_ninja(error: HttpError | RequestDataTooBig | ValidationError) -> HttpResponse:
    match error:
        case AuthenticationError():
            response = fixed(401, "unauthorized")
            response["WWW-Authenticate"] = "Bearer"
            return response
        case Forbidden():
            return problem(403, error.code, error.message)
        case HttpError(__cause__=WrongMediaType()):  # ninja wraps whatever a parser raises
            return fixed(415, "unsupported_media_type")
        case HttpError():
            return fixed(400, "malformed_json")
        case ValidationError():
            return _invalid(error)
    return fixed(413, "body_too_large")


def unreadable(error: pydantic.ValidationError) -> HttpResponse:
    """The answer to a malformed body, for operations outside of ninja."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return fixed(400, "malformed_json")
    return _misfit(first["type"], [str(part) for part in first["loc"]], first["msg"])


def _invalid(error: ValidationError) -> HttpResponse:
    """Name the first field that is wrong."""
    first = error.errors[0]
    place = [str(part) for part in first["loc"]]  # begins with "query", or "body" and a parameter
    return _misfit(first["type"], place[1:] if place[0] == "query" else place[2:], first["msg"])


def _misfit(kind: str, place: Sequence[str], what: str) -> HttpResponse:
    """Say what is wrong with a field, without repeating its value."""
    if kind == "extra_forbidden":
        # An unknown name may itself be a number or a code, so we repeat only what looks like a field.
        told = place[-1] if place and _FIELD.fullmatch(place[-1]) else ""
        detail = f"This operation has no field {told or 'of such a name'}."
        return problem(422, "field_unknown", detail, field=told)
    field = ".".join(place)
    code = "field_missing" if kind == "missing" else "field_invalid"
    detail = f"{field}: {what}." if field else "The body must be a JSON object."
    return problem(422, code, detail, field=field)
