"""Django as WSGI: ``granian --interface wsgi config.wsgi:application``, or any other WSGI server.

``python -m config.web`` serves it with limits that WSGI has not: see config/rsgi.py.
"""

import encodings.unicode_escape  # noqa: F401  # or Django's log opens it with the first error, and maybe cannot
import gc
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from django.core.management.base import BaseCommand, SystemCheckError
from django.core.wsgi import get_wsgi_application

from config.body import Body, longest
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

# What is here by now stays, and requests leave few cycles: less of a request's time goes into the search for them.
gc.collect()
gc.freeze()
gc.set_threshold(10_000)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django, with bodies that are read when they are asked for, and with a length for those in chunks."""
    given, chunked = environ["wsgi.input"], "HTTP_TRANSFER_ENCODING" in environ
    if isinstance(given, Body):
        return _django(environ, start_response)
    most = longest() + 1  # so that what is larger is refused as such
    length = most if chunked else min(int(environ.get("CONTENT_LENGTH") or 0), most)
    more: dict[str, Any] = {"wsgi.input": Body(lambda: given.read(length) if length else b"")}
    if chunked:  # Django reads no further than this
        more["CONTENT_LENGTH"] = str(longest())
    return _django(environ | more, start_response)
