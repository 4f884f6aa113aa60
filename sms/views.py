"""``/v1/messages``, ``/v1/receipts`` and ``/v1/inbound``: plain messages, and the callbacks of providers.

These views only translate between HTTP and ``sms.services``, which has all the rules. Each operation names
the scope that its API key needs. So it stays closed in any API that mounts the router.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router, Schema, Status
from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from sms import auth, inbound_views, preparing, receipt_views, services, told
from sms.bearer import ApiKey
from sms.message import Message, State
from sms.problems import Body, Reference, answered, problem, responses, unkept

router = Router(auth=ApiKey())
router.add_decorator(answered)
router.add_decorator(unkept, mode="view")


#: Seconds that a caller's own code may wait for a provider: the default and the maximum, which is the longest
#: lifetime of our own codes.
CODE_LIFETIME, LONGEST_CODE_LIFETIME = 120, 600


class MessageIn(Body):
    """An SMS to send."""

    to: str = Field(
        max_length=64,
        repr=False,
        description="Any usual spelling.",
        json_schema_extra=lambda schema: schema.update(
            examples=[services.example_number() or services.EXAMPLE]
        ),
    )
    body: str = Field(max_length=preparing.MAX_BODY, repr=False, examples=["Your parcel is here."])
    kind: Literal["message", "code"] = Field(
        "message",
        description="`code`: it carries a one-time code that you create and check yourself. It is sent "
        "before every `message`, and within seconds or not at all. It is sent again if its outcome stays "
        "unknown, and also to numbers that have opted out.",
    )
    expires_in: int | None = Field(
        None,
        ge=1,
        le=86_400,
        examples=[120],
        description="Seconds after which it is no longer handed to a provider. For a `code`, the default "
        f"is {CODE_LIFETIME} and the limit {LONGEST_CODE_LIFETIME}. Otherwise the default is "
        "`MESSAGE_LIFETIME`.",
    )
    reference: Reference = ""

    @field_validator("expires_in")
    @classmethod
    def _soon(cls, seconds: int | None, info: ValidationInfo) -> int | None:
        if seconds and seconds > LONGEST_CODE_LIFETIME and info.data.get("kind") == "code":
            raise PydanticCustomError(
                "code_lifetime", f"A code is sent within {LONGEST_CODE_LIFETIME} seconds or not at all"
            )
        return seconds

    @field_validator("body", mode="before")
    @classmethod
    def _with_line_feeds(cls, body: object) -> object:
        return preparing.with_line_feeds(body) if isinstance(body, str) else body


class MessageOut(Schema):
    """An SMS and its state. Neither number nor text is kept in clear."""

    id: str
    state: State
    country: str = Field(description="ISO 3166 alpha-2; empty if the number belongs to no country.")
    masked: str = Field(examples=["+1••••••••23"])
    created_at: datetime
    expires_at: datetime = Field(description="After this it is no longer handed to a provider.")
    attempts: int = Field(description="How often a provider was called. A call counts once it has ended.")
    alias: str = Field(description="The provider that was called last; empty before the first attempt.")
    error: str = Field(description="The code of the last failure, the provider's or ours.")
    reference: str = Field(description="Your reference; empty if you gave none.")
    verification_id: str = Field(description="The verification whose code it carries; empty for none.")
    purpose: str = Field(description="The purpose of the code that it carries; empty for none.")
    api_key: str = Field(description="The name of the key that asked for it; empty for none.")


class LineOut(Schema):
    """One sentence of a story."""

    at: datetime
    text: str = Field(examples=["Twilio (main) took the message after 0.2 s."])
    message_id: str
    what: str = Field(description="The step, for programs; empty if the line is not about one.")
    alias: str = Field(description="The provider; empty if the line is not about one.")
    word: str = Field(description="The provider's own word, or ours; may be empty.")


class StoryOut(Schema):
    """What happened to a verification, or to a message without one, in order."""

    messages: list[MessageOut] = Field(description="The oldest first. A verification has one for each send.")
    lines: list[LineOut] = Field(description="Every attempt, outcome, receipt and guess, in order.")


class StoriesOut(Schema):
    """What happened to a user's messages, the latest story first."""

    stories: list[StoryOut]


def _one_of_two(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)
    schema |= {"minProperties": 1, "maxProperties": 1}


class SearchIn(Body):
    """Whose messages to find: give one of the two."""

    model_config = ConfigDict(json_schema_extra=_one_of_two)

    to: str = Field(
        "",
        max_length=64,
        repr=False,
        description="A number in any usual spelling.",
        json_schema_extra=lambda schema: schema.update(
            examples=[services.example_number() or services.EXAMPLE]
        ),
    )
    reference: Reference = ""


@router.post(
    "/messages",
    response={202: MessageOut} | responses(400, 401, 413, 415, 422, 429, 503),
    auth=ApiKey("messages"),
    operation_id="send_message",
    summary="Send an SMS",
    tags=["messages"],
)
def send_message(request: HttpRequest, payload: MessageIn) -> Status[Message]:
    """Accept one SMS. A worker hands it to the provider. To let Otpost create and check a code, start a
    verification instead.
    """
    keeper, holder = auth.keeper(), request.auth  # type: ignore[attr-defined]  # ninja sets it
    keeper.count_message(holder)
    services.require_broker()
    name, is_code = keeper.name(holder), payload.kind == "code"
    message = services.send(
        payload.to,
        payload.body,
        queue=services.OTP_QUEUE if is_code else services.BULK_QUEUE,
        expires_in=payload.expires_in or (CODE_LIFETIME if is_code else None),
        resend_unknown=is_code,
        api_key=name,
        reference=payload.reference,
    )
    return Status(202, message)


@router.get(
    "/messages",
    response={200: StoriesOut} | responses(401, 403, 422, 503),
    auth=ApiKey("read"),
    operation_id="find_messages",
    summary="What happened to a user's messages",
    tags=["messages"],
)
def find_messages(request: HttpRequest, asked: Query[SearchIn]) -> dict[str, Any] | HttpResponse:
    """Find the verifications and messages of a number or a reference in the last 72 hours, in words. A proxy
    may log the URL with the number in it. `POST /v1/messages/search` avoids that.
    """
    # Callers often do not escape the +, which then means a space.
    to = f"+{asked.to[1:]}" if asked.to.startswith(" ") else asked.to
    return _found(request, to, asked.reference)


@router.post(
    "/messages/search",
    response={200: StoriesOut} | responses(400, 401, 403, 413, 415, 422, 503),
    auth=ApiKey("read"),
    operation_id="search_messages",
    summary="What happened to a user's messages, with the number in the body",
    tags=["messages"],
)
def search_messages(request: HttpRequest, payload: SearchIn) -> dict[str, Any] | HttpResponse:
    """Like `GET /v1/messages`, but without a number in the URL."""
    return _found(request, payload.to, payload.reference)


def _found(request: HttpRequest, to: str, reference: str) -> dict[str, Any] | HttpResponse:
    """A ``StoriesOut`` with the stories that the key may see."""
    if not to and not reference:
        return problem(422, "field_missing", "Give a number as to, or a reference.", field="to")
    if to and reference:
        return problem(422, "field_invalid", "Give to or reference, not both.", field="reference")
    keeper, holder = auth.keeper(), request.auth  # type: ignore[attr-defined]  # ninja sets it
    by = keeper.name(holder)
    found = told.of_number(to, by=by) if to else told.of_reference(reference, by=by)
    return {"stories": [story for story in found if keeper.sees(holder, story.first.purpose)]}


@router.get(
    "/messages/{message_id}",
    response={200: MessageOut} | responses(401, 404, 503),
    auth=ApiKey("read"),
    operation_id="get_message",
    summary="Read a message",
    tags=["messages"],
)
def get_message(request: HttpRequest, message_id: Path[str]) -> Message | HttpResponse:
    """Read the state of a message. Records are kept for 72 hours by default."""
    return services.get(message_id) or problem(
        404, "message_unknown", "There is no such message, or its record has expired."
    )


@router.post(
    "/receipts/{alias}",
    response={200: None, 204: None} | responses(403, 404, 413, 503),
    auth=None,
    operation_id="take_receipts",
    summary="Delivery reports of a provider",
    tags=["receipts"],
)
def take_receipts(request: HttpRequest, alias: Path[str]) -> HttpResponse:
    """Only for the provider, which signs its delivery reports. The body is in the provider's own format."""
    return receipt_views.take(request, alias)


@router.get(
    "/receipts/{alias}",
    response={200: None, 204: None} | responses(403, 404, 503),
    auth=None,
    operation_id="take_receipts_by_get",
    summary="Delivery reports of a provider, by GET",
    tags=["receipts"],
)
def take_receipts_by_get(request: HttpRequest, alias: Path[str]) -> HttpResponse:
    """For a provider that reports in the URL, such as Kannel. The URL holds our token."""
    return receipt_views.take(request, alias)


@router.post(
    "/inbound/{alias}",
    response={200: None, 204: None} | responses(403, 404, 413, 503),
    auth=None,
    operation_id="take_inbound",
    summary="Messages from users",
    tags=["inbound"],
)
def take_inbound(request: HttpRequest, alias: Path[str]) -> HttpResponse:
    """Only for the provider, which signs the messages. The body is in the provider's own format."""
    return inbound_views.take(request, alias)


@router.get(
    "/inbound/{alias}",
    response={200: None, 204: None} | responses(403, 404, 503),
    auth=None,
    operation_id="take_inbound_by_get",
    summary="Messages from users, by GET",
    tags=["inbound"],
)
def take_inbound_by_get(request: HttpRequest, alias: Path[str]) -> HttpResponse:
    """For a provider that puts messages into the URL, or verifies by GET that the URL is ours."""
    return inbound_views.take(request, alias)
