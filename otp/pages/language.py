"""The language of a page: the session's, else the first of ``Accept-Language`` that we have, else English.

A tag finds the nearest text that we have (RFC 4647, 3.4): ``pt_BR`` that in Portuguese, ``zh-TW`` that in
traditional characters. It does not take Django's LocaleMiddleware, and leaves what other views speak alone.
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

#: As Django calls them, of which otp/locale has a catalogue each. English is in the sources.
PAGES = frozenset(
    "ar de en es fa fr hi id it ja ko nl pl pt ru tr uk vi zh-hans zh-hant".split()  # noqa: SIM905  # on one line
)


def asked(request: HttpRequest, locale: str = "") -> str:
    """The language that is asked for, as Django calls it, "" for none of ours. ``locale``: the session's."""
    found = languages.lookup(locale, PAGES)
    accepted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    for tag, _quality in accepted:  # the best first
        found = found or languages.lookup(tag, PAGES)
    return found


def regions(request: HttpRequest) -> list[str]:
    """The countries (ISO 3166) that ``Accept-Language`` names, the best first."""
    accepted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    return [region for tag, _quality in accepted if (region := languages.region(tag))]


def is_english() -> bool:
    """Whether the page under way is, or will be for want of anything better."""
    return (translation.get_language() or "en").split("-")[0] == "en"


@contextmanager
def spoken(request: HttpRequest, locale: str = "") -> Iterator[None]:
    """Within it, Django speaks the language of the answer."""
    if not settings.USE_I18N:  # then it has no other than that of the sources
        yield
        return
    with translation.override(asked(request, locale) or "en"):
        yield


def answered(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For what answers with an error page."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *given: object, **named: object) -> HttpResponse:
        with spoken(request):
            response = view(request, *given, **named)
        patch_vary_headers(response, ["Accept-Language"])
        return response

    return wrapped
