"""Settings and the one view of a bare Django: what a request costs before anything of ours is done."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.settings import *  # noqa: F403

MIDDLEWARE = []
ROOT_URLCONF = __name__


def ok(request: HttpRequest) -> HttpResponse:
    """The baseline of a start and a check."""
    return HttpResponse("ok")


urlpatterns = [path("v1/verifications", ok), path("healthz", ok)]
