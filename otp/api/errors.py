"""``/v1/errors``: the cause and the fix of each error. The ``type`` of a problem leads to its code there."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from otp import etags
from otp.api.described import PROBLEMS
from otp.api.docs import marked

_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")
_CODES = frozenset(code for _, code in PROBLEMS)


class Meaning(NamedTuple):
    """The texts of a code with one of its statuses."""

    status: int
    because: SafeString
    fix: SafeString
    detail: str  # an example
    field: str


def address(code: str) -> str:
    """The paragraph about ``code``; "" for a code of the widget's own, or if no URLconf has the page."""
    try:
        return f"{reverse('otp:errors')}#{code}" if code in _CODES else ""
    except NoReverseMatch:
        return ""


@cache
def words() -> dict[str, dict[str, str]]:
    """``because`` and ``fix`` from ``errors.toml``, by status and code."""
    return tomllib.loads(Path(__file__).with_name("errors.toml").read_text())


@login_not_required
@require_safe
@etags.constant
def page(request: HttpRequest) -> HttpResponse:
    codes: dict[str, list[Meaning]] = {}
    for (status, code), known in PROBLEMS.items():
        told = words()[f"{status} {code}"]
        meaning = Meaning(status, _plain(told["because"]), _plain(told["fix"]), known.detail, known.field)
        codes.setdefault(code, []).append(meaning)
    return render(request, "otp/error_codes.html", {"codes": codes.items()})


def _plain(text: str) -> SafeString:
    """Replace each link by its words, since this server does not have the documentation to which it leads."""
    return marked(_LINK.sub(r"\1", text))
