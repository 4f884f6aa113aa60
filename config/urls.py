"""All URLs of Otpost's own server."""

from django.conf import settings
from django.urls import include, path

from config import error_pages
from otp.api.v1 import api
from sms.metrics_views import metrics
from sms.readiness import healthz, readyz

urlpatterns = [
    path("v1/", api.urls),
    path("v1/", include("sms.urls")),  # the API already serves these; here they get names for reverse()
    path("v1/hooks/", include("otp.hooks.urls")),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    # Webhooks of an ESP that report on e-mails, such as /anymail/postmark/tracking/.
    *([path("anymail/", include("anymail.urls"))] if settings.ANYMAIL else []),
    path("dashboard/", include("otp.dashboard.urls")),
    path("phone/", include("sms.virtual_phone.urls")),
    path("", include("otp.urls")),
]

handler400 = error_pages.unreadable
handler403 = error_pages.forbidden
handler404 = error_pages.not_found
handler500 = error_pages.broken
