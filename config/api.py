"""The HTTP API as one: routers, authentication, errors as problem documents, and its description."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser
from ninja.security import HttpBearer

import otp.views
import sms.views
from config import idempotency, problems
from otp import access, keys, refusals, services
from otp.access import Access, Denied
from otp.caller import Caller
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from sms.problems import problem

#: What a key needs for each operation, one of these. An operation that is not here is nobody's.
SCOPES = {
    "start_verification": ("verify",),
    "check_code": ("verify",),
    "resend_code": ("verify",),
    "cancel_verification": ("verify",),
    "get_verification": ("verify", "read"),
    "send_message": ("messages",),
    "get_message": ("read",),
}

#: Operations that send an SMS, and so take an ``Idempotency-Key``.
SENDING = ("start_verification", "resend_code", "send_message")

Run = Callable[..., HttpResponse]


class ApiKey(HttpBearer):
    """``Authorization: Bearer KEY``, one of ``API_KEYS``, with one of the scopes."""

    def __init__(self, *scopes: str) -> None:
        super().__init__()
        self._scopes = scopes

    def authenticate(self, request: HttpRequest, token: str) -> Access | None:
        """What the key may do, None for a key that nobody has. Raises ``Denied``."""
        name = keys.owner(token, settings.API_KEYS)
        if name is None:
            return None
        found = access.find(name, settings.API_ACCESS)
        found.require_scope(*self._scopes)
        return found


class WrongMediaType(Exception):
    """The body is not declared as JSON."""


class JsonParser(Parser):
    """Reads JSON bodies only, so that no form of another site can post here."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type != "application/json":
            raise WrongMediaType
        return super().parse_body(request)


_RETRY_AFTER = {
    "description": "Seconds to wait.",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}

#: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
_RATE_LIMIT = {
    name: {"description": text, "required": True, "schema": {"type": "string"}}
    for name, text in {
        "RateLimit-Policy": 'The limit that was reached: its name, quota and seconds, as "phone";q=5;w=600.',
        "RateLimit": 'What is left of it, and seconds until there is more, as "phone";r=0;t=120.',
    }.items()
}

#: A name that a field could have.
_FIELD = re.compile(r"[A-Za-z][A-Za-z_]{0,31}")


class Api(NinjaAPI):
    """NinjaAPI whose description tells each operation's own errors, and has examples that work."""

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**kwargs)
        schemas = schema["components"]["schemas"]
        schemas["Problem"] = problems.schema()
        for path in schema["paths"].values():
            for operation in path.values():
                sends = operation["operationId"] in SENDING
                operation["responses"] |= problems.described(operation["operationId"])
                for status, response in operation["responses"].items():
                    if int(status) in (429, 503) or (sends and int(status) == 409):
                        # With 409 only where waiting helps.
                        response["headers"] = {"Retry-After": _RETRY_AFTER | {"required": int(status) != 409}}
                    if int(status) == 429:
                        response["headers"] |= _RATE_LIMIT
                if sends:
                    idempotency.described(operation)
                for content in operation.get("requestBody", {}).get("content", {}).values():
                    content["example"] = _example(schemas[content["schema"]["$ref"].rpartition("/")[2]])
        return schema


def _example(body: dict[str, Any]) -> dict[str, Any]:
    """What a body must hold, and no more: some of the rest only certain keys may send."""
    return {name: body["properties"][name]["examples"][0] for name in body["required"]}


api = Api(
    title="Otpost",
    version="1",
    description="Phone verification that you host yourself. Every error is a problem document (RFC 9457).",
    auth=ApiKey(),
    parser=JsonParser(),
    docs_url="/docs",
    openapi_url="/openapi.json",
    urls_namespace="v1",
)


def _guarded(run: Run) -> Run:
    """Ask for a key with the scope of this operation, and send once what is asked for twice."""
    operation: Operation = run.__self__  # type: ignore[attr-defined]  # ninja hands over a method of it
    if not operation.auth_callbacks:
        return run
    key = ApiKey(*SCOPES.get(operation.operation_id or "", ()))
    operation.auth_callbacks = [key]
    if operation.operation_id not in SENDING:
        return run

    @functools.wraps(run)
    def once(request: HttpRequest, **path: Any) -> HttpResponse:
        def answer() -> HttpResponse:
            if found and operation.operation_id == "send_message":  # codes are counted as they are issued
                services.count_message(Caller(found.name, limits=found.limits))
            return run(request, **path)

        try:
            found = key(request)
            if found and idempotency.HEADER in request.headers:
                return idempotency.once(request, found.name, answer)
            return answer()
        except (Denied, RateLimited, RequestDataTooBig, StoreUnavailable) as error:
            return api.on_exception(request, error)

    return once


api.add_decorator(_guarded, mode="view")
api.add_router("", otp.views.router)
api.add_router("", sms.views.router)


@api.exception_handler(AuthenticationError)
def _unauthorised(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    response = problem(401, "unauthorized", "Send a valid key as Authorization: Bearer KEY.")
    response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(Denied)
def _denied(request: HttpRequest, error: Denied) -> HttpResponse:
    return problem(403, error.code, error.detail)


@api.exception_handler(HttpError)
def _unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Ninja turns whatever a parser raises into an ``HttpError`` 400."""
    if isinstance(error.__cause__, WrongMediaType):
        return problem(415, "unsupported_media_type", "Send the body as Content-Type: application/json.")
    return problem(400, "malformed_json", "The body is not valid JSON.")


@api.exception_handler(RequestDataTooBig)
def _too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem(413, "body_too_large", "A body may have at most 16 KiB.")


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Name the first field that is wrong, without repeating what it held."""
    first = error.errors[0]
    if first["type"] == "extra_forbidden":
        return _unknown_field(str(first["loc"][-1]))
    field = ".".join(str(part) for part in first["loc"][2:])
    code = "field_missing" if first["type"] == "missing" else "field_invalid"
    detail = f"{field}: {first['msg']}." if field else "The body must be a JSON object."
    return problem(422, code, detail, field=field)


def _unknown_field(name: str) -> HttpResponse:
    """Tell a misspelled name, and nothing that is none: a number or a code may stand in its place."""
    told = name if _FIELD.fullmatch(name) else ""
    return problem(
        422, "field_unknown", f"This operation has no field {told or 'of such a name'}.", field=told
    )


@api.exception_handler(NotAllowed)
def _not_allowed(request: HttpRequest, error: NotAllowed) -> HttpResponse:
    if error.field == "id":
        return problem(409, error.code, error.detail)
    if error.field == "challenge":
        return problem(403, error.code, error.detail, field=error.field)
    return problem(422, error.code, error.detail, field=error.field)


@api.exception_handler(RateLimited)
def _rate_limited(request: HttpRequest, error: RateLimited) -> HttpResponse:
    response = problem(
        429, error.code, error.detail, retry_after=error.retry_after, more={"limit": error.limit}
    )
    for name, value in refusals.headers(error).items():
        response[name] = value
    return response


@api.exception_handler(StoreUnavailable)
def _unavailable(request: HttpRequest, error: StoreUnavailable) -> HttpResponse:
    return problem(503, error.code, error.detail, retry_after=error.retry_after)
