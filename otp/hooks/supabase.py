"""``POST hooks/supabase``: the Send SMS hook of Supabase Auth.

Supabase makes and checks the code. The hook sends it, with the text of a purpose. Supabase reads an error
only from an answer with status 200, and shows its ``message`` to the user. With any other status it only says
that the hook has failed. Source: github.com/supabase/auth, internal/hooks/hookshttp and v0hooks.
"""

from __future__ import annotations

import hashlib
import json
import re
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from otp import foreign
from otp.api import idempotency
from otp.api.problems import answer, answered
from otp.caller import Caller, normalise
from otp.errors import OtpError
from otp.hooks import settings, signed
from sms import auth, bodies
from sms.errors import SmsError

#: Used in place of the name of an API key. No key can have this name.
HOLDER = "hook:supabase"

#: Bytes of a call. It holds all metadata of the user.
LARGEST = 64 * 1024

#: Seconds for which Supabase accepts a code by default (``GOTRUE_SMS_OTP_EXP``).
LIVES = "60"


@csrf_exempt
@login_not_required
@require_POST
@answered
def take(request: HttpRequest) -> HttpResponse:
    """Send the code of ``{"user": {"phone": …}, "sms": {"otp": …}}``, once.

    The URL may have ``purpose=``, and ``expires_in=``, the seconds for which Supabase accepts a code.
    """
    secrets = settings.configured().get("supabase", ())
    if not secrets:
        return _error(HTTPStatus.NOT_FOUND, "HOOKS has no secret for supabase.", status=HTTPStatus.NOT_FOUND)
    if not signed.is_genuine(request.headers, lambda: bodies.read(request, LARGEST), secrets):
        auth.keeper().denied(request, "hook_signature")
        why = "The signature is wrong or too old. HOOKS must hold the secret of the hook."
        return _error(HTTPStatus.UNAUTHORIZED, why, status=HTTPStatus.UNAUTHORIZED)
    try:
        phone, code, ip = _read(request.body)
        lives = _seconds(request.GET.get("expires_in", LIVES))
    except (ValueError, RecursionError):  # the latter if it is nested too deep
        why = "The body must have user.phone and sms.otp. expires_in in the URL must be a number of seconds."
        return _error(HTTPStatus.BAD_REQUEST, why, status=HTTPStatus.BAD_REQUEST)

    def send() -> HttpResponse:
        purpose = request.GET.get("purpose", "login")
        foreign.send(phone, code, purpose, lives=lives, on_our_site=False, caller=Caller(HOLDER, ip))
        return JsonResponse({})

    # Each try has its own id, but the same body. The body holds an id of the call.
    call = hashlib.sha256(request.body).hexdigest()
    try:
        response = idempotency.once(request, HOLDER, send, key=call)
    except (OtpError, SmsError) as error:
        refused = answer(error)
        return _error(refused.status_code, json.loads(refused.content)["detail"])
    if response.status_code == HTTPStatus.OK:
        return response
    return _error(response.status_code, json.loads(response.content)["detail"])


def _read(body: bytes) -> tuple[str, str, str]:
    """The number, the code and the user's IP address ("" if unknown). Raises ``ValueError``."""
    match json.loads(body):
        case {"user": {"phone": str(phone)}, "sms": {"otp": str(code), **sms}, **more}:
            pass
        case _:
            raise ValueError
    # If the user changes the number, sms has the new one, and user the old one. Both come without +.
    number = str(sms.get("phone") or phone).removeprefix("+")
    return f"+{number}", code, _address(more.get("metadata"))


def _seconds(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,4}", text, re.ASCII):
        raise ValueError
    return int(text)


def _address(metadata: Any) -> str:
    try:
        return normalise(metadata["ip_address"])
    except (KeyError, TypeError, ValueError):
        return ""


def _error(code: int, message: str, *, status: int = HTTPStatus.OK) -> HttpResponse:
    return JsonResponse({"error": {"http_code": int(code), "message": message}}, status=status)
