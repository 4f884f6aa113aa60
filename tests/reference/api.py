"""``http-api.md``: every operation of ``/v1/openapi.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from otp.api.v1 import api
from tests.reference.words import anchor, code, joined, paragraph, prose, table

INTRO = """
This page is generated from `/v1/openapi.json`, which every installation serves. There you can also make
each call with your key, on `/v1/docs`. [The HTTP API](../http-api.md)
shows how the calls work together.

Send `Authorization: Bearer KEY` and `Content-Type: application/json`. A body may have 16 KiB. A
field that an operation does not know is refused. [Errors](errors.md) has the cause and the fix of each
error.
"""


class Operation(NamedTuple):
    id: str
    address: str  # with its method
    title: str
    described: Mapping[str, Any]


@cache
def operations() -> list[Operation]:
    return [
        Operation(one["operationId"], f"{method.upper()} {path}", one["summary"], one)
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method, one in methods.items()
    ]


def page() -> str:
    index = [(code(one.address), f"[{one.title}](#{anchor(one.title)})") for one in operations()]
    return joined(
        "# HTTP API", prose(INTRO), table(("call", ""), index), *(_operation(one) for one in operations())
    )


def _operation(one: Operation) -> str:
    described = one.described
    return joined(
        f"## {one.title}",
        code(one.address),
        paragraph(described.get("description", "")),
        _parameters(described),
        _body(described),
        *_answers(described),
    ).rstrip()


def _parameters(described: Mapping[str, Any]) -> str:
    rows = [
        (code(one["name"]), one["in"], _type(one["schema"]), _text(one.get("description", "")))
        for one in described.get("parameters", [])
        if one["in"] != "path"
    ]
    return table(("parameter", "in", "type", "meaning"), rows) if rows else ""


def _body(described: Mapping[str, Any]) -> str:
    content = described.get("requestBody", {}).get("content", {}).get("application/json")
    if not content:
        return ""
    schema = _resolved(content["schema"])
    required = schema.get("required", [])
    rows = [
        (code(name), _type(field), "yes" if name in required else "no", _text(_said(field)))
        for name, field in schema["properties"].items()
    ]
    return joined("The body:", table(("field", "type", "required", "meaning"), rows)).rstrip()


def _answers(described: Mapping[str, Any]) -> Iterator[str]:
    errors = []
    for status, answer in sorted(described["responses"].items()):
        content = answer.get("content", {})
        if "application/json" in content:
            yield f"Answers **{status}**:"
            yield f"```json\n{_json(content['application/json']['example'])}\n```"
            schema = _resolved(content["application/json"]["schema"])
            rows = [
                (code(name), _type(field), _text(_said(field)))
                for name, field in schema["properties"].items()
            ]
            yield table(("field", "type", "meaning"), rows)
        elif content:
            codes = next(iter(content.values()))["examples"]
            errors.append((str(status), ", ".join(f"[{code(name)}](errors.md#{name})" for name in codes)))
        else:
            yield f"Answers **{status}** without a body."
    yield table(("error", "codes"), errors)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _resolved(api.get_openapi_schema()["components"]["schemas"][name])
    return schema


def _type(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    found = _resolved(schema)
    if "enum" in found:
        return " or ".join(code(str(value)) for value in found["enum"])
    if "const" in found:
        return code(str(found["const"]))
    if found.get("type") == "array":
        return f"array of {_type(found['items'])}"
    return str(found.get("type", "any"))


def _said(field: Mapping[str, Any]) -> str:
    """The description of the field, or of what it refers to."""
    nested = [_resolved(one) for one in (field, *field.get("anyOf", [])) if "$ref" in one]
    return field.get("description") or next((str(one.get("description", "")) for one in nested), "")


def _text(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")
