"""``/v1/sessions``: hand a user to the hosted pages over HTTP.

These views only translate between HTTP and ``otp.sessions``; every rule is there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Path, Router, Schema
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from otp import conf, sessions
from otp.api.problems import answered
from otp.api.verifications import access_of, as_json, as_time
from otp.sessions import MOST_STATE, MOST_URL, Session
from sms import services as sms
from sms.bearer import ApiKey
from sms.problems import Body, Reference, responses, unkept

router = Router(auth=ApiKey(), tags=["sessions"])
router.add_decorator(answered)
router.add_decorator(unkept, mode="view")


class SessionIn(Body):
    """Where to send the user back to, and what you know of them."""

    return_url: str = Field(
        max_length=MOST_URL,
        examples=["http://localhost:3000/verified"],
        description="Where the user goes at the end, with `session`, `state` and, if a phone was verified, "
        "`proof` in the query. The key's entry in API_ACCESS must name its origin as `return:ORIGIN`.",
    )
    purpose: str = Field("login", max_length=64, examples=["login"])
    phone: str = Field(
        "",
        max_length=64,
        repr=False,
        description="Any usual spelling. The user is then not asked for a number, and cannot change it.",
        json_schema_extra=lambda schema: schema.update(examples=[sms.example_number() or sms.EXAMPLE]),
    )
    locale: str = Field(
        "",
        max_length=35,
        examples=["de"],
        description="Picks the language of the pages and the text of the SMS.",
    )
    state: str = Field(
        "",
        max_length=MOST_STATE,
        examples=["4f3a"],
        description="A value of your own. It comes back with the user, in the query of `return_url`.",
    )
    reference: Reference = ""

    @field_validator("return_url")
    @classmethod
    def _url(cls, given: str) -> str:
        if not sessions.origin_of(given):
            raise PydanticCustomError(
                "return_url", "Write a URL with https:// (or http://localhost), without a fragment"
            )
        return given


class SessionMade(Schema):
    """A new session."""

    id: str
    url: str = Field(description="Send the user's browser here.")
    expires_at: datetime


class ProofIn(Body):
    """The proof that your user's browser brought back."""

    proof: str | None = Field(
        None,
        max_length=64,
        repr=False,
        examples=["q7WdYx2kT0bV5nJcHs8LmRz3GfPu6EaQ1wXoDi4tKyA"],
        description="`proof` in the query of `return_url`, or in the widget's event. null if there was none.",
    )


class ProofOut(Schema):
    """A session and its outcome, for the browser that brings a proof."""

    id: str
    status: Literal["pending", "valid", "invalid", "expired"] = Field(
        description="`valid`: your user has verified the number. `invalid`: the number was verified, but the "
        "proof is missing or another browser's."
    )
    verification_id: str | None = Field(description="The verification that the user completed; null before.")
    masked: str | None = Field(description="The verified number with most of its digits hidden.")
    phone: str | None = Field(description="The verified number (E.164), for keys with the scope `phone`.")
    reference: str | None = Field(description="Your reference from the start.")


class SessionOut(ProofOut):
    """A session and its outcome, whoever verified the number."""

    status: Literal["pending", "valid", "expired"]
    proof: str | None = Field(
        description="Equals the `proof` that the user's browser brings back, in `return_url` or in the "
        "widget's event. Send the browser's proof to `/proof`, or compare the two in constant time. null "
        "until the session is valid."
    )


@router.post(
    "/sessions",
    response={201: SessionMade} | responses(400, 401, 403, 413, 415, 422, 503),
    auth=ApiKey("verify"),
    operation_id="create_session",
    summary="Hand a user to the hosted pages",
)
def create_session(request: HttpRequest, payload: SessionIn) -> HttpResponse:
    """Make a URL for one user, who comes back to `return_url` with a verified phone."""
    access = access_of(request)
    access.require_purpose(payload.purpose)
    access.require_return(sessions.origin_of(payload.return_url))
    made = sessions.create(owner=access.name, **payload.model_dump())
    path = reverse("otp:session", args=(made.id,))
    base = conf.get("PUBLIC_URL").rstrip("/")
    url = f"{base}{path}" if base else request.build_absolute_uri(path)
    return as_json({"id": made.id, "url": url, "expires_at": as_time(made.expires_at)}, 201)


@router.post(
    "/sessions/{id}/proof",
    response={200: ProofOut} | responses(400, 401, 403, 413, 415, 422, 503),
    auth=ApiKey("verify"),
    operation_id="prove_session",
    summary="Find out whether your user has verified a phone",
)
def prove_session(request: HttpRequest, id: Path[str], payload: ProofIn | None = None) -> HttpResponse:
    """Ask about the session whose id you keep for this user, with the proof that the browser brought. The
    answer has the number only if it was verified in this browser. You may ask again.
    """
    access = access_of(request)
    found = sessions.proved(id, (payload and payload.proof) or "", owner=access.name)
    return as_json(_shown(found, sees_phone="phone" in access.scopes))


@router.get(
    "/sessions/{id}",
    response={200: SessionOut} | responses(401, 503),
    auth=ApiKey("verify"),
    operation_id="get_session",
    summary="Read a session",
)
def get_session(request: HttpRequest, id: Path[str]) -> HttpResponse:
    """Find out whether a phone was verified, in whichever browser. An id that is unknown or another key's
    is `expired`.
    """
    access = access_of(request)
    found = sessions.read(id, owner=access.name)
    return as_json(_shown(found, sees_phone="phone" in access.scopes) | {"proof": found.proof or None})


def _shown(session: Session, *, sees_phone: bool) -> dict[str, Any]:
    is_valid = session.status == "valid"
    return {
        "id": session.id,
        "status": session.status,
        "verification_id": session.verification_id or None,
        "masked": session.masked or None,
        "phone": session.phone if is_valid and sees_phone else None,
        "reference": session.reference or None,
    }
