"""Every address of the service."""

from django.urls import include, path

from config.api import api
from sms import virtual_phone
from sms.readiness import healthz, readyz

urlpatterns = [
    path("v1/", api.urls),
    path("healthz", healthz),
    path("readyz", readyz),
    *virtual_phone.urls(),
    path("", include("otp.urls")),
]
