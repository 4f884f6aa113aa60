"""HTTP: where the providers send receipts. It translates, it decides nothing."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from sms import receipts
from sms.problems import answered, problem


@csrf_exempt
@login_not_required
@require_http_methods(["GET", "POST"])
@answered
def take(request: HttpRequest, alias: str) -> HttpResponse:
    """Receipts of one provider, in its own format. It has no account here: it signs them.

    204 where the receipts are the provider's own, a problem document elsewhere.
    """
    called = request.get_full_path(), request.build_absolute_uri()
    try:
        receipts.check_head(alias, request.headers, *called)
        receipts.take(alias, request.headers, request.body, *called)
    except receipts.UnknownAlias:
        return problem(404, "alias_unknown", "No provider of this name is configured.")
    return HttpResponse(status=204)
