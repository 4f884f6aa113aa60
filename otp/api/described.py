"""Every error of the API and which operation may answer it: one table for its description and the tests."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from sms.problems import BARE, CONTENT_TYPE, Problem

_EXAMPLE = "Give it with + and the country code, for example +447400123456."

#: status → code → an example of its ``detail``, and the field that it names.
PROBLEMS: Mapping[int, Mapping[str, tuple[str, str]]] = {
    400: {
        "malformed_json": ("The body is not valid JSON.", ""),
        "bad_request": (BARE[400][1], ""),
        "idempotency_key_invalid": (
            "Idempotency-Key must have 1 to 255 printable ASCII characters, such as a UUID.",
            "Idempotency-Key",
        ),
    },
    401: {"unauthorized": ("Send a valid key as Authorization: Bearer KEY.", "")},
    403: {
        "scope_missing": ("This key lacks the scope verify.", ""),
        "purpose_not_allowed": ("This key may be used for these purposes only: login.", ""),
        "client_ip_not_allowed": ("This key may not name the end user's address. Leave it out.", ""),
        "challenge_required": ("Answer the challenge of this site, and send the answer along.", "challenge"),
        "receipt_rejected": ("The signature is wrong or the report cannot be read.", ""),
        "forbidden": (BARE[403][1], ""),
    },
    404: {
        "not_found": (BARE[404][1], ""),
        "message_unknown": ("There is no such message, or it is kept no longer.", ""),
        "alias_unknown": ("No provider of this name is configured.", ""),
    },
    405: {"method_not_allowed": (BARE[405][1], "")},
    408: {"body_late": (BARE[408][1], "")},
    409: {
        "expired": ("There is no live code to send again. Start a new verification.", ""),
        "blocked": ("Too many wrong guesses. Start a new verification.", ""),
        "idempotency_in_progress": (
            "The first request with this Idempotency-Key is still at work. Ask again in a moment.",
            "",
        ),
        "idempotency_answer_lost": (
            "This request was answered before, and the answer can be read no longer. To send once more, "
            "use a fresh Idempotency-Key.",
            "",
        ),
    },
    413: {"body_too_large": ("A body may have at most 16 KiB.", "")},
    415: {"unsupported_media_type": ("Send the body as Content-Type: application/json.", "")},
    422: {
        "field_missing": ("phone: Field required.", "phone"),
        "field_invalid": ("phone: Input should be a valid string.", "phone"),
        "field_unknown": ("This operation has no field lang.", "lang"),
        "purpose_unknown": ("There is no such purpose. Use one of: login, payment, signup.", "purpose"),
        "phone_missing": (f"A phone number is required. {_EXAMPLE}", "phone"),
        "phone_no_country": (f"The country code is missing. {_EXAMPLE}", "phone"),
        "phone_too_short": (f"The phone number is too short. {_EXAMPLE}", "phone"),
        "phone_too_long": (f"The phone number is too long. {_EXAMPLE}", "phone"),
        "phone_letters": (f"A phone number has no letters. {_EXAMPLE}", "phone"),
        "phone_invalid": (f"There is no such phone number. {_EXAMPLE}", "phone"),
        "phone_emergency": ("This is an emergency number; no SMS goes there.", "phone"),
        "phone_type": ("This is a premium-rate number; give a mobile number.", "phone"),
        "phone_not_allowed": ("No SMS is sent to numbers that begin like this one.", "phone"),
        "no_route": ("No SMS is sent to numbers of no country.", "phone"),
        "body_invalid": ("The text is empty.", "body"),
        "idempotency_key_reused": (
            "This Idempotency-Key stands for another request. Use a fresh one for each request.",
            "Idempotency-Key",
        ),
    },
    429: {
        "pending": ("OTP already sent. Please wait.", ""),
        "rate_limited": ("Too many SMS were asked for. Please try again later.", ""),
        "blocked": ("Too many wrong guesses. Please try again later.", ""),
        "guard": ("No OTP can be sent to this number now.", ""),
    },
    431: {"headers_too_large": (BARE[431][1], "")},
    500: {"internal": (BARE[500][1], "")},
    503: {
        "unavailable": ("The service cannot answer now.", ""),
        "overloaded": ("The service cannot answer now.", ""),
    },
}

#: With 429: the limit that each names.
_LIMITS = {"pending": "cooldown", "rate_limited": "phone", "blocked": "guesses", "guard": "guard"}

_Codes = Mapping[int, tuple[str, ...]]

_ANY: _Codes = {431: ("headers_too_large",), 500: ("internal",), 503: ("unavailable",)}
_WITH_KEY: _Codes = {**_ANY, 401: ("unauthorized",), 403: ("scope_missing",)}
_WITH_BODY: _Codes = {
    400: ("malformed_json", "bad_request"),
    408: ("body_late",),
    413: ("body_too_large",),
    415: ("unsupported_media_type",),
    422: ("field_missing", "field_invalid", "field_unknown"),
}
_ONCE: _Codes = {
    400: ("idempotency_key_invalid",),
    409: ("idempotency_in_progress", "idempotency_answer_lost"),
    413: ("body_too_large",),
    422: ("idempotency_key_reused",),
}
#: Where a number that was once accepted is read again, as the settings may be others by then.
_KNOWN_PHONE: _Codes = {422: ("phone_invalid", "phone_type", "phone_not_allowed", "no_route")}
_PHONE: _Codes = {422: (*(code for code in PROBLEMS[422] if code.startswith("phone_")), "no_route")}
_SENDS: _Codes = {503: ("overloaded",)}
_LIMITED: _Codes = {429: tuple(PROBLEMS[429])}


def _joined(*parts: _Codes) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for part in parts:
        for status, codes in part.items():
            found[status] = tuple(dict.fromkeys((*found.get(status, ()), *codes)))
    return dict(sorted(found.items()))


#: operationId → status → the codes that it may answer.
OPERATIONS: Mapping[str, Mapping[int, tuple[str, ...]]] = {
    "start_verification": _joined(
        *(_WITH_KEY, _WITH_BODY, _ONCE, _PHONE, _SENDS, _LIMITED),
        {
            403: ("purpose_not_allowed", "client_ip_not_allowed", "challenge_required"),
            422: ("purpose_unknown",),
        },
    ),
    "check_code": _joined(_WITH_KEY, _WITH_BODY, {403: ("client_ip_not_allowed",), 429: ("rate_limited",)}),
    "resend_code": _joined(
        *(_WITH_KEY, _ONCE, _KNOWN_PHONE, _SENDS, _LIMITED),
        {409: ("expired", "blocked"), 422: ("purpose_unknown",)},
    ),
    "get_verification": _joined(_WITH_KEY),
    "cancel_verification": _joined(_WITH_KEY),
    "send_message": _joined(
        *(_WITH_KEY, _WITH_BODY, _ONCE, _PHONE, _SENDS), {422: ("body_invalid",), 429: ("rate_limited",)}
    ),
    "get_message": _joined(_WITH_KEY, {404: ("message_unknown",)}),
    "take_receipts": _joined(
        _ANY,
        {
            403: ("receipt_rejected",),
            404: ("alias_unknown",),
            408: ("body_late",),
            413: ("body_too_large",),
        },
    ),
    "take_receipts_by_get": _joined(_ANY, {403: ("receipt_rejected",), 404: ("alias_unknown",)}),
}

#: The field to change in the examples of operations that have no ``phone``.
_FIELD = {"check_code": "code", "send_message": "to"}


def described(operation_id: str) -> dict[int, dict[str, Any]]:
    """The error responses of an operation for the OpenAPI document: its codes, an example of each."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {
                CONTENT_TYPE: {
                    "schema": {
                        "allOf": [
                            {"$ref": "#/components/schemas/Problem"},
                            {"properties": {"status": {"const": status}, "code": {"enum": list(codes)}}},
                        ]
                    },
                    "examples": {code: {"value": _example(operation_id, status, code)} for code in codes},
                }
            },
        }
        for status, codes in OPERATIONS[operation_id].items()
    }


def schema() -> dict[str, Any]:
    """The schema of every problem document, with all codes that there are."""
    found = Problem.model_json_schema()
    found["properties"]["code"]["enum"] = sorted({code for codes in PROBLEMS.values() for code in codes})
    return found


def _example(operation_id: str, status: int, code: str) -> dict[str, Any]:
    detail, field = PROBLEMS[status][code]
    if field == "phone":
        field = _FIELD.get(operation_id, field)
        detail = detail.replace("phone:", f"{field}:")
    found: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    if field:
        found["field"] = field
    if status in (429, 503) or code == "idempotency_in_progress":
        found["retry_after"] = 30 if status == 429 else 5 if status == 503 else 1
    if status == 429:
        found["limit"] = _LIMITS[code]
    return found
