"""HTTP: verifications. The views translate, they decide nothing.

Each operation says itself which key opens it, so that it is closed in every API that mounts the router.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router, Schema, Status
from pydantic import ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from otp import caller, services, store
from otp.api.access import Access
from otp.api.problems import answered
from otp.caller import Caller
from otp.services import Delivery, Verification
from sms import services as sms
from sms.bearer import ApiKey
from sms.message import ERROR_CLASSES, Channel, State
from sms.problems import Body, Reference, responses, unkept, without_defaults

#: An id that no verification has: theirs have 22 characters.
NEVER = "never"

router = Router(auth=ApiKey(), tags=["verifications"])
router.add_decorator(answered)
router.add_decorator(unkept, mode="view")


def _one_address(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"type": "string", "format": form} for form in ("ipv4", "ipv6")] + [{"type": "null"}]


class OfAUser(Body):
    """What a program asks for somebody else."""

    client_ip: str | None = Field(
        None,
        examples=["203.0.113.7"],
        description="The end user's address, which limits count by; from keys that may name it.",
        json_schema_extra=_one_address,
    )

    @field_validator("client_ip")
    @classmethod
    def _address(cls, given: str | None) -> str | None:
        try:
            return None if given is None else caller.normalise(given)
        except ValueError:
            raise PydanticCustomError("ip_address", "This is no IPv4 or IPv6 address") from None


def _phone_or_email(schema: dict[str, Any]) -> None:
    # Generators make nothing of an anyOf beside properties; this they pass over, and validators read it.
    without_defaults(schema)
    schema |= {"if": {"required": ["email"]}, "else": {"required": ["phone"]}}


class VerificationIn(OfAUser):
    """Whom to send a code, and what for."""

    model_config = ConfigDict(json_schema_extra=_phone_or_email)

    phone: str = Field(
        "",
        max_length=64,
        repr=False,
        description="Any usual spelling. May be left out where there is an `email`.",
        json_schema_extra=lambda schema: schema.update(examples=[sms.example_number() or sms.EXAMPLE]),
    )
    email: str = Field(
        "",
        max_length=254,
        repr=False,
        examples=["name@example.com"],
        description="An address that may have the code too, or alone where there is no `phone`. For purposes "
        "whose `channels` name `email`. With both, `valid` proves one of the two.",
    )
    purpose: str = Field("login", max_length=64, examples=["login"])
    locale: str = Field("", max_length=35, examples=["de"], description="Picks the text of the SMS.")
    code: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        repr=False,
        examples=["483920"],
        description="A code that you have made, from keys that may bring one: as long as those of the "
        "purpose, of the same characters.",
    )
    challenge: str = Field(
        "",
        max_length=4096,
        repr=False,
        description="The answer to the site's challenge, if it demands one (403 `challenge_required`).",
    )
    reference: Reference = ""
    reverse: bool = Field(
        False,
        examples=[False],
        description="Nothing is sent: the user sends the code to us, by the SMS in `reverse` of the answer. "
        "For purposes with `reverse`; goes with neither `email` nor `code`.",
    )


def _one_class(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"type": "string", "enum": [*ERROR_CLASSES]}, {"type": "null"}]


class CodeSmsOut(Schema):
    """The SMS that carries the code."""

    message_id: str
    state: State = Field(
        description="To a key without the scope `read`, `sending` is told as `queued` and `delivered` as "
        "`sent`, and in the first five seconds `sent` as `queued`. Numbers that get no SMS look the same, "
        "and so does a code that went on to another channel by itself."
    )
    error: str | None = Field(
        description="Why it did not arrive, or may not have; null where nothing is wrong. `withheld` is told "
        "to keys with the scope `read` alone.",
        json_schema_extra=_one_class,
    )


class ReverseOut(Schema):
    """The SMS that the user is to send."""

    send_to: str = Field(description="Our number.", examples=["+12025550100"])
    text: str = Field(description="The code, and what it is for: show it whole.")
    link: str = Field(
        description="Opens it on a phone, ready to be sent.", examples=["sms:+12025550100?&body=…"]
    )


class VerificationOut(Schema):
    """A verification. Times and delivery are null once it is over."""

    id: str
    status: Literal["pending", "valid", "expired", "blocked"]
    expires_at: datetime | None
    resend_at: datetime | None
    attempts_left: int
    delivery: Delivery | None = Field(
        description="`failed`: the SMS could not be sent or did not arrive; resend, or ask for another "
        "number. `underway`: no failure is known. Null once the verification is over, and where the user "
        "sends the code to us.",
    )
    sms: CodeSmsOut | None = Field(
        description="The latest SMS that was asked for, to keys with the scope `read` the latest of all; "
        "null when it is kept no longer."
    )
    channels: list[Channel] = Field(
        description="By which the code may go, in the order in which they are tried. A resend may name one. "
        "Empty where the user sends it to us."
    )
    channel: Channel | None = Field(
        description="By which it was asked for last: the first of `channels`, or what a resend named. Where "
        "that does not reach the number, or brings no receipt, another one has it. Only keys with the scope "
        "`read` are told of that. Null where the user sends the code to us."
    )
    reference: str | None = Field(description="Your own, from the start.")
    reverse: ReverseOut | None = Field(
        description="What the user is to send. In the answer to the start alone, which knows the code."
    )


class ResendIn(Body):
    """How to send the code again."""

    channel: Channel | None = Field(
        None,
        examples=["sms"],
        description="One of the `channels` of the verification. Without it the code goes by the one that "
        "was asked for last.",
    )


class CheckIn(OfAUser):
    """One guess."""

    code: str = Field(min_length=1, max_length=64, repr=False, examples=["123456"])


class CheckOut(Schema):
    """What became of the guess."""

    status: Literal["valid", "invalid", "expired", "blocked"]
    attempts_left: int
    message: str


@router.post(
    "/verifications",
    response={202: VerificationOut} | responses(400, 401, 403, 413, 415, 422, 429, 503),
    auth=ApiKey("verify"),
    operation_id="start_verification",
    summary="Send a code",
)
def start_verification(request: HttpRequest, payload: VerificationIn) -> HttpResponse:
    """Make a code and send it. While a code lives and its cooldown runs: 429 `pending`."""
    access = access_of(request)
    access.require_purpose(payload.purpose)
    if payload.code is not None:
        access.require_own_code()
    who = _caller(access, payload.client_ip)
    verification = services.start(
        payload.phone,
        payload.purpose,
        payload.locale,
        email=payload.email,
        code=payload.code,
        caller=who,
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
    """Hold a guess against the code. The right one is accepted once; one that the user is to send to us is
    `expired` here. After too many wrong ones of an address
    or a key, at whatever phones: 429 `rate_limited`, and the guess is not compared.
    """
    access = access_of(request)
    who = _caller(access, payload.client_ip)
    checked = services.check(_own(request, id), payload.code, owner=access.name, caller=who)
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
    """Send the live code once more under the same id, by another channel if you name one. Without a live
    code, and for one that the user is to send to us: 409.
    """
    access = access_of(request)
    who, channel = _caller(access), (payload and payload.channel) or ""
    again = services.resend(_own(request, id), caller=who, owner=access.name, channel=channel)
    return _shown(again, 202)


@router.get(
    "/verifications/{id}",
    response={200: VerificationOut} | responses(401, 503),
    auth=ApiKey("verify", "read"),
    operation_id="get_verification",
    summary="State of a verification",
)
def get_verification(request: HttpRequest, id: Path[str]) -> HttpResponse:
    """Where a verification stands. An id that never was is `expired`."""
    access = access_of(request)
    sees_all = "read" in access.scopes
    owner = "" if sees_all else access.name
    return _shown(replace(services.status(_own(request, id), owner=owner, in_full=sees_all), id=id))


@router.delete(
    "/verifications/{id}",
    response={204: None} | responses(401, 503),
    auth=ApiKey("verify"),
    operation_id="cancel_verification",
    summary="Cancel a verification",
)
def cancel_verification(request: HttpRequest, id: Path[str]) -> Status[None]:
    """Forget the code and call its SMS back if it still waits. The cooldown of the phone stays."""
    services.cancel(_own(request, id), owner=access_of(request).name)
    return Status(204, None)


def _shown(verification: Verification, status: int = 200) -> HttpResponse:
    """A ``VerificationOut``."""
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
    """An answer as it is. Of a model ninja would make a dict first, and pydantic the model out of one."""
    return HttpResponse(json.dumps(content).encode(), "application/json; charset=utf-8", status)


def access_of(request: HttpRequest) -> Access:
    """What the key of this request may do; the authentication of the API has put it there."""
    access: Access = request.auth  # type: ignore[attr-defined]  # ninja sets it
    return access


def _caller(access: Access, client_ip: str | None = None) -> Caller:
    """Whoever asks, at the address that the key says, if it may say one."""
    if client_ip is not None:
        access.require_client_ip()
    return Caller(access.name, client_ip or "", access.limits)


def _own(request: HttpRequest, id: str) -> str:
    """``id`` if its purpose is one of the key's, else an id that never was, with the same answers.

    Costs a round trip, and for keys that are limited to purposes only.
    """
    access = access_of(request)
    if not access.purposes:
        return id
    found = store.read(id)
    return id if found and access.allows(found.purpose) else NEVER


def as_time(seconds: float) -> str | None:
    """As Django writes times: of fractions of a second the milliseconds, and nothing where there are none."""
    if not seconds:
        return None
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z").replace(".000", "")
