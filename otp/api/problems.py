"""Errors of the HTTP API as problem documents: those of ``otp`` and of ninja, beside those of ``sms``."""

from __future__ import annotations

import re

from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse
from ninja.errors import AuthenticationError, HttpError, ValidationError

from otp import alarms
from otp.admission import refusals
from otp.api.access import Denied
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from sms.bearer import Forbidden
from sms.problems import answer, answered, problem

__all__ = ["RAISED_BY_NINJA", "WrongMediaType", "answer", "answered"]

#: A name that a field could have.
_FIELD = re.compile(r"[A-Za-z][A-Za-z_]{0,31}")


class WrongMediaType(Exception):
    """The body is not declared as JSON."""


@answer.register
def _denied(error: Denied) -> HttpResponse:
    alarms.note(alarms.DENIED, reason=error.code, name=error.name)
    return problem(403, error.code, error.detail)


@answer.register
def _not_allowed(error: NotAllowed) -> HttpResponse:
    if error.field == "id":
        return problem(409, error.code, error.detail)
    status = 403 if error.field == "challenge" else 422
    return problem(status, error.code, error.detail, field=error.field)


@answer.register
def _rate_limited(error: RateLimited) -> HttpResponse:
    response = problem(
        429, error.code, error.detail, retry_after=error.retry_after, more={"limit": error.limit}
    )
    for name, value in refusals.headers(error).items():
        response[name] = value
    return response


@answer.register
def _unavailable(error: StoreUnavailable) -> HttpResponse:
    return problem(503, error.code, error.detail, retry_after=error.retry_after)


@answer.register
def _unauthorised(error: AuthenticationError) -> HttpResponse:
    response = problem(401, "unauthorized", "Send a valid key as Authorization: Bearer KEY.")
    response["WWW-Authenticate"] = "Bearer"
    return response


@answer.register
def _forbidden(error: Forbidden) -> HttpResponse:
    return problem(403, error.code, error.message)


@answer.register
def _unreadable(error: HttpError) -> HttpResponse:
    """Ninja turns whatever a parser raises into an ``HttpError`` 400."""
    if isinstance(error.__cause__, WrongMediaType):
        return problem(415, "unsupported_media_type", "Send the body as Content-Type: application/json.")
    return problem(400, "malformed_json", "The body is not valid JSON.")


@answer.register
def _too_big(error: RequestDataTooBig) -> HttpResponse:
    return problem(413, "body_too_large", "A body may have at most 16 KiB.")


@answer.register
def _invalid(error: ValidationError) -> HttpResponse:
    """Name the first field that is wrong, without repeating what it held."""
    first = error.errors[0]
    if first["type"] == "extra_forbidden":
        return _unknown_field(str(first["loc"][-1]))
    field = ".".join(str(part) for part in first["loc"][2:])
    code = "field_missing" if first["type"] == "missing" else "field_invalid"
    detail = f"{field}: {first['msg']}." if field else "The body must be a JSON object."
    return problem(422, code, detail, field=field)


def _unknown_field(name: str) -> HttpResponse:
    """Tell a misspelled name, and nothing that is none: a number or a code may stand in its place."""
    told = name if _FIELD.fullmatch(name) else ""
    return problem(
        422, "field_unknown", f"This operation has no field {told or 'of such a name'}.", field=told
    )


#: What comes before and after the operations themselves, which are ``answered``.
RAISED_BY_NINJA = (AuthenticationError, HttpError, RequestDataTooBig, ValidationError)
