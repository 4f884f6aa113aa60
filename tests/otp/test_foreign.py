"""A code that another program made: it is sent as one of ours, within the limits, and never late."""

from __future__ import annotations

import pytest

from otp import foreign, signals
from otp.caller import Caller
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from otp.handler import OTPHandler
from sms import names, optouts, registry, services, told
from sms.message import Channel, State
from sms.testing import code_in, outbox
from tests.sms.house import PHONE, House


def test_it_has_the_text_the_queue_and_the_life_of_its_purpose(settings):
    settings.OTP_PURPOSES = {
        "login": {"lifetime": 300, "text": {"": "{code}, {minutes} min", "de": "Code {code}"}}
    }
    message = foreign.send(PHONE, "428013", locale="de-AT")
    assert (message.queue, message.purpose, message.expires_at - message.created_at) == ("otp", "login", 300)
    assert outbox[-1].body == "Code 428013\n\n@otp.example.com #428013"
    assert (outbox[-1].code, outbox[-1].locale) == ("428013", "de-AT")


def test_it_does_not_outlive_what_the_other_program_takes_it_for(settings):
    settings.OTP_PURPOSES = {"login": {"lifetime": 300, "text": "{code}, {minutes} min"}}
    message = foreign.send(PHONE, "428013", lives=60)
    assert message.expires_at - message.created_at == 60
    assert outbox[-1].body.startswith("428013, 1 min")


def test_elsewhere_no_line_binds_it_to_our_site():
    foreign.send(PHONE, "428013", on_our_site=False)
    assert outbox[-1].body == "428013 is your Otpost code. It expires in 2 min. Do not share it."


def test_the_hash_of_an_app_stays_where_there_is_no_site(settings):
    settings.OTP_PURPOSES = {"login": {"app_hash": "FA+9qCX9VSu", "text": "{code}"}}
    foreign.send(PHONE, "428013", on_our_site=False)
    assert outbox[-1].body == "428013\n\nFA+9qCX9VSu"


def test_limits_count_it_beside_codes_of_ours(settings):
    settings.OTP_LIMITS = "phone=2/10m"
    foreign.send(PHONE, "428013")
    foreign.send(PHONE, "428014")
    with pytest.raises(RateLimited) as refused:
        foreign.send(PHONE, "428015")
    assert (refused.value.code, refused.value.limit) == ("rate_limited", "phone")
    assert len(outbox) == 2


def test_the_address_of_its_caller_is_counted(settings):
    settings.OTP_LIMITS = "ip=1/10m"
    foreign.send(PHONE, "428013", caller=Caller(ip="203.0.113.7"))
    foreign.send(PHONE, "428013", caller=Caller(ip="203.0.113.8"))
    with pytest.raises(RateLimited):
        foreign.send("+12025550124", "428013", caller=Caller(ip="203.0.113.7"))


def test_what_code_wanted_refuses_goes_nowhere():
    def refuse(sender, **about):
        return signals.REFUSE

    signals.code_wanted.connect(refuse, OTPHandler)
    try:
        message = foreign.send(PHONE, "428013")
    finally:
        signals.code_wanted.disconnect(refuse, OTPHandler)
    assert not outbox
    assert services.get(message.id).state is State.CANCELLED


def test_it_goes_to_a_number_that_has_opted_out():
    """It wants to log in, as with a code of ours."""
    optouts.add("test", [PHONE])
    foreign.send(PHONE, "428013")
    assert code_in(outbox[-1].body) == "428013"


@pytest.fixture
def two_channels(monkeypatch, redis, settings):
    """a: WhatsApp, which carries only codes; b: SMS."""
    house = House(monkeypatch, settings, redis)
    for name, channel in {"a": Channel.WHATSAPP, "b": Channel.SMS}.items():
        provider = house.providers[name]
        provider.channel, provider.needs_code = channel, channel is Channel.WHATSAPP
        house.aliases[name] = registry.Alias(provider, slots=house.slots, share=1)
    settings.SMS_ROUTES = {"default": "a>b"}
    settings.OTP_PURPOSES = {"login": {"channels": ["whatsapp", "sms"]}}
    return house


def test_a_provider_that_carries_codes_alone_has_it(two_channels):
    two_channels.deliver(foreign.send(PHONE, "428013").id)
    assert two_channels.calls == "a"
    assert two_channels.providers["a"].calls[-1].code == "428013"


def test_it_goes_by_the_channel_that_was_asked_for(two_channels):
    two_channels.deliver(foreign.send(PHONE, "428013", by=[Channel.SMS]).id)
    assert two_channels.calls == "b"
    with pytest.raises(NotAllowed, match="by an allowed channel"):
        foreign.send(PHONE, "428013", by=[Channel.VOICE])


def test_nobody_concludes_from_silence_that_it_was_not_typed(monkeypatch, redis, settings):
    """Only the other program knows: no choice of a route learns, no vendor is told, and no story says so."""
    house = House(monkeypatch, settings, redis)
    settings.SMS_ROUTES, settings.SMS_ROUTING = {"default": "a|b"}, "learn"
    for name in "ab":
        house.providers[name].takes_feedback = True
    message = foreign.send(PHONE, "428013")
    house.deliver(message.id)
    record = redis.hgetall(f"sms:message:{message.id}")
    assert record[b"state"] == b"sent"
    assert not {b"learns", b"feedback"} & set(record)
    assert not redis.keys("sms:learning:*")
    (story,) = told.of_number(PHONE, by="ops")
    assert story.what == "a code for login"
    assert not [line for line in story.lines if "typed" in line.text]


@pytest.mark.parametrize("code", ["", "12 34", "1\n2", "１２３４", "-", "1" * 33, "<b>"])
def test_what_is_no_code_is_refused(code):
    with pytest.raises(NotAllowed) as refused:
        foreign.send(PHONE, code)
    assert (refused.value.code, refused.value.field) == ("code_invalid", "code")
    assert not outbox


@pytest.mark.parametrize(
    ("phone", "purpose", "code"),
    [
        ("12", "login", "phone_no_country"),
        (PHONE, "nothing", "purpose_unknown"),
        (None, "login", "phone_missing"),
    ],
)
def test_what_gets_no_code_is_said_as_at_a_start(phone, purpose, code):
    with pytest.raises(NotAllowed) as refused:
        foreign.send(phone, "428013", purpose)
    assert refused.value.code == code


@pytest.mark.usefixtures("one_list")
def test_what_would_come_too_late_is_refused(two_channels, redis, settings):
    settings.OTP_LIMITS = "off"
    waiting = [foreign.send(PHONE, "428013").id for _ in range(15)]
    second = redis.time()[0]
    redis.zadd(names.WAITING + "otp", dict.fromkeys(waiting, (second - 60) * 1000))
    for one in range(second - 1, second + 3):  # one begins each second
        redis.set(f"{names.DRAINED}otp:{one}", 1)
    with pytest.raises(StoreUnavailable) as refused:
        foreign.send(PHONE, "428013")
    assert refused.value.code == "overloaded"
    assert refused.value.retry_after > 10
