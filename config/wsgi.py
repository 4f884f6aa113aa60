"""The web server's entry: ``granian --interface wsgi config.wsgi:application``."""

import encodings.unicode_escape  # noqa: F401  # or Django's log opens it with the first error, and maybe cannot
import io
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, SystemCheckError
from django.core.wsgi import get_wsgi_application

from config.start import plainly

#: Seconds that Redis and the broker have to say what they are.
PATIENCE = 5.0

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

with plainly():
    _django = get_wsgi_application()
    # Refuse to start on settings that cannot work; `manage.py` does so by itself.
    BaseCommand().check()


def _refuse_servers_that_cannot_work() -> None:
    """Raise what is wrong with them. One that does not answer in time keeps nobody from starting: it may
    well come back, and /readyz tells of it.
    """
    from sms.checks import SERVERS

    found: list[SystemCheckError] = []

    def ask() -> None:
        try:
            BaseCommand().check(tags=[SERVERS], include_deployment_checks=True)
        except SystemCheckError as error:
            found.append(error)

    # Time limits of the clients' own would not cover the look-up of a host's name.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    if found:
        raise found[0]


with plainly():
    _refuse_servers_that_cannot_work()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django, with a length for bodies that come in chunks: without one it reads nothing of them.

    No more is read than a body may have, and one byte, so that what is larger is refused as such.
    """
    if "HTTP_TRANSFER_ENCODING" in environ:
        body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    return _django(environ, start_response)
