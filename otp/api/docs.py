"""``/v1/docs``: the API reference as an HTML page. With JavaScript, readers can try each operation there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

Schema = Mapping[str, Any]


class Field(NamedTuple):
    """A field of a body, or a parameter."""

    name: str
    kind: str  # "string", "list of sms | voice"
    place: str = ""  # of a parameter: path, query, header
    required: bool = False
    description: str = ""
    example: str = ""


class Answer(NamedTuple):
    """A possible answer of an operation: a success, or an error code."""

    status: int
    word: str  # the code of an error, else the phrase of the status
    example: str  # JSON, "" for an answer without a body


class Operation(NamedTuple):
    """An operation as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    by_key: bool  # an API key opens it, so the page can offer to try it
    parameters: list[Field]
    body: list[Field]
    body_example: str
    answer: list[Field]
    answers: list[Answer]
    errors: list[Answer]


class Docs(DocsBase):
    """Replaces ninja's own page, which phones and screen readers cannot use."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        document = json.loads(json.dumps(api.get_openapi_schema(path_params=kwargs)))
        groups: dict[str, list[Operation]] = {}
        for path, methods in document["paths"].items():
            for method, found in methods.items():
                read = _Reader(document).operation(method, path, found)
                groups.setdefault(found["tags"][0], []).append(read)
        about = {"info": document["info"], "address": self.get_openapi_url(api, kwargs)}
        return render(request, "otp/docs.html", about | {"groups": groups.items()})


class _Reader:
    """Reads operations from an OpenAPI document, and resolves the schemas that they name."""

    def __init__(self, document: Schema) -> None:
        self.document = document

    def operation(self, method: str, path: str, found: Schema) -> Operation:
        body = _content(found.get("requestBody", {}))
        good = {status: answer for status, answer in found["responses"].items() if int(status) < 400}
        bad = {status: answer for status, answer in found["responses"].items() if int(status) >= 400}
        return Operation(
            id=found["operationId"],
            method=method.upper(),
            path=path,
            summary=found["summary"],
            description=marked(found["description"]),
            by_key="security" in found,
            parameters=[self.parameter(one) for one in found.get("parameters", ())],
            body=[
                field._replace(required=field.name in self.named(body["schema"]).get("required", ()))
                for field in self.fields(body.get("schema"))
            ],
            body_example=_json(body.get("example")),
            answer=[
                field for answer in good.values() for field in self.fields(_content(answer).get("schema"))
            ],
            answers=[
                Answer(int(status), HTTPStatus(int(status)).phrase, _json(_content(answer).get("example")))
                for status, answer in good.items()
            ],
            errors=[
                Answer(int(status), code, _json(example["value"]))
                for status, answer in sorted(bad.items())
                for code, example in _content(answer)["examples"].items()
            ],
        )

    def parameter(self, found: Schema) -> Field:
        schema = found["schema"]
        example = schema.get("examples", [""])[0] if found["name"] == "to" else ""  # one of the two is enough
        return Field(
            name=found["name"],
            kind=self.kind(schema),
            place=found["in"],
            required=found["required"],
            description=marked(found.get("description") or schema.get("description", "")),
            example=example,
        )

    def fields(self, schema: Schema | None, within: str = "") -> Iterator[Field]:
        """The fields of a body. Nested ones are named by their path: ``stories[].lines``."""
        for name, found in self.named(schema or {}).get("properties", {}).items():
            at = f"{within}{name}"
            yield Field(at, self.kind(found), description=marked(found.get("description", "")))
            yield from self.fields(found.get("items"), f"{at}[].")
            for one in found.get("anyOf", ()):
                yield from self.fields(one, f"{at}.")

    def kind(self, schema: Schema) -> str:
        """The type of a value in words: ``list of sms | voice``, ``string (up to 64 characters)``."""
        schema = self.named(schema)
        if "anyOf" in schema:
            return " or ".join(dict.fromkeys(self.kind(one) for one in schema["anyOf"]))
        if "enum" in schema:
            return " | ".join(schema["enum"])
        if schema["type"] == "array":
            return f"list of {self.kind(schema['items'])}"
        most = f" (up to {schema['maxLength']} characters)" if "maxLength" in schema else ""
        return f"{schema.get('format', schema['type'])}{most}"

    def named(self, schema: Schema) -> Schema:
        """The schema, or the one that its ``$ref`` names."""
        if "$ref" not in schema:
            return schema
        found: Schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found


def _content(answer: Schema) -> Schema:
    """The content of a body or an answer, which has one media type. Empty if there is none."""
    return next(iter(answer.get("content", {}).values()), {})


def marked(text: str) -> SafeString:
    """``text`` as HTML: escaped, with the parts between ` as code."""
    parts = enumerate(text.split("`"))
    return mark_safe("".join(format_html("<code>{}</code>" if at % 2 else "{}", part) for at, part in parts))  # noqa: S308  # each part is escaped


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)
