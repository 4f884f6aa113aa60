"""Set up a phone and log in by it: the pages of django-two-factor-auth, and what the phone got."""

from __future__ import annotations

import copy

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django_otp import user_has_device

from sms import registry, services
from sms.message import Channel
from sms.testing import code_in

PHONE = "+12025550123"
LOGIN, SETUP = "/account/login/", "/account/two_factor/setup/"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(sms_outbox):
    return sms_outbox


@pytest.fixture
def user():
    return User.objects.create_user("ann", password="a long sentence")


@pytest.fixture
def calls(settings, monkeypatch):
    """The provider calls, and sends no SMS."""
    monkeypatch.setattr(registry.providers()["test"], "channel", Channel.VOICE)
    registry.channels.cache_clear()
    yield
    registry.channels.cache_clear()


def step(client, name, **fields):
    typed = {f"{name}-{field}": value for field, value in fields.items()}
    current = "login_view" if name in ("auth", "token") else "setup_view"
    return client.post(LOGIN if current == "login_view" else SETUP, {f"{current}-current_step": name} | typed)


def set_up(client, user, method="sms"):
    """As far as the page that asks for the code."""
    client.force_login(user)
    step(client, "welcome")
    step(client, "method", method=method)
    return step(client, method, number=PHONE)


def log_in(client):
    return step(client, "auth", username="ann", password="a long sentence")


@pytest.fixture
def with_phone(client, user, sms_outbox):
    """The user, with a phone that was set up."""
    set_up(client, user)
    step(client, "validation", token=code_in(sms_outbox[-1].body))
    sms_outbox.clear()
    return user


def test_a_user_sets_up_a_phone(client, user, sms_outbox):
    set_up(client, user)
    (sms,) = sms_outbox
    assert sms.to == PHONE
    assert sms.body.startswith(f"{code_in(sms.body)} is your Example code. It expires in 2 min.")
    done = step(client, "validation", token=code_in(sms.body))
    assert done["Location"] == "/account/two_factor/setup/complete/"
    assert user_has_device(user)


def test_a_user_logs_in_by_a_code(with_phone, sms_outbox):
    client = Client()
    asked = log_in(client)
    assert b"sent you a text message" in asked.content
    assert step(client, "token", otp_token=code_in(sms_outbox[-1].body))["Location"] == "/account/two_factor/"
    assert b"Backup Tokens" in client.get("/account/two_factor/").content


def test_a_wrong_code_lets_nobody_in(with_phone, sms_outbox):
    client = Client()
    log_in(client)
    wrong = str((int(code_in(sms_outbox[-1].body)) + 1) % 10**6).zfill(6)
    assert step(client, "token", otp_token=wrong).status_code == 200
    assert client.get("/account/two_factor/").status_code == 302


def test_the_message_is_one_of_the_codes(with_phone, sms_outbox):
    """With their queue and lifetime, and the fields for a provider that writes the text itself."""
    log_in(Client())
    (sms,) = sms_outbox
    assert (sms.code, sms.purpose) == (code_in(sms.body), "login")
    message = services.get(sms.id)
    assert (message.queue, message.expires_at - message.created_at) == ("otp", 120)


def test_a_code_is_called_only_where_a_provider_calls(client, user, sms_outbox):
    answer = set_up(client, user, "call")
    assert not sms_outbox
    assert answer.context["challenge_succeeded"] is False


def test_a_code_is_called(client, user, sms_outbox, calls):
    assert set_up(client, user, "call").context["challenge_succeeded"]
    (call,) = sms_outbox
    assert services.get(call.id).channel == "voice"
    step(client, "validation", token=call.code)
    assert user_has_device(user)


def test_a_number_that_gets_no_code_is_told_by_the_page(client, user, settings, sms_outbox):
    settings.SMS_DESTINATIONS = ["GB"]
    assert set_up(client, user).context["challenge_succeeded"] is False
    assert not sms_outbox


def test_an_address_is_counted_as_the_users(client, user, settings, sms_outbox):
    settings.OTP_LIMITS = "ip=1/10m"
    assert set_up(client, user).context["challenge_succeeded"]
    assert set_up(Client(), user).context["challenge_succeeded"] is False
    assert len(sms_outbox) == 1


def test_without_redis_the_page_says_that_it_did_not_work(client, user, settings):
    caches = copy.deepcopy(settings.CACHES)
    caches["otpost"]["LOCATION"] = "redis://127.0.0.1:9/0"
    settings.CACHES = caches
    assert set_up(client, user).context["challenge_succeeded"] is False
