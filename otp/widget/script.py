"""``/widget.js``, which pages of other sites load: at one address, whatever version runs here."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.views.decorators.cache import cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

FILE = Path(__file__).parents[1] / "static" / "otp" / "widget.js"

#: Seconds. A browser looks for a newer one after that.
MAX_AGE = 300


@gzip_page
@cache_control(public=True, max_age=MAX_AGE)
@require_safe
def script(request: HttpRequest) -> HttpResponse:
    """The element ``<otpost-verify>``. Every page may load it; which may ask for something, says ``door``."""
    content, tag = _read()
    headers = {
        "ETag": tag,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",  # or it could be no module
    }
    response = HttpResponse(content, "text/javascript; charset=utf-8", headers=headers)
    return get_conditional_response(request, etag=tag, response=response) or response


@cache
def _read() -> tuple[bytes, str]:
    content = FILE.read_bytes()
    return content, quote_etag(hashlib.sha256(content).hexdigest()[:32])
