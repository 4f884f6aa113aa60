"""Every error of the API: its text, and the operations that answer with it.

The OpenAPI document is made from it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from otp.admission.refusals import CHALLENGE
from sms import services
from sms.problems import BARE, CONTENT_TYPE, Problem, problem

_KEY = "Idempotency-Key"

_START, _CHECK, _RESEND, _SEND = "start_verification", "check_code", "resend_code", "send_message"
_CALLBACKS = {"take_receipts", "take_receipts_by_get", "take_inbound", "take_inbound_by_get"}
_FIND, _SEARCH = "find_messages", "search_messages"
_SESSION, _PROVE = "create_session", "prove_session"
_KEYED = {_START, _CHECK, _RESEND, _SEND, "get_verification", "cancel_verification", "get_message"}
_KEYED |= {_FIND, _SEARCH, _SESSION, _PROVE, "get_session"}
_ALL = _KEYED | _CALLBACKS
_BODY = {_START, _CHECK, _RESEND, _SEND, _SEARCH, _SESSION, _PROVE}
_FIELDS = _BODY | {_FIND}
_POSTED = {"take_receipts", "take_inbound"}
_HINTED = {_START, _SEND, _SESSION}
_READ = _HINTED | {_FIND, _SEARCH}
_CODES = {_START, _RESEND}
_SENDING = {_START, _RESEND, _SEND}


class Known(NamedTuple):
    """A problem: the operations that answer with it, and its members. Where a member varies, an example."""

    operations: Collection[str]
    detail: str
    field: str = ""
    retry_after: int = 0
    limit: str = ""


#: Problems by status and code.
PROBLEMS: Mapping[tuple[int, str], Known] = {
    (400, "malformed_json"): Known(_BODY, "The body is not valid JSON."),
    (400, "bad_request"): Known(_BODY, BARE[400][1]),
    (400, "idempotency_key_invalid"): Known(
        _SENDING, f"{_KEY} must have 1 to 255 printable ASCII characters, such as a UUID.", _KEY
    ),
    (401, "unauthorized"): Known(_KEYED, "Send a valid key as Authorization: Bearer KEY."),
    (403, "scope_missing"): Known(_KEYED, "This key lacks the scope verify."),
    (403, "purpose_not_allowed"): Known(
        {_START, _SESSION}, "This key may only be used for these purposes: login."
    ),
    (403, "client_ip_not_allowed"): Known(
        {_START, _CHECK}, "This key may not name the end user's IP address. Leave it out."
    ),
    (403, "return_url_not_allowed"): Known(
        {_SESSION},
        "Sessions of this key may return to: nowhere. Add return:ORIGIN to its entry in API_ACCESS.",
    ),
    (403, "own_code_not_allowed"): Known(
        {_START}, "This key may not supply its own code. Leave it out to have one made."
    ),
    (403, "challenge_required"): Known({_START}, CHALLENGE, "challenge"),
    (403, "receipt_rejected"): Known(_CALLBACKS, "The signature is wrong or the body cannot be read."),
    (403, "forbidden"): Known((), BARE[403][1]),
    (404, "not_found"): Known((), BARE[404][1]),
    (404, "message_unknown"): Known({"get_message"}, "There is no such message, or its record has expired."),
    (404, "alias_unknown"): Known(_CALLBACKS, "No provider of this name is configured."),
    (405, "method_not_allowed"): Known((), BARE[405][1]),
    (408, "body_late"): Known(_BODY | _POSTED, BARE[408][1]),
    (409, "idempotency_in_progress"): Known(
        _SENDING,
        f"The first request with this {_KEY} is still in progress. Ask again in a moment.",
        retry_after=1,
    ),
    (409, "idempotency_answer_lost"): Known(
        _SENDING,
        "This request was answered before, but the answer can no longer be read. To send again, use a new "
        f"{_KEY}.",
    ),
    (409, "expired"): Known({_RESEND}, "There is no live code to send again. Start a new verification."),
    (409, "blocked"): Known({_RESEND}, "Too many wrong guesses. Start a new verification."),
    (413, "body_too_large"): Known(
        _SENDING | _BODY | _POSTED, "The body is too large. Most addresses take 16 KiB."
    ),
    (415, "unsupported_media_type"): Known(_BODY, "Send the body as Content-Type: application/json."),
    (422, "field_missing"): Known(_FIELDS - {_RESEND, _PROVE}, "phone: Field required.", "phone"),
    (422, "field_invalid"): Known(_FIELDS, "phone: Input should be a valid string.", "phone"),
    (422, "field_unknown"): Known(_BODY, "This operation has no field lang.", "lang"),
    (422, "idempotency_key_reused"): Known(
        _SENDING, f"This {_KEY} was used for another request. Use a new one for each request.", _KEY
    ),
    (422, "phone_missing"): Known(_READ, "A phone number is required.", "phone"),
    (422, "phone_no_country"): Known(_READ, "The country code is missing.", "phone"),
    (422, "phone_too_short"): Known(_READ, "The phone number is too short.", "phone"),
    (422, "phone_too_long"): Known(_READ, "The phone number is too long.", "phone"),
    (422, "phone_letters"): Known(_READ, "A phone number has no letters.", "phone"),
    # A resend parses the number again, and the settings may have changed by then.
    (422, "phone_invalid"): Known(_SENDING | _READ, "There is no such phone number.", "phone"),
    (422, "phone_emergency"): Known(_READ, "This is an emergency number; no SMS goes there.", "phone"),
    (422, "phone_type"): Known(
        _SENDING | {_SESSION}, "This is a premium-rate number; give a mobile number.", "phone"
    ),
    (422, "phone_not_allowed"): Known(
        _SENDING | {_SESSION}, "No SMS is sent to numbers that begin like this one.", "phone"
    ),
    (422, "no_route"): Known(_SENDING, "No SMS is sent to numbers of no country.", "phone"),
    (422, "email_invalid"): Known(
        {_START}, "This is not an e-mail address. Write it like name@example.com.", "email"
    ),
    (422, "email_not_allowed"): Known(
        {_START}, "Codes for this purpose do not go by e-mail. Leave email out.", "email"
    ),
    (422, "purpose_unknown"): Known(
        _CODES | {_SESSION}, "There is no such purpose. Use one of: login, payment, signup.", "purpose"
    ),
    (422, "code_invalid"): Known(
        {_START}, "A code for this purpose has 6 characters out of 0123456789.", "code"
    ),
    (422, "reverse_not_allowed"): Known(
        {_START}, "The users of this purpose cannot send the code to us. Leave reverse out.", "reverse"
    ),
    (422, "reference_invalid"): Known(
        _READ,
        "A reference has up to 64 letters, digits and _ . : / -, and must not be a phone number, e-mail "
        "address or API key. Put a word before a bare number, as in order-1234567.",
        "reference",
    ),
    (422, "pages_off"): Known({_SESSION}, "PAGES is off, so there are no pages for a session.", "return_url"),
    (422, "channel_unavailable"): Known(
        {_RESEND}, "This code cannot go by that channel. Use one of: sms.", "channel"
    ),
    (422, "opted_out"): Known({_SEND}, "This number has asked for no more messages.", "phone"),
    (422, "body_invalid"): Known({_SEND}, "The text is empty.", "body"),
    (429, "pending"): Known(_CODES, "OTP already sent. Please wait.", limit="cooldown"),
    (429, "rate_limited"): Known(
        _SENDING | {_CHECK}, "Too many SMS were asked for. Please try again later.", limit="phone"
    ),
    (429, "blocked"): Known(_CODES, "Too many wrong guesses. Please try again later.", limit="guesses"),
    (429, "guard"): Known(_CODES, "No OTP can be sent to this number now.", limit="guard"),
    (431, "headers_too_large"): Known(_ALL, BARE[431][1]),
    (500, "internal"): Known(_ALL, BARE[500][1]),
    (503, "unavailable"): Known(_ALL, "The service cannot answer now."),
    (503, "overloaded"): Known(_SENDING, "The service cannot answer now."),
}

#: The codes that each operation may answer, by operationId and status.
OPERATIONS: Mapping[str, dict[int, list[str]]] = {operation: {} for operation in _ALL}
for (_status, _code), _known in PROBLEMS.items():
    for _operation in _known.operations:
        OPERATIONS[_operation].setdefault(_status, []).append(_code)

#: ``retry_after`` of the examples, by status.
_WAIT = {429: 30, 503: 5}

#: The field that examples name for operations without a ``phone``.
_FIELD = {_CHECK: "code", _RESEND: "channel", _SEND: "to", _FIND: "to", _SEARCH: "to"}

#: The scope that an operation requires, if it is not ``verify``.
_SCOPE = {_SEND: "messages", _FIND: "read", _SEARCH: "read", "get_message": "read"}
_SCOPE["get_verification"] = "verify or read"

#: Codes to which ``sms.destinations.with_hint`` adds an example, for requests that send an SMS.
_OF_A_SPELLING = {"phone_missing", "phone_no_country", "phone_too_short", "phone_too_long"}
_OF_A_SPELLING |= {"phone_letters", "phone_invalid"}

#: Detail and field of operations whose wording differs.
_OWN = {
    (_START, "field_missing"): ("The body must be a JSON object.", ""),
    (_SESSION, "field_missing"): ("return_url: Field required.", "return_url"),
    (_FIND, "field_missing"): ("Give a number as to, or a reference.", "to"),
    (_SEARCH, "field_missing"): ("Give a number as to, or a reference.", "to"),
    (_FIND, "field_invalid"): ("to: String should have at most 64 characters.", "to"),
    (_RESEND, "field_invalid"): (
        "channel: Input should be 'sms', 'whatsapp', 'telegram', 'voice' or 'email'.",
        "channel",
    ),
    (_PROVE, "field_invalid"): ("proof: Input should be a valid string.", "proof"),
    (_FIND, "phone_no_country"): ("The country code is not known.", "to"),
    (_SEARCH, "phone_no_country"): ("The country code is not known.", "to"),
}


def described(operation_id: str) -> dict[int, dict[str, Any]]:
    """The error responses of an operation for the OpenAPI document, with an example of each code."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {
                CONTENT_TYPE: {
                    # One schema for all errors, because generators make a class of each narrower one.
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {code: {"value": _example(operation_id, status, code)} for code in codes},
                }
            },
        }
        for status, codes in OPERATIONS[operation_id].items()
    }


def schema() -> dict[str, Any]:
    """The schema of all problem documents, with every code."""
    found = Problem.model_json_schema()
    found["properties"]["code"]["enum"] = sorted({code for _, code in PROBLEMS})
    return found


def _example(operation_id: str, status: int, code: str) -> dict[str, Any]:
    """An example for one operation, with its own field names and with a number that can get an SMS here."""
    known = PROBLEMS[status, code]
    detail, field = known.detail, known.field
    if field == "phone":
        field = _FIELD.get(operation_id, "phone")
        detail = detail.replace("phone:", f"{field}:")
    if code in _OF_A_SPELLING and operation_id in _HINTED:
        such = f", for example {number}" if (number := services.example_number()) else ""
        detail = f"{detail} Give it with + and the country code{such}."
    if code == "scope_missing":
        detail = f"This key lacks the scope {_SCOPE.get(operation_id, 'verify')}."
    detail, field = _OWN.get((operation_id, code), (detail, field))
    wait = known.retry_after or _WAIT.get(status, 0)
    answer = problem(status, code, detail, field=field, retry_after=wait, limit=known.limit)
    example: dict[str, Any] = json.loads(answer.content)
    return example
