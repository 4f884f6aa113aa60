"""The addresses of the hosted pages. None of them holds a number, a code or an id."""

from django.urls import path

from otp import pages

app_name = "otp"

urlpatterns = [
    path("", pages.phone, name="phone"),
    path("code", pages.code, name="code"),
    path("resend", pages.resend, name="resend"),
    path("cancel", pages.cancel, name="cancel"),
    path("done", pages.done, name="done"),
]
