"""The reference of errors has every ``code`` of the API, and no other."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from otp.api.described import OPERATIONS, PROBLEMS
from otp.errors import RateLimited, StoreUnavailable
from sms.problems import BARE
from tests.documented import ERRORS

ROOT = Path(__file__).parents[2]

#: Where the code stands: the name of what is called, and its place among the arguments.
PLACES = {"problem": 1, "fixed": 1, "InvalidNumber": 0, "Denied": 0}
NAMED = {"NotAllowed", "RateLimited", "StoreUnavailable"}

#: What ``otp.admission.refusals`` takes over from a status of the handler.
STATUSES = {(409, "expired"), (409, "blocked"), (429, "pending"), (429, "blocked")}

#: Only for callers in Python: the API itself refuses a code that is not a text (``field_invalid``).
IN_PYTHON = {"code_missing"}

#: Only for the script of the widget, which is not part of the API: otp/widget/door.py.
IN_THE_WIDGET = {"opened_elsewhere", "origin_not_allowed", "session_expired"}


def written() -> Iterator[str]:
    """Every code that is a literal in the source."""
    for folder in ("otp", "sms", "config"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield from texts(node)
                elif isinstance(node, ast.Tuple):  # sms.phone keeps its codes in tables, each with its text
                    yield from (code for code in constants(*node.elts[:1]) if code.startswith("phone_"))
                elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "code":
                    either = node.value if isinstance(node.value, ast.IfExp) else None
                    yield from constants(either.body, either.orelse) if either else ()


def texts(call: ast.Call) -> Iterator[str]:
    name = getattr(call.func, "id", "")
    if name in PLACES:
        yield from constants(*call.args[PLACES[name] : PLACES[name] + 1])
    if name in NAMED:
        yield from constants(*(word.value for word in call.keywords if word.arg == "code"))


def constants(*nodes: ast.expr) -> Iterator[str]:
    yield from (
        node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_the_page_has_every_code_and_no_other():
    """The status of each is checked wherever a test meets it, see ``tests.conftest.Api``."""
    defaults = {
        inspect.signature(error).parameters["code"].default for error in (RateLimited, StoreUnavailable)
    }
    bare = {(status, code) for status, (code, _) in BARE.items()}
    found = {*written(), *defaults, *(code for _, code in bare | STATUSES)}
    assert found == {code for _, code in ERRORS} | IN_PYTHON | IN_THE_WIDGET
    assert bare | STATUSES <= ERRORS


def test_the_page_is_that_of_the_description():
    assert PROBLEMS.keys() == ERRORS


def test_every_error_is_one_of_an_operation_or_of_none():
    """Errors of an address or method that does not exist are of no operation."""
    of_operations = {
        (status, code) for codes in OPERATIONS.values() for status, of in codes.items() for code in of
    }
    assert ERRORS - of_operations == {(403, "forbidden"), (404, "not_found"), (405, "method_not_allowed")}
