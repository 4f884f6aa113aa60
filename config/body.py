"""The body of a request: read once an operation asks for it, and only so far."""

from __future__ import annotations

import io
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig


class BodyLate(BadRequest):
    """The body did not come in time, or not to its end."""


class Body:
    """The ``wsgi.input`` of one request.

    ``fetch`` returns the whole body or raises ``BodyLate``. Nothing calls it before Django, so a request
    that is refused by its head alone waits for no body.
    """

    def __init__(self, fetch: Callable[[], bytes]) -> None:
        self._fetch = fetch
        self._content: io.BytesIO | None = None
        self.late = False

    def read(self, size: int = -1) -> bytes:
        return self._whole().read(size)

    def readline(self, size: int = -1) -> bytes:
        return self._whole().readline(size)

    def _whole(self) -> io.BytesIO:
        if self._content is None:
            try:
                content = self._fetch()
            except BodyLate:
                self.late = True
                raise
            if len(content) > longest():
                raise RequestDataTooBig("The body is too large.")
            self._content = io.BytesIO(content)
        return self._content


def longest() -> int:
    """Bytes that a body may have."""
    found: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return found
