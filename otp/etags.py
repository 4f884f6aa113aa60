"""Content that browsers cache: its version, and the answer 304 for a browser that has this version."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag


def version(content: bytes) -> str:
    """The version of this content. Any other content has another one."""
    return hashlib.sha256(content).hexdigest()[:32]


def answer(request: HttpRequest, response: HttpResponse, version: str) -> HttpResponse:
    """``response``, whose content has this version, or 304 where the browser has it."""
    response["ETag"] = tag = quote_etag(version)
    return get_conditional_response(request, etag=tag, response=response) or response


def constant(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For a page that never changes: make it once per process, and send it once to each browser."""
    kept: list[tuple[bytes, str, str]] = []

    def kept_answer(request: HttpRequest, **path: Any) -> HttpResponse:
        if not kept:
            made = view(request, **path)
            kept.append((made.content, made["Content-Type"], version(made.content)))
        content, content_type, tag = kept[0]
        response = HttpResponse(content, content_type, headers={"Cache-Control": "no-cache"})
        return answer(request, response, tag)

    return kept_answer
