"""A code by e-mail: beside a number or instead of one, for purposes that say so."""

from __future__ import annotations

import pytest

from otp import services
from otp.caller import Caller
from otp.errors import NotAllowed, RateLimited
from sms import registry, tally
from sms.errors import Unreachable
from sms.message import Channel
from tests.sms.house import PHONE, House
from tests.sms.mail.servers import postbox

ADDRESS = "Jane.Doe@example.com"


@pytest.fixture
def house(monkeypatch, redis, settings):
    """a is SMS, b e-mail."""
    house = House(monkeypatch, settings, redis)
    house.providers["b"].channel = Channel.EMAIL
    house.aliases["b"] = registry.Alias(house.providers["b"], slots=house.slots, share=1)
    settings.SMS_ROUTES = {"default": "a>b"}
    settings.OTP_PURPOSES = {"login": {"channels": ["sms", "email"]}, "payment": {}}
    return house


def go(house, started):
    return house.deliver(services.status(started.id, in_full=True).sms.message_id)


def test_an_address_instead_of_a_number(house, redis):
    started = services.start(email=ADDRESS)
    assert (started.channel, started.channels) == ("email", ("email",))
    assert started.masked == "J•••@e•••.com"
    assert go(house, started).alias == "b"
    (sent,) = house.providers["b"].calls
    assert (sent.email, sent.code in sent.body) == (ADDRESS, True)
    assert services.check(started.id, sent.code).status == "valid"


def test_it_arrives_and_its_code_is_right(settings):
    settings.OTP_PURPOSES = {"login": {"channels": ["email"]}}
    settings.SMS_PROVIDERS = {"mail": "email://?from=codes@shop.example"}
    with postbox() as box:
        settings.MAILERS = {"default": {"OPTIONS": {"host": "127.0.0.1", "port": box.port}}}
        started = services.start(email=ADDRESS, locale="de")
    ((_, to),), (letter,) = box.envelopes, box.mails
    code, _, rest = letter["subject"].partition(" ")
    assert (to, rest) == ([ADDRESS], "ist Ihr Bestätigungscode")
    assert "@otp.example.com #" not in letter.get_body().get_content()
    assert services.check(started.id, code).status == "valid"


def test_an_address_beside_a_number(house, redis):
    started = services.start(PHONE, email=ADDRESS)
    assert (started.channel, started.channels) == ("sms", ("sms", "email"))
    house.providers["a"].outcomes = [Unreachable("x")]
    assert go(house, started).alias == "b"
    assert house.providers["b"].calls[0].email == ADDRESS


def test_the_user_may_ask_for_it(house, redis):
    started = services.start(PHONE, email=ADDRESS)
    redis.hset(next(iter(redis.keys("otp:phone:*"))), "resend_at", 1)
    assert services.resend(started.id, channel="email").channel == "email"
    assert go(house, started).alias == "b"


def test_a_number_alone_has_no_e_mail(house):
    assert services.start(PHONE).channels == ("sms",)


def test_one_address_is_one_user(house):
    services.start(email="jane@Example.COM")
    with pytest.raises(RateLimited) as caught:
        services.start(email=" jane@example.com ")
    assert caught.value.code == "pending"


def test_spellings_of_one_mailbox_are_one_user(house):
    services.start(email="Jane@example.com")
    for spelling in ("jane@example.com", "JANE@EXAMPLE.COM", "jAne@example.com"):
        with pytest.raises(RateLimited):
            services.start(email=spelling)


def test_limits_count_an_address_beside_a_number(house, settings):
    settings.OTP_LIMITS = "phone=2/1h"
    for number in range(2):
        services.start(f"+1202555{number + 100:04}", email=ADDRESS)
    with pytest.raises(RateLimited) as caught:
        services.start("+12025550188", email=ADDRESS.upper())
    assert caught.value.limit == "phone"
    assert services.start("+12025550188").id


def test_limits_count_it_as_they_count_a_number(house, redis, settings):
    settings.OTP_LIMITS = "phone=1/1h"
    settings.OTP_PURPOSES = {"login": {"channels": ["email"], "cooldown": 0}}
    services.start(email=ADDRESS)
    with pytest.raises(RateLimited) as caught:
        services.start(email=ADDRESS)
    assert caught.value.limit == "phone"


def test_a_purpose_has_to_say_so(house):
    with pytest.raises(NotAllowed) as caught:
        services.start(PHONE, "payment", email=ADDRESS)
    assert (caught.value.code, caught.value.field) == ("email_not_allowed", "email")


@pytest.mark.parametrize(
    "typed",
    ["jane", "jane@", "@example.com", "a@b c.de", "jane@example.com\nBcc: x@y.z", "x" * 250 + "@example.com"],
)
def test_what_is_no_address(house, typed):
    with pytest.raises(NotAllowed) as caught:
        services.start(email=typed)
    assert (caught.value.code, caught.value.field) == ("email_invalid", "email")
    assert caught.value.detail == "This is not an e-mail address. Write it like name@example.com."


def test_neither_is_as_no_number(house):
    with pytest.raises(NotAllowed) as caught:
        services.start(email="")
    assert caught.value.code == "phone_missing"


class TestItsPrice:
    """An address has no ranges, but its e-mails may cost money."""

    @pytest.fixture(autouse=True)
    def price(self, house, settings):
        settings.GUARD_MODE, settings.GUARD_BUDGET = "enforce", "0.5"
        settings.GUARD_PRICES = {"default": "0.05", "email:default": "0.2"}

    def test_it_counts_with_the_budget_and_stops_at_it(self, house, redis):
        started = [services.start(email=f"u{n}@example.com") for n in range(2)]
        with pytest.raises(RateLimited) as caught:
            services.start(email="u2@example.com")
        assert caught.value.code == "guard"
        (counted,) = tally.read("counts")
        assert counted["spent|001"] == 400_000
        assert redis.get("otp:guard-spend").split()[1] == b"400000"
        for one in started:
            assert go(house, one).alias == "b"
        assert services.check(started[0].id, house.providers["b"].calls[0].code).status == "valid"
        assert services.check(started[1].id, "000000", caller=Caller(ip="198.51.100.7")).status == "invalid"

    def test_nothing_else_of_it_is_counted(self, redis):
        services.start(email=ADDRESS, caller=Caller(ip="198.51.100.7"))
        assert redis.keys("otp:guard*") == [b"otp:guard-spend"]

    def test_without_a_price_a_spent_budget_stops_none(self, house, redis, settings):
        settings.GUARD_PRICES, settings.GUARD_BUDGET = {"default": "0.3"}, "0.5"
        services.start(PHONE)
        with pytest.raises(RateLimited):
            services.start("+12025550124")
        assert services.start(email=ADDRESS).status == "pending"


@pytest.mark.parametrize("mode", ["enforce", "shadow", "off"])
def test_the_guard_knows_no_ranges_of_it(house, settings, mode):
    settings.GUARD_MODE, settings.GUARD_PRICES = mode, {"default": "0.05"}
    assert services.start(email=ADDRESS, caller=Caller("shop", "203.0.113.9")).id


def test_nothing_of_it_is_readable(house, redis, caplog):
    started = services.start(email=ADDRESS)
    go(house, started)
    held = b""
    for key in redis.keys("*"):
        held += key + (redis.dump(key) or b"")
    assert b"Jane" not in held
    assert b"example.com" not in held
    assert "Jane" not in caplog.text


def test_over_http(house, api):
    answer = api.post("/v1/verifications", {"email": ADDRESS})
    assert (answer.status_code, answer.json()["channel"]) == (202, "email")
    answer = api.post("/v1/verifications", {"email": "x"})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
        422,
        "email_invalid",
        "email",
    )
    answer = api.post("/v1/verifications", {"email": ADDRESS, "purpose": "payment"})
    assert (answer.status_code, answer.json()["code"]) == (422, "email_not_allowed")
    answer = api.post("/v1/verifications", {"purpose": "login"})
    assert (answer.status_code, answer.json()["code"]) == (422, "phone_missing")
