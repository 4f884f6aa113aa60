"""Errors over HTTP: ``application/problem+json`` (RFC 9457) with a stable ``code``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, ParamSpec, TypeVar

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field

from sms import explained
from sms.errors import (
    InvalidBody,
    InvalidNumber,
    InvalidReference,
    NoRoute,
    OptedOut,
    Overloaded,
    ReceiptRejected,
    Unavailable,
)

log = structlog.get_logger("sms")

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: Seconds to wait if a process has run out of a resource.
RETRY_AFTER = 2

CONTENT_TYPE = "application/problem+json"


def without_defaults(schema: dict[str, Any]) -> None:
    """Drop the defaults from a schema. Generated clients would have to send each such field."""
    for field in schema["properties"].values():
        field.pop("default", None)


class Body(BaseModel):  # not ninja's Schema, which validates a strict model twice
    """The body of a request. Unknown fields are refused, because a misspelled one would have no effect."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=without_defaults)


#: The caller's own reference. A bad one is refused where it would be stored.
Reference = Annotated[
    str,
    Field(
        examples=["order-1234"],
        description="Your own name for it, by which you can find it: letters, digits and `_ . : / -`. It is "
        "stored and logged in clear, so it must not hold personal data. A value that could be a phone number "
        "(7 to 15 digits alone) or an API key is refused.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_.:/-]{0,64}$"},
    ),
]


class Problem(Schema):
    """An error (RFC 9457). `code` is stable, `detail` is for people and may change."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    type: str = Field(
        description="The page that explains `code`, relative to this address; or `about:blank`.",
        json_schema_extra={"format": "uri-reference"},
    )
    title: str
    status: int
    code: str
    detail: str
    # These four are left out if they do not apply; they are never null.
    field: str = Field("", description="The field of the request to change.")
    retry_after: int = Field(0, description="Seconds to wait; also in the header Retry-After.")
    limit: str = Field("", description="With 429: the limit that was reached.")
    puzzle: dict[str, Any] = Field(
        {},
        description="With `challenge_required`, if the challenge is ALTCHA's: the puzzle that the user's "
        "browser must solve.",
    )


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    field: str = "",
    retry_after: int = 0,
    limit: str = "",
    puzzle: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """A problem document as a response. ``retry_after``: seconds, which also set the header."""
    more = {"field": field, "retry_after": retry_after, "limit": limit, "puzzle": puzzle}
    body = {
        "type": explained.address(code),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **{name: value for name, value in more.items() if value},
    }
    response = JsonResponse(body, status=status, content_type=CONTENT_TYPE)
    response["Cache-Control"] = "no-store"
    if retry_after:
        response["Retry-After"] = str(retry_after)
    return response


@functools.singledispatch
def answer(error: Exception) -> HttpResponse:
    """The problem document for ``error``. Other packages register theirs. Unknown errors are raised again."""
    text = str(error)
    match error:
        case InvalidNumber():
            found = problem(422, error.code, error.detail, field="to")
        case InvalidBody():
            found = problem(422, "body_invalid", text, field="body")
        case InvalidReference():
            found = problem(422, "reference_invalid", text, field="reference")
        case NoRoute():
            found = problem(422, "no_route", text, field="to")
        case OptedOut():
            found = problem(422, "opted_out", text, field="to")
        case Overloaded():
            log.warning("overloaded", seconds=error.retry_after)
            found = problem(503, "overloaded", text, retry_after=error.retry_after)
        case Unavailable():
            log.warning("unavailable", reason=text)
            detail = "The service cannot answer now."
            found = problem(503, "unavailable", detail, retry_after=error.retry_after)
        case ReceiptRejected():
            found = problem(403, "receipt_rejected", "The signature is wrong or the body cannot be read.")
        case _:
            raise error
    return found


def answered(view: Callable[_P, _R]) -> Callable[_P, _R | HttpResponse]:
    """Decorate an operation, so that its errors become problem documents in whichever API mounts it."""

    @functools.wraps(view)
    def wrapped(*args: _P.args, **options: _P.kwargs) -> _R | HttpResponse:
        try:
            return view(*args, **options)
        except Exception as error:
            return answer(error)

    return wrapped


def unkept(run: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Decorate the operations of a router (mode "view"), so that their answers are not cached."""

    @functools.wraps(run)
    def wrapped(request: HttpRequest, **path: Any) -> HttpResponse:
        response = run(request, **path)
        response["Cache-Control"] = "no-store"  # Django's own decorator takes four times as long
        return response

    return wrapped


def responses(*statuses: int) -> dict[int, type[Problem]]:
    """For ``response=`` of an operation: a ``Problem`` for each status."""
    return dict.fromkeys(statuses, Problem)


#: Code and text for errors that Django itself answers, such as a path or a method that does not exist.
BARE = {
    400: ("bad_request", "The request cannot be understood."),
    403: ("forbidden", "This is not allowed."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take this method."),
    408: ("body_late", "The body did not arrive in time."),
    413: ("body_too_large", "The body is too large."),
    431: ("headers_too_large", "The headers or the cookies are too large."),
    500: ("internal", "Something went wrong on our side."),
}


def as_problem(response: HttpResponse) -> HttpResponse:
    """A problem document in place of Django's own error. Problem documents are returned unchanged."""
    if response["Content-Type"].startswith(CONTENT_TYPE):
        return response
    code, detail = BARE.get(response.status_code, BARE[500 if response.status_code >= 500 else 400])
    found = problem(response.status_code, code, detail)
    if response.has_header("Allow"):
        found["Allow"] = response["Allow"]
    return found
