"""The HTTP API ``/v1/``: its routers, problem documents, ``Idempotency-Key``, and its OpenAPI document."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, get_args

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser
from pydantic import ValidationError

import otp.api.sessions
import otp.api.verifications
import sms.views
from otp import etags
from otp.api import described, examples, idempotency, problems
from otp.api.docs import Docs
from sms.bearer import ApiKey
from sms.problems import Body

#: Operations that send a message. They accept an ``Idempotency-Key``.
SENDING = ("start_verification", "resend_code", "send_message")

JSON = "application/json"

Run = Callable[..., HttpResponse]


class JsonParser(Parser):
    """Accepts only JSON, so that forms of other sites cannot post here."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type != JSON:
            raise problems.WrongMediaType
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
        "RateLimit-Policy": 'The limit reached: its name, quota and seconds, such as "phone";q=5;w=600.',
        "RateLimit": 'What is left of it, and seconds until there is more, such as "phone";r=0;t=120.',
    }.items()
}


class Api(NinjaAPI):
    """A NinjaAPI whose OpenAPI document has the errors of each operation, and examples that work."""

    @property
    def urls(self) -> Any:
        """Exempt from Django's LoginRequiredMiddleware, because API keys authenticate."""
        found: Any = super().urls
        for pattern in found[0]:
            login_not_required(pattern.callback)
        return found

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**kwargs)
        schemas = schema["components"]["schemas"]
        schemas["Problem"] = described.schema()
        for path in schema["paths"].values():
            for operation in path.values():
                name = operation["operationId"]
                sends = name in SENDING
                operation["responses"] |= described.described(name)
                for status, response in operation["responses"].items():
                    if int(status) < 300 and name in examples.ANSWERS:
                        response["content"][JSON]["example"] = examples.ANSWERS[name]
                    if int(status) in (429, 503) or (sends and int(status) == 409):
                        # With 409 it is optional, because waiting does not always help.
                        response["headers"] = {"Retry-After": _RETRY_AFTER | {"required": int(status) != 409}}
                    if int(status) == 429:
                        response["headers"] |= _RATE_LIMIT
                if sends:
                    idempotency.described(operation)
                for parameter in operation.get("parameters", ()):
                    parameter.pop("examples", None)  # ninja writes a list where OpenAPI wants a map
                for content in operation.get("requestBody", {}).get("content", {}).values():
                    if "anyOf" in content["schema"]:  # the body is optional, but not nullable
                        content["schema"] = content["schema"]["anyOf"][0]
                        operation["requestBody"]["required"] = False
                    content["example"] = _example(schemas[content["schema"]["$ref"].rpartition("/")[2]])
        return schema


def _example(body: dict[str, Any]) -> dict[str, Any]:
    """A body with only its required fields, since some of the others are only for certain keys. If one of
    several fields is enough, it has the first.
    """
    first = body.get("else", {"required": list(body["properties"])[:1]})
    names = body.get("required") or first["required"]
    return {name: body["properties"][name]["examples"][0] for name in names}


api = Api(
    title="Otpost",
    version="1",
    description="Phone verification that you host yourself. Every error is a problem document (RFC 9457).",
    auth=ApiKey(),  # operations name their scopes; one that names none is closed
    parser=JsonParser(),
    docs=Docs(),
    docs_url="/docs",
    docs_decorator=etags.constant,
    openapi_url="/openapi.json",
    urls_namespace="v1",
)


def _body_of(annotation: Any) -> type[Body] | None:
    """The model of a parameter, if it is the body, required or optional."""
    kinds = get_args(annotation) or (annotation,)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Body)), None)


def _straight(run: Run) -> Run:
    """A fast path for operations that a key opens. Malformed bodies still go through ninja.

    Ninja itself makes a model of the path, one around that of the body, and a response to fill in. That takes
    longer than checking a code. ``Idempotency-Key`` is handled here, too.
    """
    operation: Operation = run.__self__  # type: ignore[attr-defined]  # a bound method of the operation
    sources = {model.__ninja_param_source__ for model in operation.models}
    if not operation.auth_callbacks or not sources <= {"path", "body"}:
        return run
    (key,) = operation.auth_callbacks
    parameters = operation.signature.params
    bodies = {one.name: body for one in parameters if (body := _body_of(one.annotation))}
    optional = {one.name: None for one in parameters if one.name in bodies and get_args(one.annotation)}

    @functools.wraps(run)
    def answer(request: HttpRequest, **path: Any) -> HttpResponse:
        holder = key(request)
        if holder is None:
            raise AuthenticationError
        if idempotency.VARIABLE in request.META and operation.operation_id in SENDING:
            return idempotency.once(request, holder.name, lambda: run(request, **path))
        read: dict[str, Any] = optional
        if not optional or request.body:
            if bodies and request.content_type != JSON:
                return run(request, **path)
            try:
                read = {name: body.model_validate_json(request.body) for name, body in bodies.items()}
            except ValidationError:
                return run(request, **path)
        request.auth = holder  # type: ignore[attr-defined]  # as ninja does
        response: Any = operation.view_func(request, **path, **read)
        if not isinstance(response, HttpResponse):
            response = operation._result_to_response(request, response, api.create_temporal_response(request))
        return response  # type: ignore[no-any-return]  # ninja types no views

    return problems.answered(answer)


api.add_decorator(_straight, mode="view")
api.add_router("", otp.api.verifications.router)
api.add_router("", otp.api.sessions.router)
api.add_router("", sms.views.router)

for _kind in problems.RAISED_BY_NINJA:
    api.add_exception_handler(_kind, lambda _, error: problems.answer(error))  # type: ignore[arg-type]
