"""The HTTP view for receipts from providers. It only translates."""

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
    """Take receipts in the format of one provider. It has no account here: it signs them.

    Also takes its questions for the code of a phone call. If the provider has one address for everything, it
    takes messages from users too. The answer is what the provider expects, mostly 204, or a problem document.
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
    """The body of a provider's call, within the provider's limit if it has one."""
    largest = registry.providers()[alias].largest_body
    return bodies.read(request, largest) if largest else request.body


def as_response(reply: Reply) -> HttpResponse:
    """A reply as a response: 204 without a body, or a text."""
    if not reply.body:
        return HttpResponse(status=204)
    return HttpResponse(reply.body, content_type=reply.content_type)


def unknown() -> HttpResponse:
    """The answer for an unknown alias."""
    return problem(404, "alias_unknown", "No provider of this name is configured.")
