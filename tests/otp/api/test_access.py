"""The rights of a key: scopes, purposes, the end user's address. And that a revoked key is nobody's."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from otp import services
from otp.api import access, keys
from otp.api.access import Access, BadAccess
from otp.caller import Caller
from sms.testing import code_in, outbox
from tests.settings import API_KEY

PHONE = "+12025550123"
VERIFICATIONS = "/v1/verifications"

#: The scopes for each operation; a key needs one of them.
SCOPES = {
    "start_verification": ("verify",),
    "check_code": ("verify",),
    "resend_code": ("verify",),
    "cancel_verification": ("verify",),
    "get_verification": ("verify", "read"),
    "send_message": ("messages",),
    "get_message": ("read",),
}


def grant(settings, words: str) -> None:
    settings.API_ACCESS = access.parse(f"tests={words}") if words else {}


def start(api, **more):
    return api.post(VERIFICATIONS, {"phone": PHONE} | more)


def refusal(response):
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("setting", ["tests=verify", ["tests"], {"tests": "verify"}, {"tests": {"verify"}}])
def test_a_setting_of_another_type_is_refused_at_start(settings, setting):
    settings.API_ACCESS = setting
    with pytest.raises(SystemCheckError, match="API_ACCESS must be a dict"):
        call_command("check")


# --- the setting ------------------------------------------------------------------------------------


def test_an_entry_is_read():
    found = access.parse(
        "shop=verify, read,client_ip,purpose:login,purpose:signup,600/1m,20/1m+100;ops=read;"
    )
    assert found == {
        "shop": Access(
            "shop", frozenset({"verify", "read"}), frozenset({"login", "signup"}), True, "600/1m,20/1m+100"
        ),
        "ops": Access("ops", frozenset({"read"})),
    }
    assert access.parse("") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shop", "must look like"),
        ("=verify", "must look like"),
        ("a b=verify", "must look like"),
        ("shop=verify;shop=read", "names shop twice"),
        ("shop=", "has the word ''"),
        ("shop=verify,", "has the word ''"),
        ("shop=Verify", "has the word 'Verify'"),
        ("shop=verify,purpose:", "has the word 'purpose:'"),
        ("shop=verify,600", "has the word '600'"),
        ("shop=client_ip,purpose:login", "may do nothing"),
    ],
)
def test_a_malformed_entry_is_refused_with_the_mend(text, words):
    with pytest.raises(BadAccess, match=f"API_ACCESS.*{words}"):
        access.parse(text)


def test_a_name_without_an_entry_has_no_new_right():
    assert Access("shop") == Access("shop", frozenset({"verify", "messages", "read"}), frozenset(), False, "")


# --- scopes -----------------------------------------------------------------------------------------


def _operations(api, id: str, message: str):
    at = f"{VERIFICATIONS}/{id}"
    return {
        "start_verification": lambda: api.post(VERIFICATIONS, {"phone": "+12025550199"}),
        "check_code": lambda: api.post(f"{at}/check", {"code": "nope"}),
        "resend_code": lambda: api.post(f"{at}/resend"),
        "get_verification": lambda: api.get(at),
        "send_message": lambda: api.post("/v1/messages", {"to": PHONE, "body": "Hello"}),
        "get_message": lambda: api.get(f"/v1/messages/{message}"),
        "cancel_verification": lambda: api.delete(at),
    }


@pytest.mark.parametrize("scope", ["verify", "messages", "read"])
def test_a_scope_opens_its_operations_and_no_other(api, settings, scope):
    id = start(api).json()["id"]
    message = api.post("/v1/messages", {"to": PHONE, "body": "Hello"}).json()["id"]
    grant(settings, scope)
    calls = _operations(api, id, message)
    assert set(calls) == set(SCOPES)
    before = len(outbox)
    for name, call in calls.items():
        response = call()
        if scope in SCOPES[name]:
            assert response.status_code in (200, 202, 204, 429), name
        else:
            assert refusal(response) == (403, "scope_missing"), name
            assert set(SCOPES[name]) & set(response.json()["detail"].rstrip(".").split())
    sending = {"verify": 1, "messages": 1, "read": 0}  # a resend is too soon
    assert len(outbox) - before == sending[scope]


def test_the_scope_is_asked_for_before_the_body_is_read(api, settings):
    grant(settings, "read")
    assert refusal(api.post(VERIFICATIONS, "{")) == (403, "scope_missing")
    assert refusal(api.post(VERIFICATIONS, "x", content_type="text/plain")) == (403, "scope_missing")


# --- revoked and rotated ----------------------------------------------------------------------------


def test_a_revoked_key_stops_at_once_and_its_twin_works_on(api, settings):
    second, digest = keys.make()
    settings.API_KEYS = {"tests": [keys.digest(API_KEY), digest]}
    twin = {"Authorization": f"Bearer {second}"}
    assert api.get(f"{VERIFICATIONS}/x").status_code == 200
    assert api.client.get(f"{VERIFICATIONS}/x", headers=twin).status_code == 200
    settings.API_KEYS = {"tests": [digest]}
    assert refusal(api.get(f"{VERIFICATIONS}/x")) == (401, "unauthorized")
    assert api.client.get(f"{VERIFICATIONS}/x", headers=twin).status_code == 200
    settings.API_KEYS = {}
    assert api.client.get(f"{VERIFICATIONS}/x", headers=twin).status_code == 401


# --- purposes ---------------------------------------------------------------------------------------


def test_a_start_for_another_purpose_is_refused_and_leaves_nothing(api, settings, redis):
    grant(settings, "verify,purpose:signup")
    for purpose in ("login", "payment", "nonsense"):
        assert refusal(start(api, purpose=purpose)) == (403, "purpose_not_allowed")
    assert refusal(start(api)) == (403, "purpose_not_allowed")  # the default is login
    assert (redis.keys(), outbox) == ([], [])
    assert start(api, purpose="signup").status_code == 202


def test_another_purposes_verification_is_one_that_never_was(api, settings, redis):
    id = start(api, purpose="login").json()["id"]
    code = code_in(outbox[-1].body)
    grant(settings, "verify,read,purpose:signup")
    foreign, unknown = f"{VERIFICATIONS}/{id}", f"{VERIFICATIONS}/AAAAAAAAAAAAAAAAAAAAAA"
    before = redis.hgetall(f"otp:verification:{id}")
    for call in (
        api.get,
        lambda at: api.post(f"{at}/check", {"code": code}),
        lambda at: api.post(f"{at}/resend"),
        api.delete,
    ):
        mine, nobodys = call(foreign), call(unknown)
        assert mine.status_code == nobodys.status_code
        assert mine.content.replace(id.encode(), b"-") == nobodys.content.replace(b"A" * 22, b"-")
    assert api.get(foreign).json()["id"] == id  # an unknown id is repeated, too
    assert redis.hgetall(f"otp:verification:{id}") == before
    assert len(outbox) == 1

    grant(settings, "verify,purpose:login")
    assert api.post(f"{foreign}/check", {"code": code}).json()["status"] == "valid"
    assert api.get(foreign).json()["status"] == "valid"


# --- the end user's address -------------------------------------------------------------------------


@pytest.fixture
def callers(monkeypatch) -> list[Caller]:
    """The callers that the service was given."""
    seen: list[Caller] = []
    for name in ("start", "resend"):
        real = getattr(services, name)

        def noted(*args, caller, _real=real, **options):
            seen.append(caller)
            return _real(*args, caller=caller, **options)

        monkeypatch.setattr(services, name, noted)
    return seen


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        (None, ""),
    ],
)
def test_a_key_that_may_names_the_end_users_address(api, settings, callers, given, read):
    grant(settings, "verify,client_ip,600/1m")
    assert start(api, client_ip=given).status_code == 202
    assert callers == [Caller("tests", read, "600/1m")]


def test_over_the_api_the_address_of_the_connection_is_nobodys(api, callers):
    settings_of_proxy = {"HTTP_X_FORWARDED_FOR": "203.0.113.9", "REMOTE_ADDR": "10.0.0.1"}
    id = api.post(VERIFICATIONS, {"phone": PHONE}, **settings_of_proxy).json()["id"]
    api.post(f"{VERIFICATIONS}/{id}/resend", **settings_of_proxy)
    assert callers == [Caller("tests"), Caller("tests")]


def test_a_key_that_may_not_is_told_so(api, redis):
    assert refusal(start(api, client_ip="203.0.113.7")) == (403, "client_ip_not_allowed")
    assert (redis.keys(), outbox) == ([], [])
    assert start(api, client_ip=None).status_code == 202


@pytest.mark.parametrize(
    "given",
    ["", "nonsense", "1.2.3", "1.2.3.4:80", "[::1]", "fe80::1%eth0", "1.2.3.4/32", " 1.2.3.4", 5, ["::1"]],
)
def test_what_is_no_address_is_refused_by_its_field(api, settings, redis, given):
    grant(settings, "verify,client_ip")
    response = start(api, client_ip=given)
    assert refusal(response) == (422, "field_invalid")
    assert response.json()["field"] == "client_ip"
    assert "nonsense" not in response.content.decode()
    assert (redis.keys(), outbox) == ([], [])
