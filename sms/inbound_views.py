"""The HTTP view for messages from users, which providers deliver. It only translates."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from sms import inbound, receipts
from sms.problems import answered
from sms.receipt_views import as_response, body_of, unknown


@csrf_exempt
@login_not_required
@require_http_methods(["GET", "POST"])
@answered
def take(request: HttpRequest, alias: str) -> HttpResponse:
    """Take messages from users in the format of one provider. It has no account here: it signs them.

    The answer is what the provider expects, or a problem document.
    """
    called = request.get_full_path(), request.build_absolute_uri()
    try:
        receipts.check_head(alias, request.headers, *called)
        body = body_of(request, alias)
        reply = receipts.greet(alias, request.headers, body, *called)
        if reply is None:
            reply = inbound.take(alias, request.headers, body, *called)
    except receipts.UnknownAlias:
        return unknown()
    return as_response(reply)
