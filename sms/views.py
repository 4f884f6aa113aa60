"""HTTP: plain messages and the providers' receipts. They translate, they decide nothing.

Each operation says itself which key opens it, so that it is closed in every API that mounts the router.
"""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router, Schema, Status
from pydantic import Field, field_validator

from sms import auth, receipt_views, services
from sms.bearer import ApiKey
from sms.message import Message, State
from sms.problems import Body, answered, problem, responses, unkept

router = Router(auth=ApiKey())
router.add_decorator(answered)
router.add_decorator(unkept, mode="view")


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
    body: str = Field(max_length=services.MAX_BODY, repr=False, examples=["Your parcel is here."])

    @field_validator("body", mode="before")
    @classmethod
    def _with_line_feeds(cls, body: object) -> object:
        return services.with_line_feeds(body) if isinstance(body, str) else body


class MessageOut(Schema):
    """An SMS on its way; neither number nor text is kept in clear."""

    id: str
    state: State
    country: str = Field(description="ISO 3166 alpha-2, empty if the number belongs to no country.")
    masked: str = Field(examples=["+1••••••••23"])
    created_at: datetime
    expires_at: datetime = Field(description="It is not handed to a provider after this.")
    attempts: int = Field(description="How often a provider was asked. A call counts when it has ended.")
    alias: str = Field(description="The provider that was asked last, empty before the first attempt.")
    error: str = Field(description="The provider's or our code of the last failure.")


@router.post(
    "/messages",
    response={202: MessageOut} | responses(400, 401, 413, 415, 422, 429, 503),
    auth=ApiKey("messages"),
    operation_id="send_message",
    summary="Send an SMS",
    tags=["messages"],
)
def send_message(request: HttpRequest, payload: MessageIn) -> Status[Message]:
    """Accept one SMS that is not a code; a worker hands it to the provider."""
    auth.keeper().count_message(request.auth)  # type: ignore[attr-defined]  # ninja sets it
    services.require_broker()
    return Status(202, services.send(payload.to, payload.body))


@router.get(
    "/messages/{message_id}",
    response={200: MessageOut} | responses(401, 404, 503),
    auth=ApiKey("read"),
    operation_id="get_message",
    summary="State of a message",
    tags=["messages"],
)
def get_message(request: HttpRequest, message_id: Path[str]) -> Message | HttpResponse:
    """Where a message is. Records are kept for 72 hours unless configured otherwise."""
    return services.get(message_id) or problem(
        404, "message_unknown", "There is no such message, or it is kept no longer."
    )


@router.post(
    "/receipts/{alias}",
    response={204: None} | responses(403, 404, 413, 503),
    auth=None,
    operation_id="take_receipts",
    summary="Delivery reports of a provider",
    tags=["receipts"],
)
def take_receipts(request: HttpRequest, alias: Path[str]) -> HttpResponse:
    """For the provider alone, which signs its delivery reports. The body is in the provider's own format."""
    return receipt_views.take(request, alias)


@router.get(
    "/receipts/{alias}",
    response={204: None} | responses(403, 404, 503),
    auth=None,
    operation_id="take_receipts_by_get",
    summary="Delivery reports of a provider, by GET",
    tags=["receipts"],
)
def take_receipts_by_get(request: HttpRequest, alias: Path[str]) -> HttpResponse:
    """For a provider that reports in the address it calls, as Kannel does, with a token of ours in it."""
    return receipt_views.take(request, alias)
