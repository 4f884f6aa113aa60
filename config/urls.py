"""Every address of the service."""

from django.urls import path

from config.api import api
from sms.readiness import healthz, readyz

urlpatterns = [
    path("v1/", api.urls),
    path("healthz", healthz),
    path("readyz", readyz),
]
