"""URLs of the Twilio-Verify-compatible API, to be mounted at ``/v2/``."""

from django.urls import path

from otp.twilio import attempts, configured, verifications
from otp.twilio.configured import set_in
from otp.twilio.door import door

_PURPOSES, _LIMITS = set_in("OTP_PURPOSES"), set_in("OTP_LIMITS")
_SERVICE = "Services/<str:service>"
_LIMIT = f"{_SERVICE}/RateLimits/<str:limit>"

urlpatterns = [
    path(f"{_SERVICE}/Verifications", door(POST=verifications.start)),
    path(f"{_SERVICE}/Verifications/<str:sid>", door(GET=verifications.fetch, POST=verifications.update)),
    path(f"{_SERVICE}/VerificationCheck", door(POST=verifications.check)),
    path("Attempts", door(GET=attempts.listed)),
    path("Attempts/Summary", door(GET=attempts.summary)),
    path("Attempts/<str:sid>", door(GET=attempts.fetch)),
    path("Services", door(GET=configured.services, POST=_PURPOSES)),
    path(_SERVICE, door(GET=configured.service, POST=_PURPOSES, DELETE=_PURPOSES)),
    path(f"{_SERVICE}/RateLimits", door(GET=configured.rate_limits, POST=_LIMITS)),
    path(_LIMIT, door(GET=configured.rate_limit, POST=_LIMITS, DELETE=_LIMITS)),
    path(f"{_LIMIT}/Buckets", door(GET=configured.buckets, POST=_LIMITS)),
    path(f"{_LIMIT}/Buckets/<str:bucket>", door(GET=configured.bucket, POST=_LIMITS, DELETE=_LIMITS)),
    path("Templates", door(GET=configured.templates)),
]
