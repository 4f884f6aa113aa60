"""Twilio's channels, and ours for each."""

from __future__ import annotations

import pytest

from sms import registry
from sms.message import Channel
from tests.otp.twilio.conftest import PHONE, refused
from tests.sms.house import House

CHANNELS = {"a": Channel.WHATSAPP, "b": Channel.SMS, "c": Channel.EMAIL}
ADDRESS = "jane@example.com"


@pytest.fixture
def house(monkeypatch, redis, settings):
    house = House(monkeypatch, settings, redis)
    for name, channel in CHANNELS.items():
        provider = house.providers[name]
        provider.channel = channel
        house.aliases[name] = registry.Alias(provider, slots=house.slots, share=1)
    settings.SMS_ROUTES = {"default": "a>b>c"}
    settings.OTP_PURPOSES = {"login": {"channels": ["whatsapp", "sms", "email"], "cooldown": 0}}
    settings.OTP_LIMITS = "off"
    return house


@pytest.mark.parametrize(
    ("channel", "to", "used"),
    [
        ("auto", PHONE, "whatsapp"),
        ("whatsapp", PHONE, "whatsapp"),
        ("sms", PHONE, "sms"),
        ("email", ADDRESS, "email"),
        ("auto", ADDRESS, "email"),
    ],
)
def test_a_code_goes_by_the_channel_that_is_named(house, service, channel, to, used):
    started = service.verifications.create(to=to, channel=channel)
    assert (started.to, started.channel) == (to, used)
    assert started.send_code_attempts[0]["channel"] == used.upper()
    assert service.verifications(to).fetch().sid == started.sid


def test_a_second_start_by_another_channel_is_the_same_verification(house, service):
    first = service.verifications.create(to=PHONE, channel="whatsapp")
    second = service.verifications.create(to=PHONE, channel="sms")
    assert (second.sid, second.channel) == (first.sid, "sms")
    assert [one["channel"] for one in second.send_code_attempts] == ["WHATSAPP", "SMS"]


def test_one_that_the_purpose_has_not_is_refused(house, service):
    assert refused(lambda: service.verifications.create(to=PHONE, channel="call")) == (403, 60223)


def test_where_telegram_carries_it_there_is_no_word(house, service, client, settings):
    house.providers["a"].channel = Channel.TELEGRAM
    house.aliases["a"] = registry.Alias(house.providers["a"], slots=house.slots, share=1)
    settings.OTP_PURPOSES = {"login": {"channels": ["telegram"]}}
    started = service.verifications.create(to=PHONE, channel="auto")
    assert started.channel is None
    assert client.verify.v2.verification_attempts.list(verification_sid=started.sid)[0].channel is None


def test_the_attempts_of_an_address(house, service, client):
    sid = service.verifications.create(to=ADDRESS, channel="email").sid
    (attempt,) = client.verify.v2.verification_attempts.list(channel_data_to=ADDRESS)
    assert (attempt.verification_sid, attempt.channel_data["to"]) == (sid, "j•••@e•••.com")
    assert attempt.channel_data["country"] is None
