"""``/v1/verifications``: start, check, resend, read and cancel over HTTP.

These views only translate between HTTP and ``otp.services``; every rule is there. Each operation names the
scope that its API key needs. So it stays closed in whichever API mounts the router.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router, Status

from otp import services, store
from otp.api.access import Access
from otp.api.problems import answered
from otp.api.verification_fields import CheckIn, CheckOut, ResendIn, VerificationIn, VerificationOut
from otp.caller import Caller
from otp.verification import Verification
from sms.bearer import ApiKey
from sms.problems import responses, unkept

#: An id that no verification can have, since real ones have 22 characters.
UNKNOWN_ID = "never"

router = Router(auth=ApiKey(), tags=["verifications"])
router.add_decorator(answered)
router.add_decorator(unkept, mode="view")


@router.post(
    "/verifications",
    response={202: VerificationOut} | responses(400, 401, 403, 413, 415, 422, 429, 503),
    auth=ApiKey("verify"),
    operation_id="start_verification",
    summary="Send a code",
)
def start_verification(request: HttpRequest, payload: VerificationIn) -> HttpResponse:
    """Make a code and send it. During the cooldown of an earlier code the answer is 429 `pending`."""
    access = access_of(request)
    access.require_purpose(payload.purpose)
    if payload.code is not None:
        access.require_own_code()
    caller = _caller(access, payload.client_ip)
    verification = services.start(
        payload.phone,
        payload.purpose,
        payload.locale,
        email=payload.email,
        code=payload.code,
        caller=caller,
        challenge=payload.challenge,
        reference=payload.reference,
        reverse=payload.reverse,
    )
    return _shown(verification, 202)


@router.post(
    "/verifications/{id}/check",
    response={200: CheckOut} | responses(400, 401, 403, 413, 415, 422, 429, 503),
    auth=ApiKey("verify"),
    operation_id="check_code",
    summary="Check a code",
)
def check_code(request: HttpRequest, id: Path[str], payload: CheckIn) -> HttpResponse:
    """Compare a guess with the code. The right one is accepted once. A reverse verification, whose user sends
    the code to us, is `expired` here. After too many wrong guesses by one IP address or key, whatever the
    phones, the answer is 429 `rate_limited` and the guess is not compared.
    """
    access = access_of(request)
    caller = _caller(access, payload.client_ip)
    checked = services.check(_visible(request, id), payload.code, owner=access.name, caller=caller)
    return as_json(
        {"status": checked.status, "attempts_left": checked.attempts_left, "message": checked.message}
    )


@router.post(
    "/verifications/{id}/resend",
    response={202: VerificationOut} | responses(400, 401, 409, 413, 415, 422, 429, 503),
    auth=ApiKey("verify"),
    operation_id="resend_code",
    summary="Send the code again",
)
def resend_code(request: HttpRequest, id: Path[str], payload: ResendIn | None = None) -> HttpResponse:
    """Send the live code again under the same id, by another channel if you name one. The answer is 409 if
    there is no live code, or if the user sends the code to us.
    """
    access = access_of(request)
    caller, channel = _caller(access), (payload and payload.channel) or ""
    again = services.resend(_visible(request, id), caller=caller, owner=access.name, channel=channel)
    return _shown(again, 202)


@router.get(
    "/verifications/{id}",
    response={200: VerificationOut} | responses(401, 503),
    auth=ApiKey("verify", "read"),
    operation_id="get_verification",
    summary="State of a verification",
)
def get_verification(request: HttpRequest, id: Path[str]) -> HttpResponse:
    """Read a verification. An unknown id is `expired`."""
    access = access_of(request)
    sees_all = "read" in access.scopes
    owner = "" if sees_all else access.name
    return _shown(replace(services.status(_visible(request, id), owner=owner, in_full=sees_all), id=id))


@router.delete(
    "/verifications/{id}",
    response={204: None} | responses(401, 503),
    auth=ApiKey("verify"),
    operation_id="cancel_verification",
    summary="Cancel a verification",
)
def cancel_verification(request: HttpRequest, id: Path[str]) -> Status[None]:
    """Delete the code, and cancel its SMS if that is still queued. The cooldown of the phone stays."""
    services.cancel(_visible(request, id), owner=access_of(request).name)
    return Status(204, None)


def _shown(verification: Verification, status: int = 200) -> HttpResponse:
    """The verification as a ``VerificationOut``."""
    sms, wanted = verification.sms, verification.wanted
    return as_json(
        {
            "id": verification.id,
            "status": verification.status,
            "expires_at": as_time(verification.expires_at),
            "resend_at": as_time(verification.resend_at),
            "attempts_left": verification.attempts_left,
            "delivery": verification.delivery or None,
            "sms": sms and {"message_id": sms.message_id, "state": sms.state, "error": sms.error or None},
            "channels": verification.channels,
            "channel": verification.channel,
            "reference": verification.reference or None,
            "reverse": wanted and {"send_to": wanted.send_to, "text": wanted.text, "link": wanted.link},
        },
        status,
    )


def as_json(content: dict[str, Any], status: int = 200) -> HttpResponse:
    """A JSON response. It skips ninja's schema, which would turn dict to model and back to dict."""
    return HttpResponse(json.dumps(content).encode(), "application/json; charset=utf-8", status)


def access_of(request: HttpRequest) -> Access:
    """The rights of this request's API key."""
    access: Access = request.auth  # type: ignore[attr-defined]  # ninja sets it
    return access


def _caller(access: Access, client_ip: str | None = None) -> Caller:
    """The caller for whom limits count. Only some keys may name the IP address of their user."""
    if client_ip is not None:
        access.require_client_ip()
    return Caller(access.name, client_ip or "", access.limits)


def _visible(request: HttpRequest, id: str) -> str:
    """``id`` if the key may use its purpose. Otherwise an id that does not exist, so that the answers do not
    reveal the verification.

    Costs a round trip to Redis, but only for keys that are restricted to purposes.
    """
    access = access_of(request)
    if not access.purposes:
        return id
    found = store.read(id)
    return id if found and access.allows(found.purpose) else UNKNOWN_ID


def as_time(seconds: float) -> str | None:
    """``seconds`` since the epoch as Django's JSON encoder writes times: with milliseconds, unless they are
    zero. None for 0.
    """
    if not seconds:
        return None
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z").replace(".000", "")
