"""Read request bodies with their own size limit instead of Django's (``DATA_UPLOAD_MAX_MEMORY_SIZE``)."""

from __future__ import annotations

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest


def read(request: HttpRequest, largest: int) -> bytes:
    """The body, of at most ``largest`` bytes. ``request.body`` also works afterwards.

    Raises ``RequestDataTooBig``.
    """
    content = request.read(largest + 1)
    if len(content) > largest:
        raise RequestDataTooBig("The body is too large.")
    request._body = content  # Django keeps it there too
    return content
