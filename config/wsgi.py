"""Django as a WSGI application. Bodies are read only when an operation asks for them, up to their limit.

Any WSGI server can run it, such as ``granian --interface wsgi config.wsgi:application``. ``python -m
config.web`` adds limits that WSGI does not have: see config/rsgi.py.
"""

import encodings.unicode_escape  # noqa: F401  # Django's log needs it for the first error, when files may be exhausted
import gc
import io
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.core.management.base import SystemCheckError
from django.core.wsgi import get_wsgi_application

from config.start import check, plainly

#: Seconds that Redis and the broker have to answer the checks at the start.
PATIENCE = 5.0

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def _refuse_servers_that_cannot_work() -> None:
    """Raise an error if Redis or the broker cannot work with these settings.

    A server that does not answer in time does not prevent the start. It may come back, and /readyz reports
    it.
    """
    from sms.checks import SERVERS

    found: list[SystemCheckError] = []

    def ask() -> None:
        try:
            check(tags=[SERVERS], include_deployment_checks=True)
        except SystemCheckError as error:
            found.append(error)

    # In a thread, because the clients' own timeouts do not cover DNS.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    if found:
        raise found[0]


with plainly():
    _django = get_wsgi_application()
    check()
    _refuse_servers_that_cannot_work()

# Everything loaded so far stays, and requests leave few cycles. Collecting them took 4 % of a request.
gc.collect()
gc.freeze()
gc.set_threshold(10_000)

#: Bytes of a body, except at the URLs that ``longest`` knows.
LONGEST: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def longest(path: str) -> int:
    """Bytes that a body may have at ``path``."""
    from otp.hooks import supabase  # needs Django to be set up
    from sms import registry

    own = 0
    match path.split("/"):
        case "", "v1", "receipts" | "inbound", alias if found := registry.aliases().get(alias):
            own = found.provider.largest_body
        case "", "v1", "hooks", "supabase":
            own = supabase.LARGEST
    return max(LONGEST, own)


class BodyLate(BadRequest):
    """The body did not arrive completely in time."""


class Body:
    """The ``wsgi.input`` of one request.

    ``fetch`` returns the whole body or raises ``BodyLate``. It is called when Django reads the body. So a
    request that is refused by its headers does not wait for it.
    """

    def __init__(self, fetch: Callable[[], bytes], longest: int) -> None:
        self._fetch, self._longest = fetch, longest
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
            if len(content) > self._longest:
                raise RequestDataTooBig("The body is too large.")
            self._content = io.BytesIO(content)
        return self._content


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Call Django with a ``Body``, and with a length even for a body in chunks."""
    given, chunked = environ["wsgi.input"], "HTTP_TRANSFER_ENCODING" in environ
    if isinstance(given, Body):
        return _django(environ, start_response)
    most = longest(environ["PATH_INFO"])
    length = most + 1  # one more than allowed, so that larger bodies are refused
    if not chunked:
        length = min(length, int(environ.get("CONTENT_LENGTH") or 0))
    more: dict[str, Any] = {"wsgi.input": Body(lambda: given.read(length) if length else b"", most)}
    if chunked:  # Django reads no further than this
        more["CONTENT_LENGTH"] = str(most)
    return _django(environ | more, start_response)
