"""``/widget.js`` and ``/puzzle.js``, which pages of other sites load. Their URLs never change."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from otp import etags

FOLDER = Path(__file__).parents[1] / "static" / "otp"

#: Seconds after which a browser asks for a newer version.
MAX_AGE = 300


@login_not_required
@gzip_page
@cache_control(public=True, max_age=MAX_AGE)
@require_safe
def script(request: HttpRequest, name: str) -> HttpResponse:
    """The element ``<otpost-verify>``, or the script that solves a puzzle. Every page may load them. ``door``
    decides which pages may use them.
    """
    content, version = _read(name)
    headers = {
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",  # modules need it
    }
    response = HttpResponse(content, "text/javascript; charset=utf-8", headers=headers)
    return etags.answer(request, response, version)


@cache
def _read(name: str) -> tuple[bytes, str]:
    content = (FOLDER / name).read_bytes()
    return content, etags.version(content)
