"""The examples of ``/v1/openapi.json`` are what the API really answers, word by word.

So are those of docs/reference/http-api.md, which is made from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from otp.api import access
from otp.api.described import OPERATIONS
from otp.api.examples import ANSWERS
from otp.api.v1 import api as the_api
from tests.conftest import documented

FOUND: dict[str, tuple[str, str, Any]] = {
    operation["operationId"]: (method, path, operation)
    for path, methods in json.loads(json.dumps(the_api.get_openapi_schema()))["paths"].items()
    for method, operation in methods.items()
}

PHONE, VOICE = "+12025550123", "voice"

#: A body that each operation takes.
GOOD: dict[str, dict[str, Any]] = {
    "start_verification": {"phone": PHONE},
    "check_code": {"code": "000000"},
    "resend_code": {},
    "send_message": {"to": PHONE, "body": "Hello"},
    "search_messages": {"to": PHONE},
    "create_session": {"return_url": "http://localhost:3000/verified"},
    "prove_session": {"proof": "q7Wd"},
}

#: Words of a key that may do what the examples ask for.
WORDS = "verify,messages,read,phone,return:http://localhost:3000"

#: How to get each code as the answer: what the body has `more`, the words of the key, and so on.
OF_ALL: dict[str, dict[str, Any]] = {
    "malformed_json": {"body": "{"},
    "unauthorized": {"headers": {}},
    "body_too_large": {"body": json.dumps({"phone": "1" * 20_000})},
    "unsupported_media_type": {"content_type": "text/plain"},
    "field_unknown": {"more": {"lang": "de"}},
    "field_missing": {"body": "{}"},
    "idempotency_key_invalid": {"key": "é"},
    "reference_invalid": {"more": {"reference": PHONE}},
    "purpose_not_allowed": {"words": f"{WORDS},purpose:login", "more": {"purpose": "signup"}},
    "purpose_unknown": {"more": {"purpose": "nothing"}},
    "client_ip_not_allowed": {"more": {"client_ip": "203.0.113.7"}},
    "alias_unknown": {"id": "nobody"},
    "message_unknown": {"id": "never"},
}

#: The faults of numbers, by code.
NUMBERS: dict[str, Any] = {
    "phone_missing": " ",
    "phone_no_country": "2025550123",
    "phone_too_short": "+1202555",
    "phone_too_long": "+1202555012345678901",
    "phone_letters": "+1202555O123",
    "phone_invalid": "+10000000000",
    "phone_emergency": "112",
    "phone_type": "+19002345678",
    "phone_not_allowed": "+447400123456",
    "field_invalid": 5,
}

#: The answers of an operation that need another setting.
RARE = {
    *(("search_messages", "phone_emergency"), ("resend_code", "purpose_unknown")),
    *(("take_receipts", "body_too_large"), ("take_inbound", "body_too_large")),
}

#: Where an operation has its number.
FIELDS = {
    "start_verification": "phone",
    "send_message": "to",
    "search_messages": "to",
    "create_session": "phone",
}

OWN: dict[str, dict[str, dict[str, Any]]] = {
    "start_verification": {
        "field_missing": {"body": ""},
        "own_code_not_allowed": {"more": {"code": "483920"}},
        "code_invalid": {"words": "verify,own_code", "more": {"code": "1"}},
        "email_not_allowed": {"more": {"email": "name@example.com"}},
        "reverse_not_allowed": {"more": {"reverse": True}},
    },
    "check_code": {"field_invalid": {"more": {"code": 5}}},
    "prove_session": {"field_invalid": {"more": {"proof": 5}}},
    "resend_code": {
        "field_invalid": {"more": {"channel": "x"}},
        "expired": {"id": "never"},
        "channel_unavailable": {"more": {"channel": VOICE}},
        "pending": {},
    },
    "send_message": {"body_invalid": {"more": {"body": ""}}, "scope_missing": {"words": "verify"}},
    "find_messages": {
        "field_missing": {},
        "field_invalid": {"query": f"?to={'1' * 65}"},
        "reference_invalid": {"query": "?reference=12025550123"},
        **{code: {"query": f"?to={NUMBERS[code]}"} for code in ("phone_invalid", "phone_too_long")},
    },
    "search_messages": {"reference_invalid": {"body": json.dumps({"reference": PHONE})}},
    "create_session": {"return_url_not_allowed": {"words": "verify"}},
    "get_verification": {"scope_missing": {"words": "messages"}},
}

#: Answers from other tests, because they take a clock, a proxy, a failure or a setting.
ELSEWHERE = {
    *("bad_request", "body_late", "headers_too_large", "internal", "unavailable", "overloaded"),
    *("idempotency_in_progress", "idempotency_answer_lost", "idempotency_key_reused"),
    *("blocked", "challenge_required", "guard", "rate_limited", "pages_off", "opted_out", "no_route"),
    *("receipt_rejected", "email_invalid"),
}


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Operation, code, and how to be answered with it."""
    for name, by_status in sorted(OPERATIONS.items()):
        asks = dict(OF_ALL)
        if field := FIELDS.get(name):
            asks |= {code: {"more": {field: number}} for code, number in NUMBERS.items()}
        of_verify = name in ("check_code", "get_session", "prove_session")
        asks["scope_missing"] = {"words": "messages" if of_verify else "operate"}
        asks |= OWN.get(name, {})
        for codes in by_status.values():
            yield from (
                (name, code, asks[code]) for code in codes if code in asks and (name, code) not in RARE
            )


CASES = list(cases())


@pytest.mark.parametrize(("name", "code", "ask"), CASES, ids=[f"{name}-{code}" for name, code, _ in CASES])
def test_an_error_is_answered_as_its_example_says(api, settings, name, code, ask):
    settings.SMS_DESTINATIONS = ["*", "-+447400"]
    method, path, operation = FOUND[name]
    id = ask.get("id") or api.post("/v1/verifications", {"phone": PHONE}).json()["id"]
    settings.API_ACCESS = access.parse(f"tests={ask.get('words', WORDS)}")
    headers = ask.get("headers", api.headers) | ({"Idempotency-Key": ask["key"]} if "key" in ask else {})
    body = ask.get("body", json.dumps(GOOD.get(name, {}) | ask.get("more", {})))
    answer = documented(
        api.client.generic(
            method.upper(),
            path.format(id=id, message_id=id, alias=id) + ask.get("query", ""),
            body.encode(),
            ask.get("content_type", "application/json"),
            headers=headers,
        )
    )
    (content,) = operation["responses"][str(answer.status_code)]["content"].values()
    example = content["examples"][code]["value"]
    if "retry_after" in example:
        example["retry_after"] = answer.json()["retry_after"]  # which the clock decides
    assert answer.json() == example


def test_every_code_is_provoked_here_or_elsewhere():
    known = {code for by_status in OPERATIONS.values() for codes in by_status.values() for code in codes}
    assert known - {code for _, code, _ in CASES} == ELSEWHERE


def shape(value: Any) -> Any:
    """The names in an answer, with lists by their first."""
    if isinstance(value, list):
        return [shape(value[0])]
    return {name: shape(one) for name, one in value.items()} if isinstance(value, dict) else None


def test_an_answer_has_the_names_of_its_example(api, settings):
    settings.API_ACCESS = access.parse(f"tests={WORDS}")
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}

    def ask(name, **ids):
        method, path, _ = FOUND[name]
        answer = getattr(api, method)(path.format(**ids), *([GOOD[name]] if name in GOOD else []))
        assert answer.status_code < 300
        assert shape(answer.json()) == shape(ANSWERS[name])
        return answer.json().get("id", "")

    id = ask("start_verification")
    for name in ("resend_code", "get_verification", "check_code"):
        ask(name, id=id)
    session = ask("create_session")
    for name in ("prove_session", "get_session"):
        ask(name, id=session)
    ask("get_message", message_id=ask("send_message"))
    ask("search_messages")
    assert ANSWERS["find_messages"] is ANSWERS["search_messages"]
