"""``/widget.js`` and ``/puzzle.js``, which pages of other sites load: at one address, whatever runs here."""

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

#: Seconds. A browser looks for a newer one after that.
MAX_AGE = 300


@login_not_required
@gzip_page
@cache_control(public=True, max_age=MAX_AGE)
@require_safe
def script(request: HttpRequest, name: str) -> HttpResponse:
    """The element ``<otpost-verify>``, or what solves a puzzle for it. Every page may load them; which may
    ask for something, says ``door``.
    """
    content, version = _read(name)
    headers = {
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",  # or it could be no module
    }
    response = HttpResponse(content, "text/javascript; charset=utf-8", headers=headers)
    return etags.answer(request, response, version)


@cache
def _read(name: str) -> tuple[bytes, str]:
    content = (FOLDER / name).read_bytes()
    return content, etags.version(content)
