"""What an operation on a verification takes and answers, as fields that the API describes."""

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
        description="A code that you have made, from keys that may bring one: it has the length and "
        "the characters that the purpose sets.",
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
