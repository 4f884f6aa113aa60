"""What goes wrong with a verification, as an answer over HTTP."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.http import HttpResponse

from otp import alarms
from otp.admission import refusals
from otp.api.access import Denied
from otp.errors import NotAllowed, OtpError, RateLimited, StoreUnavailable
from sms.problems import problem


def answered(view: Callable[..., Any]) -> Callable[..., Any]:
    """For an operation: what it raises is a problem document, whatever API it is mounted in."""

    @functools.wraps(view)
    def wrapped(*args: Any, **options: Any) -> Any:
        try:
            return view(*args, **options)
        except (OtpError, Denied) as error:
            return answer(error)

    return wrapped


def answer(error: OtpError | Denied) -> HttpResponse:
    """The problem document for ``error``."""
    match error:
        case Denied():
            alarms.note(alarms.DENIED, reason=error.code, name=error.name)
            return problem(403, error.code, error.detail)
        case NotAllowed(field="id"):
            return problem(409, error.code, error.detail)
        case NotAllowed():
            status = 403 if error.field == "challenge" else 422
            return problem(status, error.code, error.detail, field=error.field)
        case RateLimited():
            response = problem(
                429, error.code, error.detail, retry_after=error.retry_after, more={"limit": error.limit}
            )
            for name, value in refusals.headers(error).items():
                response[name] = value
            return response
        case StoreUnavailable():
            return problem(503, error.code, error.detail, retry_after=error.retry_after)
    raise error
