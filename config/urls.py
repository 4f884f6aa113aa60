"""Every address of the service."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path

from config.demo import virtual_phone
from otp.api.v1 import api
from sms.readiness import healthz, readyz

urlpatterns = [
    path("v1/", api.urls),
    path("v1/", include("sms.urls")),  # the API has and describes this address; here it gets its name
    path("healthz", healthz),
    path("readyz", readyz),
    *virtual_phone.urls(),
    path("", include("otp.urls")),
]


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's own looks for a CSRF token in the form, and where that is what cannot be read it fails
    once more: a form that calls itself UTF-16 would be answered with a 500.
    """
    return render(request, "400.html", status=400)


handler400 = bad_request
