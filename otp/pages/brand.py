"""The name, logo and colour of the hosted pages and of the error pages.

Logo and stylesheet are served from here. So the Content-Security-Policy needs neither other origins nor
inline styles.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from otp import conf, etags
from otp.pages import colours

#: Content types by the suffix of a logo's file.
_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}

#: Bytes of a logo, since every page loads it.
_LARGEST = 100_000


@dataclass(frozen=True, slots=True)
class Brand:
    """``logo`` and ``stylesheet`` are URLs, or "" if there is none."""

    name: str
    logo: str = ""
    stylesheet: str = ""


@dataclass(frozen=True, slots=True)
class _Served:
    content: bytes
    type: str
    policy: str = "default-src 'none'"

    @property
    def version(self) -> str:
        return etags.version(self.content)

    def url(self, name: str) -> str:
        """A URL that changes with the content, so that browsers do not keep an old version."""
        return f"{reverse(f'otp:{name}')}?v={self.version}"


def brand() -> Brand:
    """The brand for templates. It never raises, so that error pages work even with broken settings."""
    found = Brand(conf.get("OTP_SITE_NAME"))
    with suppress(ImproperlyConfigured):
        logo, stylesheet = configured()
        return Brand(
            found.name,
            logo.url("site_logo") if logo else "",
            stylesheet.url("site_colours") if stylesheet else "",
        )
    return found


@conf.cached
def configured() -> tuple[_Served | None, _Served | None]:
    """Logo and stylesheet from the settings. Raises ``ImproperlyConfigured``."""
    return _logo(conf.get("OTP_SITE_LOGO")), _stylesheet(conf.get("OTP_SITE_COLOR"))


def _logo(path: str) -> _Served | None:
    if not path:
        return None
    type = _TYPES.get(Path(path).suffix.lower())
    if not type:
        raise ImproperlyConfigured(
            f"OTP_SITE_LOGO is {path!r}. Name a file that ends in {', '.join(_TYPES)}."
        )
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ImproperlyConfigured(
            f"OTP_SITE_LOGO, {path}, cannot be read: {error.strerror}. Name a readable file."
        ) from None
    if len(content) > _LARGEST:
        raise ImproperlyConfigured(
            f"OTP_SITE_LOGO, {path}, has {len(content):,} bytes, but every page loads it. "
            f"Make it smaller than {_LARGEST:,}."
        )
    # An SVG that is opened directly is a page. It may have styles, but must not run scripts.
    return _Served(content, type, "default-src 'none'; style-src 'unsafe-inline'; sandbox")


def _stylesheet(colour: str) -> _Served | None:
    if not colour:
        return None
    if not colours.is_colour(colour):
        raise ImproperlyConfigured(
            f"OTP_SITE_COLOR is {colour!r}. Write # and six hexadecimal digits, such as #175a4b."
        )
    found = colours.contrast(colour, colours.LETTER)
    if found < colours.LEAST:
        raise ImproperlyConfigured(
            f"OTP_SITE_COLOR: {colour} has a contrast of {found:.1f}:1 with the paper of the pages, but text "
            f"needs {colours.LEAST} (WCAG 2.2, 1.4.3). Use a darker one, such as {colours.readable(colour)}."
        )
    return _Served(colours.stylesheet(colour).encode(), "text/css; charset=utf-8")


@login_not_required
@require_safe
def logo(request: HttpRequest) -> HttpResponse:
    return _serve(request, configured()[0])


@login_not_required
@require_safe
def stylesheet(request: HttpRequest) -> HttpResponse:
    return _serve(request, configured()[1])


def _serve(request: HttpRequest, served: _Served | None) -> HttpResponse:
    if served is None:
        raise Http404("No setting names one.")
    response = HttpResponse(served.content, content_type=served.type)
    response["Content-Security-Policy"] = served.policy
    response["X-Content-Type-Options"] = "nosniff"
    patch_cache_control(response, public=True, max_age=86400)
    return etags.answer(request, response, served.version)
