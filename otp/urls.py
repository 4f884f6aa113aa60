"""The addresses of the hosted pages: none with ``PAGES`` off, and none holds a number, a code or an id."""

from django.urls import URLPattern, path

from otp import conf
from otp.pages import views as pages

app_name = "otp"

urlpatterns: list[URLPattern] = []
if conf.get("PAGES") == "open":
    urlpatterns += [
        path("", pages.phone, name="phone"),
        path("code", pages.code, name="code"),
        path("resend", pages.resend, name="resend"),
        path("cancel", pages.cancel, name="cancel"),
        path("done", pages.done, name="done"),
    ]
