"""The routers in somebody else's NinjaAPI: every operation asks for a key by itself."""

from __future__ import annotations

import functools
import json

import pytest
from django.test import Client
from django.urls import path
from ninja import NinjaAPI

import otp.views
import sms.views
from otp.api import access
from sms import auth
from sms.testing import code_in, outbox
from tests.settings import API_KEY

PHONE = "+12025550123"
KEY = {"Authorization": f"Bearer {API_KEY}"}

#: As a project makes one that knows nothing of ours: no authentication, no handlers of errors.
bare = NinjaAPI(urls_namespace="bare")
bare.add_router("", otp.views.router)
bare.add_router("", sms.views.router)

urlpatterns = [path("their/", bare.urls)]

#: These carry the provider's own signature.
SIGNED = {"take_receipts", "take_receipts_by_get", "take_inbound", "take_inbound_by_get"}


@pytest.fixture(autouse=True)
def mounted(settings):
    settings.ROOT_URLCONF = __name__
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}


@functools.cache
def operations() -> dict[str, tuple[str, str]]:
    """Method and path of every operation of the two routers, by its id."""
    document = bare.get_openapi_schema(path_prefix="/their/")
    query = {"find_messages": "?reference=order-1"}
    return {
        operation["operationId"]: (
            method,
            at.replace("{id}", "x" * 22).replace("{message_id}", "x" * 22)
            + query.get(operation["operationId"], ""),
        )
        for at, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def call(name: str, headers: dict[str, str] | None = None, body: object = None, at: str = ""):
    method, path = operations()[name]
    client = Client(raise_request_exception=False)
    path = path.replace("x" * 22, at) if at else path
    sent = b"" if body is None else json.dumps(body).encode()
    return client.generic(method.upper(), path, sent, "application/json", headers=headers)


WRONG = [
    {},
    {"Authorization": "Bearer wrong"},
    {"Authorization": f"Basic {API_KEY}"},
    {"Authorization": API_KEY},
]


@pytest.mark.parametrize("headers", WRONG)
def test_every_operation_refuses_without_a_key(redis, headers):
    names = operations().keys() - SIGNED
    assert len(names) == 9
    bodies = {
        "start_verification": {"phone": PHONE},
        "send_message": {"to": PHONE, "body": "Hello"},
        "check_code": {"code": "123456"},
        "search_messages": {"to": PHONE},
    }
    for name in names:
        assert call(name, headers, bodies.get(name)).status_code == 401, name
    assert (redis.keys(), outbox) == ([], [])


def test_what_providers_call_is_open_to_their_signature():
    for name in SIGNED:
        assert call(name).status_code == 404, name  # there is no alias of that name; no key was asked for


def test_every_operation_works_with_a_key():
    started = call("start_verification", KEY, {"phone": PHONE})
    assert started.status_code == 202
    id = started.json()["id"]
    assert call("get_verification", KEY, at=id).json()["status"] == "pending"
    assert call("resend_code", KEY, at=id).status_code == 202
    assert call("check_code", KEY, {"code": code_in(outbox[-1].body)}, at=id).json()["status"] == "valid"
    id = call("start_verification", KEY, {"phone": PHONE}).json()["id"]
    assert call("cancel_verification", KEY, at=id).status_code == 204
    sent = call("send_message", KEY, {"to": PHONE, "body": "Hello"})
    assert sent.status_code == 202
    assert call("get_message", KEY, at=sent.json()["id"]).json()["state"] == "sent"
    assert len(call("search_messages", KEY, {"to": PHONE}).json()["stories"]) == 3
    assert call("find_messages", KEY).json() == {"stories": []}


def test_nobody_keeps_what_an_operation_answers():
    """Neither a status nor a refusal; also in this API, which has no middleware of ours."""
    id = call("start_verification", KEY, {"phone": PHONE}).json()["id"]
    message = call("send_message", KEY, {"to": PHONE, "body": "Hello"}).json()["id"]
    ids = {"get_message": message}
    bodies = {
        "start_verification": {"phone": "+12025550124"},
        "send_message": {"to": PHONE, "body": "Hello"},
        "check_code": {"code": "000000"},
        "search_messages": {"to": PHONE},
    }
    names = [name for name in operations() if name != "cancel_verification"]
    for key in (KEY, {}):
        for name in (*names, "cancel_verification"):
            answer = call(name, key, bodies.get(name), at=ids.get(name, id))
            assert (answer.status_code < 300) is (bool(key) and name not in SIGNED), name
            assert answer["Cache-Control"] == "no-store", name


@pytest.mark.parametrize("scope", ["verify", "messages", "read"])
def test_every_operation_wants_its_scope(settings, scope):
    settings.API_ACCESS = access.parse(f"tests={scope}")
    opened = {
        "verify": {
            "start_verification",
            "check_code",
            "resend_code",
            "get_verification",
            "cancel_verification",
        },
        "messages": {"send_message"},
        "read": {"get_verification", "get_message", "find_messages", "search_messages"},
    }[scope]
    for name in operations().keys() - SIGNED:
        assert (call(name, KEY).status_code == 403) is (name not in opened), name


def test_what_a_key_may_not_and_what_goes_wrong_is_answered(settings):
    """Not with 500, although this API has no handler for an error of ours."""
    settings.API_ACCESS = access.parse("tests=verify,messages,purpose:login,1/1m")
    start = {"phone": PHONE}
    assert (
        call("start_verification", KEY, start | {"purpose": "payment"}).json()["code"]
        == "purpose_not_allowed"
    )
    assert call("start_verification", KEY, start | {"client_ip": "192.0.2.1"}).status_code == 403
    assert call("start_verification", KEY, {"phone": "911"}).json()["code"] == "phone_emergency"
    assert call("start_verification", KEY, start).status_code == 202
    refused = call("send_message", KEY, {"to": PHONE, "body": "Hello"})  # the key's own limit, over both
    assert (refused.status_code, refused.json()["limit"]) == (429, "key")
    assert "RateLimit-Policy" in refused
    assert call("resend_code", KEY).json()["code"] == "expired"


def test_without_whoever_knows_the_keys_nobody_gets_in(monkeypatch, redis):
    """As if ``sms`` is installed alone."""
    monkeypatch.setattr(auth, "_path", "")
    assert call("send_message", KEY, {"to": PHONE, "body": "Hello"}).status_code == 401
    assert (redis.keys(), outbox) == ([], [])
