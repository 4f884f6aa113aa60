"""Which aliases of a route may carry a message: by channel, kind of number, and whether there is a code."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from sms import destinations, phone, registry, services, ways
from sms.errors import InvalidNumber, NoRoute
from sms.message import Channel, State
from tests.sms.house import PHONE

FIXED = "+493012345678"  # Berlin
MOBILE = "+4915112345678"


@pytest.fixture
def house(house, settings):
    """a is Telegram, b is SMS, c is voice; the first and the last carry only codes."""
    for name, channel in (("a", Channel.TELEGRAM), ("c", Channel.VOICE)):
        provider = house.providers[name]
        provider.channel, provider.needs_code = channel, True
        house.aliases[name] = registry.Alias(provider, slots=house.slots, share=1)
    settings.SMS_ROUTES = {"default": "a>b>c"}
    return house


def names(number: str, *, is_code: bool = True, **options) -> str:
    route = ways.find(phone.parse(number), is_code=is_code, **options)
    return ">".join("|".join(hop.alias for hop in step) for step in route)


def test_a_code_goes_by_all_and_a_text_by_sms(house):
    assert names(PHONE) == "a>b>c"
    assert names(PHONE, is_code=False) == "b"


def test_the_channels_that_are_asked_for_in_their_order(house):
    assert names(PHONE, channels=[Channel.VOICE, Channel.SMS]) == "c>b"
    with pytest.raises(NoRoute):
        names(PHONE, channels=[Channel.WHATSAPP])


def test_what_shares_a_step_shares_it_within_its_channel(house, settings):
    settings.SMS_ROUTES = {"default": "a|b*2>c"}
    assert names(PHONE) == "a|b>c"
    assert names(PHONE, channels=[Channel.SMS, Channel.TELEGRAM]) == "b>a"


def test_a_fixed_line_is_called(house):
    assert names(FIXED) == "c"
    assert services.parse_phone(FIXED, registry.channels()).kind == "fixed_line"
    with pytest.raises(InvalidNumber) as caught:
        services.parse_phone(FIXED)
    assert caught.value.code == "phone_type"


def test_each_channel_has_destinations_of_its_own(house, settings):
    settings.SMS_DESTINATIONS = ["DE", "US", "voice:DE", "voice:-+49151", "telegram:*"]
    assert names(MOBILE) == "a>b"
    assert names(FIXED) == "c"
    assert names(PHONE) == "a>b"
    assert services.parse_phone("+33612345678", registry.channels()).country == "FR"
    assert names("+33612345678") == "a"


def test_a_kind_that_is_denied_by_name_is_not_called_either(house, settings):
    settings.SMS_DESTINATIONS = ["-fixed_line"]
    with pytest.raises(NoRoute):
        names(FIXED)


def test_a_channel_that_is_none_is_refused(settings):
    settings.SMS_DESTINATIONS = ["fax:DE"]
    with pytest.raises(ImproperlyConfigured, match=r"fax:DE: there is no channel 'fax'.*sms, whatsapp"):
        destinations.configured()
    settings.SMS_DESTINATIONS = ["voice:Germany"]
    with pytest.raises(ImproperlyConfigured, match="'Germany' is not a rule"):
        destinations.configured()


def test_a_worker_finds_the_same_way(house):
    number = phone.parse(PHONE)
    code = {"code": "123456", "purpose": "login", "locale": ""}
    prepared = services.prepare(
        number, "123456", queue="otp", code=code, channels=[Channel.VOICE, Channel.SMS]
    )
    assert prepared.args["fields"]["hops"] == "c,b"
    assert prepared.args["fields"]["first_channel"] == "voice"
    from sms import store

    store.send(prepared.args, expires_at=None, replaces="")
    message = house.deliver(prepared.id)
    assert (message.state, message.alias, message.channel) == (State.SENT, "c", "voice")
    assert house.providers["c"].calls[0].code == "123456"


def test_e_mail_is_used_where_it_is_asked_for_alone(house, settings):
    provider = house.providers["c"]
    provider.channel, provider.needs_code = Channel.EMAIL, False
    house.aliases["c"] = registry.Alias(provider, slots=house.slots, share=1)
    settings.SMS_ROUTES = {"default": "b>c"}
    assert names(PHONE) == "b"
    assert names(PHONE, email="a@example.com") == "b"
    assert names(PHONE, email="a@example.com", channels=[Channel.EMAIL, Channel.SMS]) == "c>b"
    with pytest.raises(NoRoute):
        names(PHONE, channels=[Channel.EMAIL])
