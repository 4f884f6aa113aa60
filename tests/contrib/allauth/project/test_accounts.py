"""Sign up, log in and change a number: the pages of django-allauth, and what the phone got."""

from __future__ import annotations

import copy
import json

import pytest
from django.contrib.auth import get_user
from django.core.cache import cache
from django.test import Client
from shop.models import User

from sms import services
from sms.testing import code_in

PHONE, OTHER = "+12025550123", "+12025550124"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(sms_outbox):
    """Neither our limits nor allauth's, which are in the default cache, know of an earlier test."""
    cache.clear()
    return sms_outbox


@pytest.fixture
def user():
    return User.objects.create_user("ann", phone=PHONE, phone_verified=True)


def sign_up(client, phone=PHONE):
    return client.post("/accounts/signup/", {"phone": phone, "password1": "a long sentence"})


def ask_for_a_code(client, phone=PHONE):
    return client.post("/accounts/login/code/", {"phone": phone})


def test_whoever_signs_up_proves_the_number(client, sms_outbox):
    assert sign_up(client)["Location"] == "/accounts/phone/verify/"
    (sms,) = sms_outbox
    assert sms.to == PHONE
    assert "is your Example code. It expires in 2 min." in sms.body
    assert sms.body.endswith(f"\n\n@example.com #{code_in(sms.body)}")
    assert not User.objects.get().phone_verified
    assert client.post("/accounts/phone/verify/", {"code": code_in(sms.body)}).status_code == 302
    assert User.objects.get().phone_verified
    assert get_user(client) == User.objects.get()


def test_a_user_logs_in_by_a_code(client, user, sms_outbox):
    assert ask_for_a_code(client)["Location"] == "/accounts/login/code/confirm/"
    code = code_in(sms_outbox[-1].body)
    assert len(code) == 6
    assert code.isdigit()
    client.post("/accounts/login/code/confirm/", {"code": f"{code[:3]} {code[3:]}"})
    assert get_user(client) == user


def test_a_wrong_code_lets_nobody_in(client, user, sms_outbox):
    ask_for_a_code(client)
    wrong = str((int(code_in(sms_outbox[-1].body)) + 1) % 10**6).zfill(6)
    for _ in range(3):
        client.post("/accounts/login/code/confirm/", {"code": wrong})
    client.post("/accounts/login/code/confirm/", {"code": code_in(sms_outbox[-1].body)})
    assert get_user(client).is_anonymous


def test_a_resend_brings_a_code_that_works(client, sms_outbox):
    sign_up(client)
    cache.clear()  # allauth lets nobody ask again for 30 s
    client.post("/accounts/phone/verify/", {"action": "resend"})
    assert len(sms_outbox) == 2
    client.post("/accounts/phone/verify/", {"code": code_in(sms_outbox[-1].body)})
    assert User.objects.get().phone_verified


def test_a_user_changes_the_number(client, user, sms_outbox):
    ask_for_a_code(client)
    client.post("/accounts/login/code/confirm/", {"code": code_in(sms_outbox[-1].body)})
    client.post("/accounts/phone/change/", {"phone": OTHER})
    assert sms_outbox[-1].to == OTHER
    client.post("/accounts/phone/verify/", {"code": code_in(sms_outbox[-1].body)})
    user.refresh_from_db()
    assert (user.phone, user.phone_verified) == (OTHER, True)


def test_the_message_is_one_of_the_codes(client, user, sms_outbox):
    """With their queue and lifetime, and the fields for a provider that writes the text itself."""
    ask_for_a_code(client)
    (sms,) = sms_outbox
    assert (sms.code, sms.purpose, sms.locale) == (code_in(sms.body), "login", "en-us")
    message = services.get(sms.id)
    assert (message.queue, message.expires_at - message.created_at) == ("otp", 120)


@pytest.mark.parametrize("phone", ["+447400123456", "+12025550", "12"])
def test_a_number_that_gets_no_code_is_refused_in_the_form(client, sms_outbox, phone):
    answer = sign_up(client, phone)
    assert answer.status_code == 200
    assert answer.context["form"].errors["phone"]
    assert not sms_outbox
    assert not User.objects.exists()


def test_a_number_without_an_account_gets_nothing_and_cannot_tell(client, user, sms_outbox):
    answer = ask_for_a_code(client, OTHER)
    assert answer["Location"] == "/accounts/login/code/confirm/"
    assert not sms_outbox


def test_our_limits_hold(client, user, settings, sms_outbox):
    settings.OTP_LIMITS = "phone=1/10m"
    ask_for_a_code(client)
    refused = ask_for_a_code(Client())  # the same browser is sent to the code that it waits for
    assert refused.status_code == 429
    assert 590 <= int(refused["Retry-After"]) <= 600
    assert len(sms_outbox) == 1


def test_an_address_is_counted_as_the_users(client, settings, sms_outbox):
    settings.OTP_LIMITS = "ip=1/10m"
    for number, phone in enumerate((PHONE, OTHER)):
        User.objects.create_user(f"u{number}", phone=phone)
    assert ask_for_a_code(client).status_code == 302
    assert ask_for_a_code(Client(), OTHER).status_code == 429


def test_without_redis_the_answer_is_503(client, user, settings):
    caches = copy.deepcopy(settings.CACHES)
    caches["otpost"]["LOCATION"] = "redis://127.0.0.1:9/0"
    settings.CACHES = caches
    refused = ask_for_a_code(client)
    assert refused.status_code == 503
    assert int(refused["Retry-After"]) > 0


def test_the_headless_api_does_the_same(client, user, sms_outbox):
    def post(path, body, **headers):
        return client.post(
            f"/_allauth/app/v1/auth/{path}", json.dumps(body), "application/json", headers=headers
        )

    asked = post("code/request", {"phone": PHONE})
    session = {"X-Session-Token": asked.json()["meta"]["session_token"]}
    confirmed = post("code/confirm", {"code": code_in(sms_outbox[-1].body)}, **session)
    assert confirmed.status_code == 200
    assert confirmed.json()["data"]["user"]["id"] == user.pk


def test_the_headless_api_says_in_its_own_form_that_a_limit_is_reached(client, user, settings, sms_outbox):
    settings.OTP_LIMITS = "phone=1/10m"
    path, body = "/_allauth/app/v1/auth/code/request", json.dumps({"phone": PHONE})
    client.post(path, body, "application/json")
    refused = client.post(path, body, "application/json")
    assert (refused.status_code, refused.json()) == (429, {"status": 429})
