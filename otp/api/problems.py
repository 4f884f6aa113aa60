"""Errors of the HTTP API as problem documents: those of ``otp`` and of ninja, beside those of ``sms``."""

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

#: A name that a field could have.
_FIELD = re.compile(r"[A-Za-z][A-Za-z_]{0,31}")

#: What comes before and after the operations themselves, which are ``answered``.
RAISED_BY_NINJA = (AuthenticationError, HttpError, RequestDataTooBig, ValidationError)


class WrongMediaType(Exception):
    """The body is not declared as JSON."""


def fixed(status: int, code: str) -> HttpResponse:
    """A problem that always says what its description does."""
    known = PROBLEMS[status, code]
    return problem(status, code, known.detail, field=known.field, retry_after=known.retry_after)


@answer.register
def _of_otp(error: Denied | NotAllowed | RateLimited | StoreUnavailable) -> HttpResponse:
    if isinstance(error, Denied):
        alarms.note(alarms.DENIED, reason=error.code, name=error.name)
        return problem(403, error.code, error.detail)
    field = error.field if error.field != "id" else ""  # which stands in the address
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
        case HttpError(__cause__=WrongMediaType()):  # ninja makes one of whatever a parser raises
            return fixed(415, "unsupported_media_type")
        case HttpError():
            return fixed(400, "malformed_json")
        case ValidationError():
            return _invalid(error)
    return fixed(413, "body_too_large")


def unreadable(error: pydantic.ValidationError) -> HttpResponse:
    """What a body is answered with that an operation outside of ninja cannot read."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return fixed(400, "malformed_json")
    return _misfit(first["type"], [str(part) for part in first["loc"]], first["msg"])


def _invalid(error: ValidationError) -> HttpResponse:
    """Name the first field that is wrong."""
    first = error.errors[0]
    place = [str(part) for part in first["loc"]]  # where it stands, and behind "body" the parameter
    return _misfit(first["type"], place[1:] if place[0] == "query" else place[2:], first["msg"])


def _misfit(kind: str, place: Sequence[str], what: str) -> HttpResponse:
    """Say what is wrong with a field, without repeating what it held."""
    if kind == "extra_forbidden":
        # In place of a misspelled name a number or a code may stand.
        told = place[-1] if place and _FIELD.fullmatch(place[-1]) else ""
        detail = f"This operation has no field {told or 'of such a name'}."
        return problem(422, "field_unknown", detail, field=told)
    field = ".".join(place)
    code = "field_missing" if kind == "missing" else "field_invalid"
    detail = f"{field}: {what}." if field else "The body must be a JSON object."
    return problem(422, code, detail, field=field)
