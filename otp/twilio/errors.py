"""Errors in Twilio's format: ``{"code", "message", "more_info", "status"}``.

They are never problem documents, for which Twilio's Python SDK raises another class of exception. Codes from
60200 on are Verify's own. Codes such as 20404 repeat the HTTP status. Source: twilio.com/docs/api/errors.
"""

from __future__ import annotations

from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse, JsonResponse

from otp import alarms
from otp.admission import refusals
from otp.api.access import Denied
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from sms.bearer import Forbidden
from sms.errors import Overloaded, Unavailable
from sms.problems import BARE
from sms.problems import answer as problem_of

INVALID, UNSUPPORTED, CHECKS_USED_UP, SENDS_USED_UP = 60200, 60204, 60202, 60203
CHANNEL_DISABLED, GUARDED, NOT_FOUND = 60223, 60410, 20404

#: Refusals that blame no parameter: HTTP status and Twilio's code, by our code.
_NOT_ALLOWED = {
    "phone_type": (403, 60205),
    "phone_not_allowed": (403, 60605),
    "challenge_required": (403, 60413),
}

#: Our codes for a channel that is not available.
_NO_CHANNEL = {"channel_unavailable", "email_not_allowed", "no_route"}

#: The missing right of a key, and how to grant it.
_MENDS = {
    "client_ip_not_allowed": "This key may not name an IP address as DeviceIp or in RateLimits. Leave it "
    "out, or give the key the word client_ip in API_ACCESS.",
    "own_code_not_allowed": "This key may not supply a CustomCode. Leave it out, or give the key the word "
    "own_code in API_ACCESS.",
}

#: Twilio's parameters by our fields.
_PARAMETERS = {"phone": "To", "email": "To", "code": "CustomCode"}


class Refused(Exception):
    """An error to answer. ``code``: Twilio's."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def invalid(parameter: str, why: str) -> Refused:
    """The error for a bad parameter. ``why`` must not repeat its value."""
    return Refused(400, INVALID, f"Invalid parameter `{parameter}`: {why}")


def unsupported(why: str) -> Refused:
    """The error for a feature of Twilio's that is missing here. ``why`` says what to do instead."""
    return Refused(403, UNSUPPORTED, why)


def not_found(path: str) -> Refused:
    """The error for a resource that does not exist, or is another key's. ``path``: without phone numbers."""
    return Refused(404, NOT_FOUND, f"The requested resource {path} was not found")


def written(status: int, code: int, message: str, retry_after: int = 0) -> HttpResponse:
    """An error as a response. ``retry_after``: seconds for the header."""
    body = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    response = JsonResponse(body, status=status)
    response["Cache-Control"] = "no-store"
    if retry_after:
        response["Retry-After"] = str(retry_after)
    return response


def answer(error: Exception) -> HttpResponse:
    """The response to an exception of an operation. Unknown exceptions are raised again."""
    match error:
        case Refused():
            return written(error.status, error.code, error.message)
        case NotAllowed():
            return _not_allowed(error)
        case RateLimited():
            return _limited(error)
        case Denied():
            return _denied(error)
        case Forbidden():
            return written(403, 20403, error.message)
    return _away(error)


def _away(error: Exception) -> HttpResponse:
    if isinstance(error, RequestDataTooBig):
        return plain(413)
    if not isinstance(error, StoreUnavailable | Unavailable | Overloaded):
        raise error
    told = problem_of(error)  # which logs it
    return written(503, 20503, "The service cannot answer now.", int(told["Retry-After"]))


def _denied(error: Denied) -> HttpResponse:
    alarms.note(alarms.DENIED, reason=error.code, name=error.name)
    if error.code == "purpose_not_allowed":  # a service that the key cannot see
        return answer(not_found("/Services/{Sid}"))
    return written(403, UNSUPPORTED, _MENDS[error.code])


def _not_allowed(error: NotAllowed) -> HttpResponse:
    if error.code in _NO_CHANNEL:
        fix = "Delivery channel disabled: OTP_PURPOSES (channels) and SMS_ROUTES set the available ones."
        return written(403, CHANNEL_DISABLED, fix)
    if error.code in _NOT_ALLOWED:
        return written(*_NOT_ALLOWED[error.code], error.detail)
    return answer(invalid(_PARAMETERS.get(error.field, error.field.capitalize()), error.detail))


def _limited(error: RateLimited) -> HttpResponse:
    status, code = 429, 20429
    if error.code == "guard":
        status, code = 403, GUARDED
    elif error.code == "blocked":
        code = CHECKS_USED_UP
    elif error.code == "pending" or error.limit.startswith("phone"):
        code = SENDS_USED_UP
    response = written(status, code, error.detail, error.retry_after)
    refusals.name_limit(response, error)
    return response


def plain(status: int) -> HttpResponse:
    """The error for a status, outside of any operation."""
    found = BARE.get(status, BARE[500 if status >= 500 else 400])
    return written(status, 20004 if status == 405 else 20000 + status, found[1])


def as_twilio(response: HttpResponse) -> HttpResponse:
    """An error page in Twilio's format. Responses that already have it are unchanged."""
    if response["Content-Type"].startswith("application/json"):
        return response
    found = plain(response.status_code)
    if response.has_header("Allow"):
        found["Allow"] = response["Allow"]
    return found
