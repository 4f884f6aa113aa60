"""The language of a page: the session's, else the first in ``Accept-Language`` that we have, else English.

A tag finds the nearest language (RFC 4647, 3.4): ``pt_BR`` finds Portuguese, ``zh-TW`` finds traditional
Chinese. This does not need Django's LocaleMiddleware, and does not affect other views.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import parse_accept_lang_header

from otp import languages

#: Django's codes of our languages. Each but English has a catalogue in otp/locale.
PAGES = frozenset(
    "ar de en es fa fr hi id it ja ko nl pl pt ru tr uk vi zh-hans zh-hant".split()  # noqa: SIM905  # on one line
)


def asked(request: HttpRequest, locale: str = "") -> str:
    """Django's code of the language to use, "" if we have none of those asked for.

    ``locale``: the session's.
    """
    found = languages.lookup(locale, PAGES)
    accepted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    for tag, _quality in accepted:  # the best first
        found = found or languages.lookup(tag, PAGES)
    return found


def regions(request: HttpRequest) -> list[str]:
    """The countries (ISO 3166) in ``Accept-Language``, the best first."""
    accepted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    return [region for tag, _quality in accepted if (region := languages.region(tag))]


def is_english() -> bool:
    """Whether the current page is in English, by choice or as the fallback."""
    return (translation.get_language() or "en").split("-")[0] == "en"


@contextmanager
def spoken(request: HttpRequest, locale: str = "") -> Iterator[None]:
    """A context in which Django translates into the language of the answer."""
    if not settings.USE_I18N:  # Django then only has the language of the sources
        yield
        return
    with translation.override(asked(request, locale) or "en"):
        yield


def answered(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Decorate a view that answers with an error page."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *given: object, **named: object) -> HttpResponse:
        with spoken(request):
            response = view(request, *given, **named)
        patch_vary_headers(response, ["Accept-Language"])
        return response

    return wrapped
