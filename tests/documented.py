"""What the API may answer that is none of 2xx: the README's table, and the description of each operation."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

_ROW = re.compile(r"^\| (\d{3}) ((?:`\w+`(?:, )?)+) \|", re.MULTILINE)


def errors() -> set[tuple[int, str]]:
    """Every status and ``code`` of the table."""
    text = (Path(__file__).parents[1] / "README.md").read_text()
    return {(int(row[1]), code) for row in _ROW.finditer(text) for code in re.findall(r"\w+", row[2])}


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
