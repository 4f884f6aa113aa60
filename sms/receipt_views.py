"""HTTP: where the providers send receipts. It translates, it decides nothing."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from sms import answers, bodies, inbound, receipts, registry
from sms.problems import answered, problem
from sms.providers.base import Reply


@csrf_exempt
@login_not_required
@require_http_methods(["GET", "POST"])
@answered
def take(request: HttpRequest, alias: str) -> HttpResponse:
    """Receipts of one provider, in its own format, its question what a call is to say, and users' messages
    where it has one address for all. It has no account here: it signs them.

    What the provider wants to hear (mostly 204) where they are its own, a problem document elsewhere.
    """
    called = request.get_full_path(), request.build_absolute_uri()
    try:
        receipts.check_head(alias, request.headers, *called)
        body = body_of(request, alias)
        reply = receipts.greet(alias, request.headers, body, *called)
        if reply is None:
            reply = answers.take(alias, request.headers, body, *called)
        if reply is None:
            receipts.take(alias, request.headers, body, *called)
            if registry.providers()[alias].one_address:
                inbound.take(alias, request.headers, body, *called)
            reply = receipts.reply(alias)
    except receipts.UnknownAlias:
        return unknown()
    return as_response(reply)


def body_of(request: HttpRequest, alias: str) -> bytes:
    """What a provider sent, as far as its calls are that long."""
    largest = registry.providers()[alias].largest_body
    return bodies.read(request, largest) if largest else request.body


def as_response(reply: Reply) -> HttpResponse:
    """What a provider hears: nothing, with 204, or a text."""
    if not reply.body:
        return HttpResponse(status=204)
    return HttpResponse(reply.body, content_type=reply.content_type)


def unknown() -> HttpResponse:
    """There is no such alias."""
    return problem(404, "alias_unknown", "No provider of this name is configured.")
