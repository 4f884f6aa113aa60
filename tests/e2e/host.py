"""A page of another site, and an Otpost beside it: both in this process, on ports of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.wsgi import get_wsgi_application

from otp.api.access import parse
from tests.serving import serving


@contextmanager
def served_otpost(settings: Any) -> Iterator[str]:
    """Otpost as a browser and programs reach it; its address."""
    settings.ALLOWED_HOSTS, settings.PUBLIC_URL = ["127.0.0.1"], ""
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    with serving(get_wsgi_application()) as address:
        yield address


def let_in(settings: Any, *origins: str) -> None:
    """The rights of the tests' key, and the pages that may hold its sessions."""
    settings.API_ACCESS = parse(",".join(["tests=verify,phone", *(f"return:{one}" for one in origins)]))


def page(html: Callable[[], str], policy: Callable[[], str]) -> Any:
    """The program of a site that has one page."""

    def application(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] != "/":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"Nothing is here."]
        headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", policy())]
        start_response("200 OK", headers)
        return [html().encode()]

    return application
