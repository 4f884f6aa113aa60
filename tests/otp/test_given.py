"""The public doors answer as documented whatever they are given: views pass on what a form held, or None.

A value that is not a string is no number, id, code or purpose. It costs nothing, and raises no
AttributeError.
"""

from __future__ import annotations

import enum
from typing import Any

import phonenumbers
import pytest
from django.utils.functional import SimpleLazyObject, lazystr
from django.utils.safestring import mark_safe
from phonenumber_field.phonenumber import PhoneNumber

from otp import recipients, services
from otp.errors import NotAllowed
from otp.handler import OTPHandler
from sms import services as sms
from sms.errors import InvalidBody, InvalidNumber
from sms.testing import code_in, outbox

PHONE = "+12025550123"

#: None of them is a string.
ODD = [
    None,
    12025550123,
    12345.0,
    True,
    b"+12025550123",
    ["+12025550123"],
    {"phone": PHONE},
    object(),
    PHONE.split,
]


class Text(enum.StrEnum):
    PHONE = PHONE
    PURPOSE = "login"


class Named(str, enum.Enum):  # noqa: UP042  # its str() is "Named.PHONE"
    PHONE = PHONE
    PURPOSE = "login"


TEXTS: list[Any] = [mark_safe, lazystr, type("Own", (str,), {})]


@pytest.mark.parametrize("odd", [*ODD, "", " "], ids=lambda value: type(value).__name__)
def test_what_is_no_number_is_missing(odd):
    with pytest.raises(NotAllowed) as caught:
        services.start(odd)
    assert (caught.value.code, caught.value.field) == ("phone_missing", "phone")
    for door in (
        recipients.parse_phone,
        sms.parse_phone,
        OTPHandler.generate_otp,
        OTPHandler.resend,
        OTPHandler.cancel,
        lambda phone: OTPHandler.verify_otp(phone, "123456"),
        lambda phone: sms.send(phone, "Hello"),
    ):
        with pytest.raises(InvalidNumber) as refused:
            door(odd)
        assert refused.value.code == "phone_missing"


@pytest.mark.parametrize(
    "number",
    [
        phonenumbers.parse(PHONE),
        phonenumbers.parse("(202) 555-0123", "US", keep_raw_input=True),
        PhoneNumber.from_string(PHONE),
        PhoneNumber.from_string("(202) 555-0123", region="US"),
        *(form(PHONE) for form in TEXTS),
        Text.PHONE,
        Named.PHONE,
    ],
    ids=lambda value: type(value).__name__,
)
def test_numbers_of_other_libraries_and_texts_of_every_kind_are_read(number):
    started = services.start(number)
    assert outbox[-1].to == PHONE
    assert recipients.parse_phone(number).e164 == sms.parse_phone(number).e164 == PHONE
    assert OTPHandler.generate_otp(number).status == "pending"
    assert OTPHandler.verify_otp(number, code_in(outbox[-1].body)).id == started.id
    sms.send(number, "Hello")
    assert outbox[-1].to == PHONE


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (PhoneNumber(raw_input="nonsense"), "phone_letters"),
        (PhoneNumber(), "phone_missing"),
        (phonenumbers.parse(f"{PHONE} ext. 4"), "phone_letters"),
        (phonenumbers.PhoneNumber(country_code=1, national_number=1), "phone_invalid"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_number_object_that_gets_no_sms_is_refused_as_its_spelling_is(number, code):
    with pytest.raises(NotAllowed) as caught:
        services.start(number)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "odd", [None, 123456, 12345, b"123456", ["123456"], 1.5, object()], ids=lambda value: type(value).__name__
)
def test_a_code_that_is_no_text_is_refused_and_costs_nothing(odd):
    """An int has lost its leading zeros, so it may not even be compared."""
    started = services.start(PHONE)
    for door in (
        lambda: services.check(started.id, odd),
        lambda: OTPHandler.verify_otp(PHONE, odd),
    ):
        with pytest.raises(NotAllowed) as caught:
            door()
        assert (caught.value.code, caught.value.field) == ("code_missing", "code")
    assert services.status(started.id).attempts_left == 3
    assert services.check(started.id, code_in(outbox[-1].body)).status == "valid"


@pytest.mark.parametrize("form", TEXTS)
def test_a_code_of_every_kind_of_text_is_compared(form):
    started = services.start(form(PHONE), form("login"), form("de"))
    assert services.check(form(started.id), form(code_in(outbox[-1].body))).status == "valid"


@pytest.mark.parametrize("odd", [*ODD, "", "\ud800", "a b", "x" * 10_000], ids=lambda odd: repr(odd)[:20])
def test_what_is_no_id_is_of_a_verification_that_never_was(odd):
    assert services.check(odd, "123456").status == "expired"
    assert services.status(odd).status == "expired"
    assert services.cancel(odd) is False
    with pytest.raises(NotAllowed) as caught:
        services.resend(odd)
    assert caught.value.code == "expired"
    assert sms.get(odd) is sms.dead_letter(odd) is None
    assert sms.cancel(odd) is sms.replay(odd) is False


@pytest.mark.parametrize("odd", [*ODD, ""], ids=lambda value: type(value).__name__)
def test_what_is_no_purpose_is_unknown(odd):
    with pytest.raises(NotAllowed) as caught:
        services.start(PHONE, odd)
    assert (caught.value.code, caught.value.field) == ("purpose_unknown", "purpose")
    for door in (OTPHandler.generate_otp, OTPHandler.resend):
        with pytest.raises(KeyError):
            door(PHONE, odd)


def test_a_purpose_may_be_a_member_of_an_enum():
    assert services.start(PHONE, Text.PURPOSE).status == "pending"
    assert OTPHandler.generate_otp(PHONE, Named.PURPOSE).status == "pending"


@pytest.mark.parametrize("odd", [None, 5, ["de"], "\ud800", "?" * 1000], ids=lambda odd: repr(odd)[:20])
def test_a_locale_that_is_none_has_the_text_for_all(odd):
    assert services.start(PHONE, locale=odd).status == "pending"
    assert "is your" in outbox[-1].body


@pytest.mark.parametrize("odd", [None, 5, SimpleLazyObject(lambda: "yes")], ids=["None", "int", "lazy"])
def test_a_challenge_is_asked_whatever_is_given_for_its_answer(settings, odd):
    """A view that passes on ``request.POST.get("challenge")`` passes on None without a challenge."""
    settings.OTP_CHALLENGE = "tests.otp.test_given.answered"
    with pytest.raises(NotAllowed) as caught:
        services.start(PHONE, challenge=odd)
    assert caught.value.code == "challenge_required"
    assert outbox == []


def answered(*, answer, **_):
    assert type(answer) is str
    return answer == "yes"


@pytest.mark.parametrize("odd", [None, 5, b"Hello", ["Hello"], ""], ids=lambda value: type(value).__name__)
def test_what_is_no_text_is_no_body(odd):
    with pytest.raises(InvalidBody):
        sms.send(PHONE, odd)


@pytest.mark.parametrize("form", TEXTS)
def test_a_body_of_every_kind_of_text_is_sent(form):
    sms.send(PHONE, form("Hello"))
    assert outbox[-1].body == "Hello"
