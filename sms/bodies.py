"""Bodies with a bound of their own, in place of Django's (``DATA_UPLOAD_MAX_MEMORY_SIZE``)."""

from __future__ import annotations

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest


def read(request: HttpRequest, largest: int) -> bytes:
    """The body, of so many bytes at most, for whoever asks the request for it afterwards too.

    Raises ``RequestDataTooBig``.
    """
    content = request.read(largest + 1)
    if len(content) > largest:
        raise RequestDataTooBig("The body is too large.")
    request._body = content  # where Django itself keeps it
    return content
