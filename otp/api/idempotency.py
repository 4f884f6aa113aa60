"""``Idempotency-Key``: make a request that sends safe to repeat.

The header follows draft-ietf-httpapi-idempotency-key-header. Its value is a quoted string. The bare form that
most programs write names the same key. In Redis, after the namespace:

    http:idempotency:<digest>   hash   digest of the request, token of the process at work, sealed answer

Both digests are keyed, because a key or a body may hold a phone number. The first one determines the cell. A
request with this header runs two more scripts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from otp import codes
from otp.api.problems import fixed
from sms import ids, names, probe, scripts
from sms import services as sms
from sms.errors import Unavailable
from sms.scripts import Script

RECORD = names.family("http:idempotency:")

HEADER, VARIABLE, REPLAYED = "Idempotency-Key", "HTTP_IDEMPOTENCY_KEY", "Idempotency-Replayed"

#: A quoted string of RFC 9651, or bare printable ASCII. JSON Schema and Python read it alike.
PATTERN = r'^(?:"(?:[ !#-\[\]-~]|\\["\\])+"|[!#-~](?:[ -~]*[!-~])?)$'
LONGEST = 255

#: Milliseconds that an answer is kept.
KEPT = 24 * 3_600_000

#: Milliseconds that a request owns its key. No request takes that long, since each of its calls to Redis and
#: broker ends after a second. If a process dies, a repetition need not wait longer.
LEASE = 30_000

_LUA = Path(__file__).parent / "lua"
_CLAIM, _SETTLE = (Script(_LUA / f"{name}.lua") for name in ("claim_key", "settle_key"))

probe.KEYS.append("http:probe")

log = structlog.get_logger("http")


def once(
    request: HttpRequest, owner: str, answer: Callable[[], HttpResponse], *, key: str = ""
) -> HttpResponse:
    """Return ``answer()``, or the answer that ``owner`` got to the first request with this key.

    ``key``: replaces the one of the header. Raises ``Unavailable`` without Redis, and Django's errors for a
    body that cannot be read.
    """
    key = key or _key(request.META[VARIABLE])
    if not key:
        return fixed(400, "idempotency_key_invalid")
    digest = partial(codes.digest, settings.SECRET_KEY.encode(), "idempotency")
    of_key = digest("key", owner, key)
    cell = scripts.home([of_key], lambda cell: [names.key(RECORD + of_key, cell)])
    record = names.key(RECORD + of_key, cell)
    body = hashlib.sha256(request.body).hexdigest()
    asked = digest("request", str(request.method), request.path, request.content_type or "", body)
    token = ids.new()
    word, kept = _CLAIM((record,), (asked, token, LEASE), cell)
    match word:
        case b"reused":
            return fixed(422, "idempotency_key_reused")
        case b"running":
            return fixed(409, "idempotency_in_progress")
        case b"answered":
            return _again(kept)

    sealed = b""
    try:
        response = answer()
        # Refusals are not kept. They cost nothing to repeat, and refused callers must not fill Redis.
        if response.status_code < 300:
            status, content_type = response.status_code, response["Content-Type"]
            sealed = sms.seal({"status": status, "type": content_type, "body": response.content.decode()})
    finally:
        try:
            _SETTLE((record,), (asked, token, sealed, KEPT), cell)
        except Unavailable:  # this answer is right, but a repetition will not get it
            log.warning("idempotency_answer_lost")
    return response


def _again(sealed: bytes) -> HttpResponse:
    """The first answer, replayed."""
    try:
        first = sms.unseal(sealed)
    except sms.Unsealable:
        return fixed(409, "idempotency_answer_lost")
    response = HttpResponse(first["body"], status=first["status"], content_type=first["type"])
    response[REPLAYED] = "true"
    return response


def _key(value: str) -> str:
    """The key in the value of the header, "" if it is malformed."""
    if len(value) > LONGEST or not re.fullmatch(PATTERN, value):
        return ""
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def described(operation: dict[str, Any]) -> None:
    """Add the header and its effects to an operation of the OpenAPI document."""
    operation.setdefault("parameters", []).append(
        {
            "name": HEADER,
            "in": "header",
            "required": False,
            "description": "Makes this request safe to repeat. For 24 hours, the same key and body get the "
            "first answer again, and nothing is sent twice. A UUID is best, quoted or not.",
            "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": PATTERN},
        }
    )
    (accepted,) = (answer for status, answer in operation["responses"].items() if int(status) < 300)
    accepted.setdefault("headers", {})[REPLAYED] = {
        "description": "Present if this is a replay of the first answer to the same Idempotency-Key.",
        "required": False,
        "schema": {"type": "string", "enum": ["true"]},
    }
