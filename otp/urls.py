"""URLs of the hosted pages, the widget, the page of errors and the Twilio-Verify-compatible API.

    path("", include("otp.urls"))

``PAGES`` decides which of them exist. No URL holds a phone number or a code, since URLs end up in logs. The
only ids in URLs are those of sessions, see ``otp.sessions``.
"""

from django.urls import URLPattern, URLResolver, include, path

from otp import conf
from otp.api import errors
from otp.pages import brand
from otp.pages.code import cancel, code, resend
from otp.pages.number import number, phone
from otp.pages.session import done, session
from otp.widget.script import script
from otp.widget.views import step

app_name = "otp"

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/errors", errors.page, name="errors"),  # beside the API, where that is ours
    path("v2/", include("otp.twilio.urls")),
    path("site-logo", brand.logo, name="site_logo"),
    path("site-colours.css", brand.stylesheet, name="site_colours"),
]
if conf.get("PAGES") == "open":  # everybody may ask for a code, which costs money
    urlpatterns += [path("", phone, name="phone")]
if conf.get("PAGES") != "off":
    urlpatterns += [
        path("s/<str:id>", session, name="session"),
        path("number", number, name="number"),
        path("code", code, name="code"),
        path("resend", resend, name="resend"),
        path("cancel", cancel, name="cancel"),
        path("done", done, name="done"),
        path("widget.js", script, {"name": "widget.js"}, name="widget"),
        path("puzzle.js", script, {"name": "puzzle.js"}, name="puzzle"),
        path("s/<str:id>/<str:step>", step, name="step"),
    ]
