"""The product's own settings, middleware and all, with one page that says whom it sees."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.settings import *  # noqa: F403
from otp.caller import caller_of

ROOT_URLCONF = __name__
SECURE_SSL_REDIRECT = False


def address(request: HttpRequest) -> HttpResponse:
    return HttpResponse(caller_of(request).ip, content_type="text/plain")


urlpatterns = [path("address", address)]
