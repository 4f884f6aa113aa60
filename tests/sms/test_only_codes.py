"""Aliases that carry only codes: by ``only=codes``, or because the vendor composes the text itself."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from otp import services as otp
from sms import phone, registry, services, ways
from sms.checks import providers as checks
from sms.errors import NoRoute
from sms.message import State

PHONE = "+12025550123"


@pytest.fixture
def template(house):
    """``a`` sends codes by a template, ``b`` everything."""
    house.providers["a"].needs_code = True
    house.aliases["a"] = registry.Alias(house.providers["a"], slots=house.slots, share=1)
    return house


def test_another_message_passes_it_by(template):
    message = template.deliver(template.send())
    assert (message.state, template.calls) == (State.SENT, "b")


def test_a_code_does_not(template):
    verification = otp.start(PHONE, locale="de-AT")
    assert template.deliver(verification.message_id).state is State.SENT
    (sms,) = template.providers["a"].calls
    assert otp.check(verification.id, sms.code).status == "valid"
    assert (sms.purpose, sms.locale, sms.to) == ("login", "de-AT", PHONE)
    assert sms.code in sms.body
    assert not {sms.code, PHONE} & set(repr(sms).replace("'", " ").split())


def test_where_no_other_is_left_there_is_no_route(template):
    template.settings.SMS_ROUTES = {"default": "a"}
    with pytest.raises(NoRoute):
        template.send()
    assert otp.start(PHONE).status == "pending"


def test_what_was_accepted_before_the_route_changed(template):
    """It has hops of its own, and finds that they are not what the route allows now."""
    template.settings.SMS_ROUTES = {"default": "b"}
    id = template.send()
    template.settings.SMS_ROUTES = {"default": "a"}
    message = template.deliver(id)
    assert (message.state, message.error, template.calls) == (State.FAILED, "no_route", "")


def test_the_option_of_an_alias(settings):
    settings.SMS_PROVIDERS = {"a": "memory://?only=codes", "b": "memory://"}
    settings.SMS_ROUTES = {"default": "a>b"}
    route = ways.find(phone.parse(PHONE), is_code=False)
    assert [[hop.alias for hop in step] for step in route] == [["b"]]
    settings.SMS_PROVIDERS = {"a": "memory://?only=texts"}
    with pytest.raises(ImproperlyConfigured, match="a: only= must be codes"):
        registry.aliases()


def test_the_mend_of_a_route_by_a_template(template):
    (error,) = checks.plain_messages_pass_templates_by()
    assert (error.id, "a (default)" in error.msg, "only=codes" in error.msg) == ("sms.E023", True, True)
    template.settings.SMS_PROVIDERS = {"a": "memory://?only=codes", "b": "memory://", "c": "memory://"}
    assert checks.plain_messages_pass_templates_by() == []


def test_nothing_of_a_code_is_kept_with_a_plain_message(template):
    sealed = services.prepare(services.parse_phone(PHONE), "Your parcel is here.").args["sealed"]
    assert services.unseal(sealed.encode()).keys() == {"to", "body"}
