"""Log in with a second factor by the view of django-otp, and what the phone got."""

from __future__ import annotations

import copy

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from otp import services
from otp.contrib.django_otp.models import OtpostDevice
from sms.testing import code_in

PHONE = "+12025550123"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(sms_outbox):
    return sms_outbox


@pytest.fixture
def device():
    user = User.objects.create_user("ann", password="a long sentence")
    return OtpostDevice.objects.create(user=user, name="phone", phone=PHONE)


def post(client, device, **more):
    fields = {"username": "ann", "password": "a long sentence", "otp_device": device.persistent_id}
    return client.post("/login/", fields | more)


def ask(client, device):
    """The form's message when a code is asked for."""
    (text,) = post(client, device, otp_challenge="1").context["form"].non_field_errors()
    return text


def wrong(code):
    return str((int(code) + 1) % 10**6).zfill(6)


def test_a_user_logs_in_by_a_code(client, device, sms_outbox):
    assert ask(client, device) == "OTP Challenge: A code was sent to +1••••••••23."
    (sms,) = sms_outbox
    assert sms.to == PHONE
    assert post(client, device, otp_token=code_in(sms.body)).status_code == 302
    assert client.get("/verified/").status_code == 200


def test_a_code_is_accepted_once(client, device, sms_outbox):
    ask(client, device)
    post(client, device, otp_token=code_in(sms_outbox[-1].body))
    assert post(Client(), device, otp_token=code_in(sms_outbox[-1].body)).status_code == 200


def test_a_wrong_code_lets_nobody_in_and_the_guesses_are_counted(client, device, sms_outbox):
    ask(client, device)
    code = code_in(sms_outbox[-1].body)
    for _ in range(3):
        assert post(client, device, otp_token=wrong(code)).status_code == 200
    (text,) = post(client, device, otp_token=code).context["form"].non_field_errors()
    assert text == "Too many wrong guesses. Ask for a new code."


def test_nothing_of_a_code_stands_in_the_table(client, device, sms_outbox):
    ask(client, device)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM otpost_device_otpostdevice")
        (row,) = cursor.fetchall()
    assert code_in(sms_outbox[-1].body) not in str(row)


def test_a_second_wish_hears_of_the_cooldown_and_keeps_the_code(client, device, sms_outbox):
    ask(client, device)
    assert ask(client, device) == "OTP Challenge: OTP already sent. Please wait."
    (sms,) = sms_outbox
    assert post(client, device, otp_token=code_in(sms.body)).status_code == 302


def test_a_later_wish_brings_the_same_code(client, device, settings, sms_outbox):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    ask(client, device)
    first = OtpostDevice.objects.get().verification
    ask(client, device)
    assert len({code_in(sms.body) for sms in sms_outbox}) == 1
    assert (len(sms_outbox), OtpostDevice.objects.get().verification) == (2, first)


def test_after_a_code_comes_another(client, device, settings, sms_outbox):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    ask(client, device)
    post(client, device, otp_token=code_in(sms_outbox[-1].body))
    ask(Client(), device)
    assert post(Client(), device, otp_token=code_in(sms_outbox[-1].body)).status_code == 302


def test_a_code_that_was_sent_for_something_else_opens_nothing(client, device, settings, sms_outbox):
    """A code that somebody else started for this number and purpose must not be accepted here."""
    services.start(PHONE)
    assert post(client, device, otp_token=code_in(sms_outbox[-1].body)).status_code == 200


def test_a_device_has_a_purpose_of_its_own(client, device, sms_outbox):
    device.purpose = "payment"
    device.save()
    ask(client, device)
    assert sms_outbox[-1].purpose == "payment"


def test_a_limit_is_told_by_the_form(client, device, settings, sms_outbox):
    settings.OTP_PURPOSES, settings.OTP_LIMITS = {"login": {"cooldown": 0}}, "phone=1/10m"
    ask(client, device)
    assert "Too many SMS were asked for." in ask(client, device)


def test_a_number_that_gets_no_code_is_told_by_the_form(client, device, settings, sms_outbox):
    settings.SMS_DESTINATIONS = ["GB"]
    assert ask(client, device).startswith("Error generating challenge: ")
    assert not sms_outbox


def test_without_redis_the_form_says_so(client, device, settings):
    ask(client, device)
    caches = copy.deepcopy(settings.CACHES)
    caches["otpost"]["LOCATION"] = "redis://127.0.0.1:9/0"
    settings.CACHES = caches
    assert ask(client, device) == "Error generating challenge: The service cannot answer now."
    (text,) = post(client, device, otp_token="123456").context["form"].non_field_errors()
    assert text == "The service cannot answer now."


def test_the_admin_shows_the_devices(admin_client, device):
    assert admin_client.get("/admin/otpost_device/otpostdevice/").status_code == 200
    page = admin_client.get(f"/admin/otpost_device/otpostdevice/{device.pk}/change/").content.decode()
    assert PHONE in page
    assert "verification" not in page


def test_the_migration_makes_what_the_model_has():
    call_command("makemigrations", "--check", "--dry-run")
