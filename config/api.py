"""The HTTP API as one: routers, authentication, errors as problem documents, and its description."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser
from ninja.security import HttpBearer

import otp.views
import sms.views
from otp import keys
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from sms.problems import CONTENT_TYPE, problem


class ApiKey(HttpBearer):
    """``Authorization: Bearer KEY``, one of ``API_KEYS``."""

    def authenticate(self, request: HttpRequest, token: str) -> str | None:
        return keys.owner(token, settings.API_KEYS)


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


class Api(NinjaAPI):
    """NinjaAPI whose description names problem documents as what they are."""

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**kwargs)
        for path in schema["paths"].values():
            for operation in path.values():
                operation["responses"][500] = {
                    "description": "Internal Server Error",
                    "content": {"": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
                for status, response in operation["responses"].items():
                    if int(status) >= 400:
                        (content,) = response["content"].values()
                        response["content"] = {CONTENT_TYPE: content}
                    if int(status) in (429, 503):
                        response["headers"] = {"Retry-After": _RETRY_AFTER}
                    if int(status) == 429:
                        response["headers"] |= _RATE_LIMIT
        return schema


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
api.add_router("", otp.views.router)
api.add_router("", sms.views.router)


@api.exception_handler(AuthenticationError)
def _unauthorised(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    response = problem(401, "unauthorized", "Send a valid key as Authorization: Bearer KEY.")
    response["WWW-Authenticate"] = "Bearer"
    return response


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
    field = ".".join(str(part) for part in first["loc"][2:]) or str(first["loc"][-1])
    code = "field_missing" if first["type"] == "missing" else "field_invalid"
    return problem(422, code, f"{field}: {first['msg']}.", field=field)


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
    window = f";w={error.window}" if error.window else ""
    response["RateLimit-Policy"] = f'"{error.limit}";q={error.quota}{window}'
    response["RateLimit"] = f'"{error.limit}";r=0;t={error.retry_after}'
    return response


@api.exception_handler(StoreUnavailable)
def _unavailable(request: HttpRequest, error: StoreUnavailable) -> HttpResponse:
    return problem(503, error.code, error.detail, retry_after=error.retry_after)
