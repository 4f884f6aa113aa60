"""The addresses of a project that has the dashboard elsewhere."""

from django.urls import include, path

urlpatterns = [path("staff/codes/", include("otp.dashboard.urls"))]
