"""Request and response schemas of ``otp.api.verifications``.

The OpenAPI document shows their descriptions.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from otp import caller
from otp.verification import Delivery
from sms import services as sms
from sms.message import ERROR_CLASSES, Channel, State
from sms.problems import Body, Reference, without_defaults


def _one_address(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"type": "string", "format": form} for form in ("ipv4", "ipv6")] + [{"type": "null"}]


class OfAUser(Body):
    """A request on behalf of an end user."""

    client_ip: str | None = Field(
        None,
        examples=["203.0.113.7"],
        description="The end user's IP address, by which limits count. Only some keys may name it.",
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
    # Generators of clients fail on an anyOf beside properties. They ignore if/else, which validators read.
    without_defaults(schema)
    schema |= {"if": {"required": ["email"]}, "else": {"required": ["phone"]}}


class VerificationIn(OfAUser):
    """Who gets a code, and what for."""

    model_config = ConfigDict(json_schema_extra=_phone_or_email)

    phone: str = Field(
        "",
        max_length=64,
        repr=False,
        description="Any usual spelling. Optional if there is an `email`.",
        json_schema_extra=lambda schema: schema.update(examples=[sms.example_number() or sms.EXAMPLE]),
    )
    email: str = Field(
        "",
        max_length=254,
        repr=False,
        examples=["name@example.com"],
        description="An address that may get the code as well, or instead if there is no `phone`. The "
        "purpose's `channels` must name `email`. If you give both, `valid` proves one of the two.",
    )
    purpose: str = Field("login", max_length=64, examples=["login"])
    locale: str = Field("", max_length=35, examples=["de"], description="Picks the text of the SMS.")
    code: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        repr=False,
        examples=["483920"],
        description="A code of your own, with the length and the characters that the purpose sets. Only some "
        "keys may supply one.",
    )
    challenge: str = Field(
        "",
        max_length=4096,
        repr=False,
        description="The answer to the site's challenge, if it requires one (403 `challenge_required`).",
    )
    reference: Reference = ""
    reverse: bool = Field(
        False,
        examples=[False],
        description="Send nothing. Instead, the user sends us an SMS, which the answer has as `reverse`. The "
        "purpose must have `reverse` too, and `email` and `code` must be left out.",
    )


def _one_class(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"type": "string", "enum": [*ERROR_CLASSES]}, {"type": "null"}]


class CodeSmsOut(Schema):
    """The SMS that carries the code."""

    message_id: str
    state: State = Field(
        description="Keys without the scope `read` see `queued` for `sending`, `sent` for `delivered` and, "
        "in the first five seconds, `queued` for `sent`. So numbers that get no SMS look like all others, "
        "and so does a code that moved on to another channel."
    )
    error: str | None = Field(
        description="Why it did not arrive, or may not have; null if nothing is wrong. Only keys with the "
        "scope `read` see `withheld`.",
        json_schema_extra=_one_class,
    )


class ReverseOut(Schema):
    """The SMS that the user must send."""

    send_to: str = Field(description="The number to send it to.", examples=["+12025550100"])
    text: str = Field(description="The code and what it is for. Show all of it.")
    link: str = Field(
        description="Opens the SMS on a phone, ready to send.", examples=["sms:+12025550100?&body=…"]
    )


class VerificationOut(Schema):
    """A verification. Times and delivery are null once it is over."""

    id: str
    status: Literal["pending", "valid", "expired", "blocked"]
    expires_at: datetime | None
    resend_at: datetime | None
    attempts_left: int
    delivery: Delivery | None = Field(
        description="`failed`: the SMS could not be sent or did not arrive. Resend it, or ask for another "
        "number. `underway`: no failure is known. Null once the verification is over, and if the user sends "
        "the code to us.",
    )
    sms: CodeSmsOut | None = Field(
        description="The latest SMS that was requested; for keys with the scope `read`, the latest of all. "
        "Null once its record has expired."
    )
    channels: list[Channel] = Field(
        description="Channels that can carry the code, in the order in which they are tried. A resend may "
        "name one. Empty if the user sends the code to us."
    )
    channel: Channel | None = Field(
        description="The channel that was requested last: the first of `channels`, or what a resend named. "
        "If it does not reach the number, or brings no receipt, the code moves on to another one. Only keys "
        "with the scope `read` see that. Null if the user sends the code to us."
    )
    reference: str | None = Field(description="Your reference from the start.")
    reverse: ReverseOut | None = Field(
        description="The SMS that the user must send. Only in the answer to the start, which knows the code."
    )


class ResendIn(Body):
    """How to send the code again."""

    channel: Channel | None = Field(
        None,
        examples=["sms"],
        description="One of the `channels` of the verification. The default is the one that was requested "
        "last.",
    )


class CheckIn(OfAUser):
    """One guess."""

    code: str = Field(min_length=1, max_length=64, repr=False, examples=["123456"])


class CheckOut(Schema):
    """The result of a guess."""

    status: Literal["valid", "invalid", "expired", "blocked"]
    attempts_left: int
    message: str
