"""The API's answers other than 2xx: the reference of errors, and what describes each operation."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

_SECTION = re.compile(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def errors() -> set[tuple[int, str]]:
    """Every status and ``code`` of the page."""
    text = (Path(__file__).parents[1] / "docs" / "reference" / "errors.md").read_text()
    return {
        (int(status), section[1])
        for section in _SECTION.finditer(text)
        for status in re.findall(r"^\*\*(\d{3})\*\*: ", section[2], re.MULTILINE)
    }


ERRORS = errors()


@cache
def _operations() -> list[tuple[str, re.Pattern[str], dict[str, Any]]]:
    from otp.api.v1 import api  # the settings must stand first

    return [
        (method.upper(), re.compile(re.sub(r"{\w+}", "[^/]+", path)), operation)
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method, operation in methods.items()
    ]


def described(method: str, path: str) -> set[tuple[int, str]]:
    """Every status and ``code`` that ``/v1/openapi.json`` has for a request; none for no operation."""
    return {
        (int(status), code)
        for asked, pattern, operation in _operations()
        if asked == method and pattern.fullmatch(path)
        for status, response in operation["responses"].items()
        for content in response.get("content", {}).values()
        for code in content.get("examples", {})
    }
