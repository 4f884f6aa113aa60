"""The HTTP API: paths, answers, and problem documents for everything that goes wrong."""

from __future__ import annotations

import json
import time

import pytest

from otp.api.v1 import SENDING
from sms.testing import code_in, outbox
from tests.otp.issue import end_cooldown

PHONE = "+12025550123"
VERIFICATIONS = "/v1/verifications"
MARK = "7f3bMARK"  # what must not come back


def assert_problem(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"]) == (status, code)
    assert all(body[name] for name in ("type", "title", "detail"))
    return body


def test_the_whole_loop(api):
    started = api.post(VERIFICATIONS, {"phone": PHONE, "purpose": "login", "locale": "en"})
    assert started.status_code == 202
    body = started.json()
    times = {"expires_at", "resend_at"}
    ways = {"channel", "channels", "reverse"}
    assert set(body) == {"id", "status", "attempts_left", "delivery", "sms", "reference"} | times | ways
    assert (body["channel"], body["channels"]) == ("sms", ["sms"])
    assert (body["status"], body["attempts_left"], body["delivery"]) == ("pending", 3, "underway")
    assert body["sms"] == {"message_id": body["sms"]["message_id"], "state": "queued", "error": None}
    at = f"{VERIFICATIONS}/{body['id']}"
    assert api.get(at).json() == body | {"sms": body["sms"] | {"state": "sent"}}

    wrong = api.post(f"{at}/check", {"code": "nope"})
    assert wrong.json() == {"status": "invalid", "attempts_left": 2, "message": "Invalid OTP."}
    right = api.post(f"{at}/check", {"code": code_in(outbox[-1].body)})
    assert (right.status_code, right.json()["status"]) == (200, "valid")
    again = api.post(f"{at}/check", {"code": code_in(outbox[-1].body)})
    assert again.json()["status"] == "expired"  # accepted once
    assert api.get(at).json()["status"] == "valid"
    assert {answer["Cache-Control"] for answer in (started, right, again, api.get(at))} == {"no-store"}


def test_a_resend_may_name_a_channel(api, redis):
    id = api.post(VERIFICATIONS, {"phone": PHONE}).json()["id"]
    at = f"{VERIFICATIONS}/{id}/resend"
    redis.hset(next(iter(redis.keys("otp:phone:*"))), "resend_at", 1)
    body = assert_problem(api.post(at, {"channel": "voice"}), 422, "channel_unavailable")
    assert (body["field"], "sms" in body["detail"]) == ("channel", True)
    assert_problem(api.post(at, {"channel": "fax"}), 422, "field_invalid")
    assert_problem(api.post(at, {"chanel": "sms"}), 422, "field_unknown")
    assert api.post(at, {"channel": "sms"}).status_code == 202


def test_a_start_while_a_code_lives_is_429_without_an_id(api):
    api.post(VERIFICATIONS, {"phone": PHONE})
    response = api.post(VERIFICATIONS, {"phone": PHONE})
    body = assert_problem(response, 429, "pending")
    assert response["Retry-After"] == str(body["retry_after"])
    assert "id" not in body
    assert len(outbox) == 1


def test_resend_and_cancel(api, settings, redis):
    at = f"{VERIFICATIONS}/{api.post(VERIFICATIONS, {'phone': PHONE}).json()['id']}"
    assert_problem(api.post(f"{at}/resend"), 429, "pending")
    end_cooldown(redis)
    assert api.post(f"{at}/resend").status_code == 202
    assert len(outbox) == 2
    assert api.delete(at).status_code == 204
    assert api.get(at).json()["status"] == "expired"
    assert_problem(api.post(f"{at}/resend"), 409, "expired")


def test_an_id_that_never_was_is_expired(api):
    assert api.post(f"{VERIFICATIONS}/never/check", {"code": "123456"}).json()["status"] == "expired"
    assert api.get(f"{VERIFICATIONS}/never").json()["status"] == "expired"
    assert api.delete(f"{VERIFICATIONS}/never").status_code == 204


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"phone": "+1202555"}, 422, "phone_too_short"),
        ({"phone": "911"}, 422, "phone_emergency"),
        ({"phone": "112"}, 422, "phone_emergency"),
        ({"phone": "+1 900 555 0123"}, 422, "phone_type"),
        ({"phone": "+1 800 FLOWERS"}, 422, "phone_letters"),
        ({"phone": "+1202555012345678"}, 422, "phone_too_long"),
        ({"phone": "1" * 100}, 422, "field_invalid"),
        ({"phone": ""}, 422, "phone_missing"),
        ({"phone": "   "}, 422, "phone_missing"),
        ({"phone": None}, 422, "field_invalid"),
        ({"phone": ["+12025550123"]}, 422, "field_invalid"),
        ({}, 422, "phone_missing"),
        ({"phone": "+12025550123\x00"}, 422, "phone_invalid"),
        ({"phone": "+12025550123;ext=5"}, 422, "phone_invalid"),
        ({"phone": "2025550123"}, 422, "phone_no_country"),
        ({"phone": "+1 999 555 0123"}, 422, "phone_invalid"),
        ({"phone": PHONE, "purpose": "nonsense"}, 422, "purpose_unknown"),
        ({"phone": PHONE, "locale": "x" * 50}, 422, "field_invalid"),
        ({"phone": PHONE, "chanel": "sms"}, 422, "field_unknown"),
        ({"phone": PHONE, PHONE: "123456"}, 422, "field_unknown"),
        ("{", 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        ("[" * 8000, 400, "malformed_json"),
        ("[]", 422, "field_invalid"),
        ("null", 422, "field_invalid"),
        (json.dumps({"phone": "1" * 17000}), 413, "body_too_large"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(api, redis, body, status, code):
    answer = assert_problem(api.post(VERIFICATIONS, body), status, code)
    assert PHONE not in json.dumps(answer)
    assert redis.keys() == []
    assert outbox == []


@pytest.mark.parametrize("path", [VERIFICATIONS, f"{VERIFICATIONS}/never/check", "/v1/messages"])
@pytest.mark.parametrize("name", ["chanel", "CODE", "client_IP", "a1", "+1", "", " x", "x" * 33])
def test_a_field_that_an_operation_has_not_is_named(api, path, name):
    """Unless it is not a plain name: nothing else that was sent comes back."""
    required = {VERIFICATIONS: {"phone": PHONE}, "/v1/messages": {"to": PHONE, "body": "Hello"}}
    answer = api.post(path, required.get(path, {"code": "123456"}) | {name: MARK})
    problem = assert_problem(answer, 422, "field_unknown")
    assert problem.get("field") == (name if name in ("chanel", "CODE", "client_IP") else None)
    assert "x" * 33 not in problem["detail"]
    assert MARK not in answer.content.decode()
    assert outbox == []


@pytest.mark.parametrize("body", ["", "[]", "1", '{"phone": "+12025550123", "\\ud800": 1}'])
def test_a_body_that_is_no_object_is_told_so(api, body):
    problem = assert_problem(api.post(VERIFICATIONS, body), 422, "field_invalid" if body else "field_missing")
    assert (problem["detail"], "field" in problem) == ("The body must be a JSON object.", False)


def test_the_description_says_that_no_other_field_is_read(api):
    schemas = api.client.get("/v1/openapi.json").json()["components"]["schemas"]
    read = {name: schema for name, schema in schemas.items() if name.endswith("In")}
    names = {"VerificationIn", "CheckIn", "ResendIn", "SessionIn", "ProofIn", "MessageIn", "SearchIn"}
    assert set(read) == names
    assert all(schema["additionalProperties"] is False for schema in read.values())


def test_a_lone_surrogate_in_a_code_is_a_wrong_code(api):
    at = f"{VERIFICATIONS}/{api.post(VERIFICATIONS, {'phone': PHONE}).json()['id']}"
    assert api.post(f"{at}/check", '{"code": "\\ud800"}').status_code in (200, 422)


def test_addresses_and_methods_that_do_not_exist(api):
    assert_problem(api.get("/v1/nothing"), 404, "not_found")
    response = api.client.put(VERIFICATIONS, headers=api.headers)
    body = assert_problem(response, 405, "method_not_allowed")
    assert body["detail"] == "This address does not take this method."
    assert "POST" in response["Allow"]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"]
)
def test_only_json_is_taken(api, content_type):
    response = api.post(VERIFICATIONS, json.dumps({"phone": PHONE}), content_type=content_type)
    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer ", "Basic eDp5", "Bearer wr\xf6ng"])
def test_a_wrong_key_is_401(api, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    response = api.client.post(VERIFICATIONS, {"phone": PHONE}, "application/json", headers=headers)
    assert_problem(response, 401, "unauthorized")
    assert response["WWW-Authenticate"] == "Bearer"


def test_without_redis_it_is_503_in_time(api, settings):
    from tests.conftest import point_cache_at

    point_cache_at(settings, "redis://127.0.0.1:9/0")
    began = time.monotonic()
    for response in (
        api.post(VERIFICATIONS, {"phone": PHONE}),
        api.post(f"{VERIFICATIONS}/some/check", {"code": "123456"}),
        api.post(f"{VERIFICATIONS}/some/resend"),
        api.get(f"{VERIFICATIONS}/some"),
        api.delete(f"{VERIFICATIONS}/some"),
        api.post("/v1/messages", {"to": PHONE, "body": "hi"}),
        api.get("/v1/messages/some"),
    ):
        assert_problem(response, 503, "unavailable")
        assert int(response["Retry-After"]) > 0
    assert time.monotonic() - began < 3


def test_an_error_of_ours_is_a_problem_without_details(api, monkeypatch):
    from otp import services

    def fail(*args, **options):
        raise RuntimeError(f"secret {PHONE}")

    monkeypatch.setattr(services, "start", fail)
    response = api.post(VERIFICATIONS, {"phone": PHONE})
    assert "secret" not in json.dumps(assert_problem(response, 500, "internal"))


def test_the_description_is_openapi_3_1_and_lists_the_errors(api):
    document = api.client.get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    start = document["paths"][VERIFICATIONS]["post"]
    assert set(start["responses"]) == {
        *("202", "400", "401", "403", "408", "409", "413", "415", "422", "429", "431", "500", "503")
    }
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"]


def test_the_description_knows_who_may_and_what_is_sent_once(api):
    document = api.client.get("/v1/openapi.json").json()
    operations = {one["operationId"]: one for path in document["paths"].values() for one in path.values()}
    for name, operation in operations.items():
        keyed = "security" in operation
        assert keyed is (not name.startswith(("take_receipts", "take_inbound")))
        assert ("403" in operation["responses"]) or not keyed
        headers = [one["name"] for one in operation.get("parameters", []) if one["in"] == "header"]
        assert headers == (["Idempotency-Key"] if name in SENDING else [])
        if name in SENDING:
            assert {"400", "409", "422"} <= set(operation["responses"])
            assert "Idempotency-Replayed" in operation["responses"]["202"]["headers"]
            assert operation["responses"]["409"]["headers"]["Retry-After"]["required"] is False
    given = document["components"]["schemas"]["VerificationIn"]["properties"]["client_ip"]
    assert [one.get("format") for one in given["anyOf"]] == ["ipv4", "ipv6", None]


def test_every_answer_has_a_request_id(api):
    own = "0123456789abcdef0123456789abcdef"
    given = {"X-Request-ID": own} | api.headers
    assert api.client.get(f"{VERIFICATIONS}/x", headers=given)["X-Request-ID"] == own
    # A free text could hold a number, so it is not taken over into logs and records.
    given["X-Request-ID"] = PHONE
    assert api.client.get(f"{VERIFICATIONS}/x", headers=given)["X-Request-ID"] != PHONE
