"""The Send SMS hook of Supabase Auth: signed by the standard's library, in the form that its source has."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from standardwebhooks import Webhook

from otp.hooks import settings as hooks
from otp.hooks import signed
from sms import services
from sms.testing import outbox
from tests.conftest import point_cache_at

OLD, SECRET = (
    "v1,whsec_b2xkIHNlY3JldCBvZiB0aGUgaG9vaywgMzIgYnk=",
    "v1,whsec_c2VjcmV0IG9mIHRoZSBob29rLCAzMiBieXRlcy4=",
)
URL = "/v1/hooks/supabase"


@pytest.fixture(autouse=True)
def hook(settings):
    settings.HOOKS = {"supabase": SECRET}


def payload(phone="12025550123", code="561166"):
    """As internal/hooks/v0hooks makes it; a user's number has no + there."""
    return {
        "metadata": {
            "uuid": str(uuid.uuid4()),
            "time": "2026-05-14T12:31:52Z",
            "name": "send-sms",
            "ip_address": "203.0.113.7",
        },
        "user": {
            "id": str(uuid.uuid4()),
            "aud": "authenticated",
            "role": "authenticated",
            "phone": phone,
            "user_metadata": {},
        },
        "sms": {"otp": code},
    }


def headers(body, secrets=(SECRET,), at=None, id=""):
    """As its Go library makes it: several signatures have a comma and a blank between them."""
    id, at = id or f"{uuid.uuid4()}", at or datetime.now(UTC)
    made = [Webhook(secret.removeprefix("v1,")).sign(id, at, body) for secret in secrets]
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": ", ".join(made),
    }


def call(content, url=URL, **how):
    body = content if isinstance(content, str) else json.dumps(content)
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    return client.post(url, body, content_type="application/json", headers=headers(body, **how))


def error(response):
    """As Supabase reads it, which looks for an error only in answers of status 200."""
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    found = response.json()["error"]
    return found["http_code"], found["message"]


def test_a_code_is_sent_as_one_of_ours():
    response = call(payload())
    assert (response.status_code, response["Content-Type"], response.json()) == (200, "application/json", {})
    (sms,) = outbox
    assert (sms.to, sms.body) == (
        "+12025550123",
        "561166 is your Otpost code. It expires in 1 min. Do not share it.",
    )
    message = services.get(sms.id)
    assert (message.queue, message.purpose, message.api_key) == ("otp", "login", "hook:supabase")
    assert message.expires_at - message.created_at == 60


def of_size(size):
    """A call with so much metadata of its user."""
    content = payload()
    content["user"]["user_metadata"] = {"more": ""}
    content["user"]["user_metadata"]["more"] = "x" * (size - len(json.dumps(content)))
    return content


def test_a_user_may_have_much_metadata():
    content = of_size(64 * 1024)
    for _ in range(2):  # Supabase tries again
        response = call(content)
        assert (response.status_code, response.json()) == (200, {})
    assert len(outbox) == 1


def test_the_address_names_the_purpose_and_the_life(settings):
    settings.OTP_PURPOSES = {
        "login": {},
        "signup": {"lifetime": 300, "text": "Welcome: {code}, {minutes} min"},
    }
    call(payload(), f"{URL}?purpose=signup&expires_in=240")
    assert outbox[-1].body == "Welcome: 561166, 4 min"


def test_a_number_that_is_being_changed_has_the_code_and_not_the_one_of_before():
    content = payload("12025550199")
    content["sms"]["phone"] = "12025550123"
    call(content)
    assert outbox[-1].to == "+12025550123"


def test_a_try_that_comes_again_sends_nothing_twice():
    """If an answer got lost, Supabase calls once more: with another id, and the same body."""
    content = payload()
    assert [call(content).json() for _ in range(3)] == [{}, {}, {}]
    assert len(outbox) == 1


def test_a_call_that_is_played_back_sends_nothing():
    body = json.dumps(payload())
    stolen = headers(body)
    for _ in range(2):
        Client().post(URL, body, content_type="application/json", headers=stolen)
    assert len(outbox) == 1


def test_another_code_is_sent():
    call(payload())
    call(payload(code="561167"))
    assert [sms.code for sms in outbox] == ["561166", "561167"]


class TestSignature:
    @pytest.mark.parametrize("secrets", [(OLD, SECRET), (SECRET, OLD)])
    def test_one_of_several_is_enough(self, secrets):
        assert call(payload(), secrets=secrets).json() == {}

    def test_both_hold_while_the_secret_is_changed(self, settings):
        settings.HOOKS = {"supabase": f"{SECRET}|{OLD}"}
        assert [call(payload(), secrets=[one]).json() for one in (OLD, SECRET)] == [{}, {}]

    @pytest.mark.parametrize("secrets", [(OLD,), ()])
    def test_a_wrong_one_is_refused(self, secrets):
        self.refused(call(payload(), secrets=secrets))

    @pytest.mark.parametrize("seconds", [-310, 310])
    def test_one_of_another_time_is_refused(self, seconds):
        self.refused(call(payload(), at=datetime.now(UTC) + timedelta(seconds=seconds)))

    @pytest.mark.parametrize("seconds", [-290, 290])
    def test_clocks_may_differ(self, seconds):
        assert call(payload(), at=datetime.now(UTC) + timedelta(seconds=seconds)).json() == {}

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    @pytest.mark.parametrize("value", ["", "x", "9" * 400, "\xe9", "v1,"])
    def test_each_header_counts(self, name, value):
        body = json.dumps(payload())
        self.refused(
            Client().post(URL, body, content_type="application/json", headers=headers(body) | {name: value})
        )

    def test_headers_that_cannot_be_right_spare_the_body(self):
        def read():
            raise AssertionError

        for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
            assert not signed.is_genuine(headers("{}") | {name: ""}, read, [b"x"])

    def test_so_does_the_body(self):
        made = headers(json.dumps(payload()))
        self.refused(Client().post(URL, json.dumps(payload()), content_type="application/json", headers=made))

    @staticmethod
    def refused(response):
        assert response.status_code == 401
        assert outbox == []

    def test_without_a_secret_there_is_no_hook(self, settings):
        settings.HOOKS = {}
        assert call(payload()).status_code == 404


class TestErrors:
    def test_a_number_that_gets_no_code(self):
        assert error(call(payload("911"))) == (422, "This is an emergency number; no SMS goes there.")

    def test_a_limit(self, settings):
        settings.OTP_LIMITS = "phone=1/10m"
        call(payload())
        assert error(call(payload())) == (429, "Too many SMS were asked for. Please try again later.")

    def test_the_users_address_is_counted(self, settings):
        settings.OTP_LIMITS = "ip=1/10m"
        call(payload())
        assert error(call(payload("12025550124")))[0] == 429
        other = payload("12025550125")
        other["metadata"]["ip_address"] = "203.0.113.8"
        assert call(other).json() == {}

    def test_a_purpose_that_does_not_exist(self):
        assert error(call(payload(), f"{URL}?purpose=x"))[0] == 422

    def test_redis_is_away(self, settings):
        point_cache_at(settings, "redis://127.0.0.1:9/0")
        assert error(call(payload())) == (503, "The service cannot answer now.")

    def test_what_was_refused_may_be_asked_again(self, settings):
        content = payload()
        settings.SMS_DESTINATIONS = ["GB"]
        assert error(call(content))[0] == 422
        settings.SMS_DESTINATIONS = []
        assert call(content).json() == {}

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "[]",
            "null",
            "{",
            pytest.param("[" * 15_000, id="deep"),
            {"user": {}},
            {"user": {"phone": "12025550123"}, "sms": {}},
            {"user": {"phone": 1}, "sms": {"otp": 1}},
        ],
    )
    def test_another_body(self, content):
        assert call(content).status_code == 400

    @pytest.mark.parametrize("life", ["soon", "", "0", "-1", "1e3", "%D9%A1"])
    def test_a_life_that_is_no_number_of_seconds(self, life):
        assert call(payload(), f"{URL}?expires_in={life}").status_code == 400

    def test_a_body_that_is_too_large(self):
        response = call(of_size(64 * 1024 + 1))
        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
        assert not outbox

    def test_other_methods(self):
        assert Client().get(URL).status_code == 405


def test_nothing_readable_is_kept(redis):
    call(payload())
    for key in redis.scan_iter():
        stored = repr((key, redis.dump(key)))
        assert "5550123" not in stored
        assert "561166" not in stored


class TestSettings:
    def test_it_stands_as_supabase_shows_it(self, settings):
        settings.HOOKS = hooks.parse(f"supabase={SECRET}|{OLD}")
        assert hooks.configured() == {
            "supabase": (b"secret of the hook, 32 bytes.", b"old secret of the hook, 32 by")
        }

    @pytest.mark.parametrize("text", ["supabase", "=x;", f"supabase={SECRET};supabase={OLD}"])
    def test_what_cannot_be_read_is_refused(self, text):
        with pytest.raises(ImproperlyConfigured, match="HOOKS must look like"):
            hooks.parse(text)

    @pytest.mark.parametrize(
        "secret", ["", "x", "v1,whsec_", "v1,whsec_eA==", f"{SECRET}|{SECRET}|{OLD}", "v1,whsec_!"]
    )
    def test_what_is_no_secret_is_refused_without_it(self, settings, secret):
        settings.HOOKS = {"supabase": secret}
        with pytest.raises(ImproperlyConfigured, match="HOOKS: supabase needs") as refused:
            hooks.configured()
        assert len(secret) < 10 or secret not in str(refused.value)

    def test_another_name_is_refused(self, settings):
        settings.HOOKS = {"firebase": SECRET}
        with pytest.raises(ImproperlyConfigured, match="Use supabase"):
            hooks.configured()
