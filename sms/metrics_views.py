"""``/metrics``, for any Django project: ``path("metrics", sms.metrics_views.metrics)``."""

from __future__ import annotations

from hmac import compare_digest

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.csrf import csrf_exempt

from sms import auth, conf
from sms import metrics as shown

METHODS = ("GET", "HEAD")


@csrf_exempt  # or a POST would tell that the address is there
@login_not_required
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics for whoever has a ``METRICS_TOKEN``. Without such a setting there is no such address."""
    tokens = conf.metrics_tokens()
    if not tokens:
        raise Http404
    scheme, _, given = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    fits = [compare_digest(given.encode(), token.encode()) for token in tokens]
    if scheme.lower() != "bearer" or not any(fits):
        auth.keeper().denied(request, "metrics_token")
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    if request.method not in METHODS:
        return HttpResponseNotAllowed(METHODS)
    return HttpResponse(shown.text(), content_type=shown.CONTENT_TYPE)
