"""Reverse verification: the user sends us the code, and the number that the SMS comes from is proved."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from django.test import Client
from twilio.request_validator import RequestValidator

from otp import inbound, services, signals, texts
from otp.checks import purposes as checks
from otp.checks.settings import reverse_numbers
from otp.errors import NotAllowed, RateLimited
from otp.handler import OTPHandler
from otp.names import VERIFICATION
from otp.purposes import get
from otp.verification import Verification
from sms import segments
from sms.testing import outbox
from tests.conftest import point_cache_at, server_with

PUBLIC = "https://verify.example.com"
TOKEN = "token-of-the-account"
PHONE, OTHER, OURS = "+12025550123", "+12025550124", "+12025550100"


@pytest.fixture(autouse=True)
def twilio(settings):
    settings.PUBLIC_URL = PUBLIC
    settings.SMS_PROVIDERS = {
        "main": f"twilio://AC1:{TOKEN}@?from=%2B12025550100",
        "grey": f"twilio://AC2:{TOKEN}@?from=%2B12025550101",
        "out": "memory://",
    }
    settings.SMS_ROUTES = {"default": "out"}
    settings.OTP_PURPOSES = {"login": {"reverse": True, "cooldown": 1}, "signup": {}}
    settings.OTP_REVERSE = {"main": OURS}


def begin(phone: str = PHONE, purpose: str = "login", **more: Any) -> Verification:
    return services.start(phone, purpose, reverse=True, **more)


def text(text: str, *, phone: str = PHONE, alias: str = "main", token: str = TOKEN, **more: str) -> Any:
    """A user's SMS, as Twilio hands it over."""
    path = f"/v1/inbound/{alias}"
    form = {"MessageSid": "SM1", "From": phone, "To": OURS, "Body": text} | more
    head = {"X-Twilio-Signature": RequestValidator(token).compute_signature(PUBLIC + path, form)}
    return Client().post(path, urlencode(form), "application/x-www-form-urlencoded", headers=head)


def state(verification: Verification) -> tuple[str, int]:
    found = services.status(verification.id)
    return found.status, found.attempts_left


def code(verification: Verification) -> str:
    return verification.wanted.text.split()[0]


def wrong(verification: Verification) -> str:
    return f"{(int(code(verification)) + 1) % 10**6:06d} Otpost"


class TestAStart:
    def test_it_sends_nothing_and_says_what_to_send_and_where(self):
        begun = begin()
        assert outbox == []
        assert begun.wanted.send_to == OURS
        assert begun.wanted.text == (
            f"{code(begun)} Otpost: I am verifying my own number. Nobody asked me to send this."
        )
        address, _, query = begun.wanted.link.partition("?&")
        assert (address, parse_qs(query)) == (f"sms:{OURS}", {"body": [begun.wanted.text]})
        assert "+" not in query
        assert (begun.channels, begun.channel, begun.sms, begun.delivery) == ((), None, None, "")
        assert state(begun) == ("pending", 3)

    def test_only_who_started_it_is_told(self):
        begun = begin()
        assert services.status(begun.id, in_full=True).wanted is None
        assert services.status(begun.id, with_wanted=True).wanted == begun.wanted
        assert code(begun) not in repr(begun)

    def test_its_code_and_number_stand_nowhere_in_clear(self, redis, caplog):
        begun = begin()
        text(wrong(begun))
        shown = f"{redis.keys()} {redis.hgetall(VERIFICATION + begun.id)} {caplog.text}"
        for secret in (code(begun), PHONE[1:], wrong(begun)[:6]):
            assert not re.search(rf"\b{secret}\b", shown)

    def test_it_counts_as_every_start_does(self, settings):
        settings.OTP_LIMITS = {"phone": "2/10m"}
        settings.OTP_PURPOSES = {name: {"reverse": True} for name in ("login", "signup", "payment")}
        begin()
        with pytest.raises(RateLimited) as caught:
            services.start(PHONE)
        assert caught.value.limit == "cooldown"
        begin(purpose="payment")
        with pytest.raises(RateLimited) as caught:
            begin(purpose="signup")
        assert caught.value.limit == "phone"

    def test_no_money_is_spent_so_the_guard_counts_nothing(self, settings, redis):
        settings.GUARD_MODE, settings.GUARD_PRICES, settings.GUARD_BUDGET = "enforce", {"default": "1"}, 1
        begin()
        assert redis.keys("otp:guard*") == []

    def test_a_purpose_has_to_allow_it(self):
        with pytest.raises(NotAllowed) as caught:
            begin(purpose="signup")
        assert (caught.value.code, caught.value.field) == ("reverse_not_allowed", "reverse")

    @pytest.mark.parametrize("more", [{"code": "123456"}, {"channel": "sms"}])
    def test_what_is_for_sending_does_not_go_with_it(self, more):
        with pytest.raises(NotAllowed) as caught:
            begin(**more)
        assert (caught.value.code, caught.value.field) == ("reverse_not_allowed", *more)

    def test_of_several_numbers_the_one_most_like_the_users(self, settings):
        settings.OTP_REVERSE = {"main": f"{OURS}|+442079460100", "grey": "+493023125100"}
        sent_to = {phone: begin(phone).wanted.send_to for phone in (PHONE, "+447400123456", "+4915112345678")}
        assert [*sent_to.values()] == [OURS, "+442079460100", "+493023125100"]

    def test_the_text_is_in_the_language_that_is_asked_for_else_that_of_the_country(self):
        assert "Niemand" in begin(locale="de-AT").wanted.text
        assert "Niemand" in begin("+4915112345678").wanted.text

    @pytest.mark.parametrize("language", texts.TEXTS)
    def test_there_is_one_of_a_single_part_in_every_language(self, language):
        shown = texts.REVERSE[language].format(code="123456", site="Otpost")
        assert segments.count(shown) == 1
        assert inbound.code_in(shown, get("login")) == "123456"


class TestTheText:
    def test_the_right_one_proves_the_number_once(self, redis):
        begun = begin()
        heard = []
        signals.code_accepted.connect(hear := lambda **said: heard.append(said["verification_id"]))
        for _ in range(2):  # a vendor may repeat itself
            assert text(begun.wanted.text).status_code == 200
            assert state(begun)[0] == "valid"
        signals.code_accepted.disconnect(hear)
        assert heard == [begun.id]
        assert not {b"by_sms", b"envelope"} & set(redis.hgetall(VERIFICATION + begun.id))
        assert begin().status == "pending"  # and leaves no cooldown

    @pytest.mark.parametrize("form", ["{0} Otpost", "otpost  {0}!", "OTPOST {0}. Thanks 1234567"])
    def test_name_and_code_are_enough(self, form):
        begun = begin()
        text(form.format(code(begun)))
        assert state(begun)[0] == "valid"

    @pytest.mark.parametrize(
        "sent", ["483 920 Otpost", "Otpost: 48 39 20.", "483-920 otpost 1234", "12 Otpost 483 920"]
    )
    def test_its_digits_may_stand_in_groups(self, sent):
        assert inbound.code_in(sent, get("login")) == "483920"

    @pytest.mark.parametrize(
        "sent", ["483 Otpost 920", "483 92 Otpost", "4839 2012 Otpost", "a48 3920 Otpost"]
    )
    def test_other_groups_are_none(self, sent):
        assert inbound.code_in(sent, get("login")) == ""

    @pytest.mark.parametrize("form", ["{0}", "{0} Other", "Otpost", "Otpost 12345", "", "Otpost {0}0"])
    def test_one_that_does_not_say_what_it_does_or_has_no_code_counts_as_nothing(self, form):
        begun = begin()
        text(form.format(code(begun)))
        assert state(begun) == ("pending", 3)

    def test_wrong_ones_use_up_the_attempts(self):
        begun = begin()
        for left in (2, 1):
            text(wrong(begun))
            assert state(begun) == ("pending", left)
        text(wrong(begun))
        text(begun.wanted.text)
        assert state(begun) == ("blocked", 0)

    @pytest.mark.parametrize(
        "forged", [{"phone": OTHER}, {"phone": "Otpost"}, {"alias": "grey"}, {"token": "wrong"}]
    )
    def test_another_number_an_alias_that_does_not_vouch_and_a_forgery_prove_nothing(self, forged):
        begun = begin()
        text(begun.wanted.text, **forged)
        assert state(begun) == ("pending", 3)

    def test_what_is_right_for_one_purpose_is_wrong_for_no_other(self, settings):
        settings.OTP_PURPOSES = {"login": {"reverse": True}, "signup": {"reverse": True}}
        login, signup = begin(), begin(purpose="signup")
        text(signup.wanted.text)
        assert (state(login), state(signup)[0]) == (("pending", 3), "valid")
        text(wrong(login))
        assert state(login) == ("pending", 2)

    def test_the_code_may_hold_letters_and_the_name_may_look_like_one(self, settings):
        settings.OTP_PURPOSES = {"login": {"reverse": True, "alphabet": "OTPSABCDEFGHIJKLMNQRUVWXYZ234567"}}
        begun = begin()
        text(f"otpost {code(begun).lower()}")
        assert state(begun)[0] == "valid"

    def test_stop_goes_first(self):
        begun = begin()
        text("STOP")
        text(begun.wanted.text, OptOutType="STOP")  # as the vendor reads it
        assert state(begun) == ("pending", 3)
        text(begun.wanted.text)  # a user who opted out may still verify
        assert state(begun)[0] == "valid"

    def test_late_or_cancelled_it_is_too_late(self, redis):
        late, cancelled = begin(), begin(OTHER)
        redis.delete(VERIFICATION + late.id)
        services.cancel(cancelled.id)
        text(late.wanted.text)
        text(cancelled.wanted.text, phone=OTHER)
        assert (state(late)[0], state(cancelled)[0]) == ("expired", "expired")

    def test_however_many_come_at_once_one_proves_it(self):
        begun = begin()
        with ThreadPoolExecutor(16) as pool:
            found = [
                one.status
                for few in pool.map(services.hear, [PHONE] * 16, [begun.wanted.text] * 16)
                for one in few
            ]
        assert found == ["valid"]

    def test_the_vendor_says_it_again_where_redis_is_away(self, settings):
        with server_with() as server:
            point_cache_at(settings, server.url)
            begun = begin()
            point_cache_at(settings, "redis://127.0.0.1:9/0")
            assert text(begun.wanted.text).status_code == 503
            point_cache_at(settings, server.url)
            assert text(begun.wanted.text).status_code == 200
            assert state(begun)[0] == "valid"

    def test_it_is_heard_while_the_secret_is_changed(self, settings):
        begun = begin()
        settings.PHONE_SECRET_KEY_FALLBACKS = [settings.PHONE_SECRET_KEY]
        settings.PHONE_SECRET_KEY = "another-secret-of-thirty-two-characters"
        text(begun.wanted.text)
        assert state(begun)[0] == "valid"


class TestNobodyElseProvesIt:
    def test_who_started_it_cannot_type_its_code(self):
        begun = begin()
        assert services.check(begun.id, code(begun)).status == "expired"
        assert OTPHandler.verify_otp(PHONE, code(begun)).status == "expired"
        assert state(begun) == ("pending", 3)

    @pytest.mark.parametrize("fresh", [False, True])
    def test_nor_have_it_sent(self, settings, fresh):
        settings.OTP_PURPOSES = {"login": {"reverse": True, "cooldown": 0, "new_code_on_resend": fresh}}
        begun = begin()
        with pytest.raises(NotAllowed) as caught:
            services.resend(begun.id)
        assert (caught.value.code, caught.value.field) == ("expired", "id")
        assert OTPHandler.resend(PHONE).status == "expired"
        assert outbox == []
        text(begun.wanted.text)
        assert state(begun)[0] == "valid"

    def test_nor_is_anybody_asked_whether_it_may_be(self, settings):
        settings.OTP_PURPOSES = {"login": {"reverse": True, "cooldown": 30}}
        heard = []
        signals.code_wanted.connect(hear := lambda **_: heard.append("a start"))
        try:
            begun = begin()
            with pytest.raises(NotAllowed) as caught:  # instead of a wait for the cooldown
                services.resend(begun.id)
        finally:
            signals.code_wanted.disconnect(hear)
        assert (caught.value.code, heard) == ("expired", ["a start"])

    def test_nor_send_us_the_code_of_an_sms_of_ours(self):
        sent = services.start(PHONE)
        text(f"{outbox[-1].body.split()[0]} Otpost")
        assert state(sent) == ("pending", 3)

    def test_a_number_that_a_receiver_refuses_looks_like_any_other(self):
        signals.code_wanted.connect(refuse := lambda **_: signals.REFUSE)
        refused = begin()
        signals.code_wanted.disconnect(refuse)
        assert (refused.status, refused.wanted.send_to) == ("pending", OURS)
        text(refused.wanted.text)
        assert state(refused) == ("pending", 2)

    def test_a_test_number_does_not_show_its_own_code(self, settings):
        settings.TEST_NUMBERS, settings.TEST_NUMBERS_UNTIL = {PHONE: "123456"}, "2999-12-31"
        assert code(begin()) != "123456"


class TestSettings:
    @pytest.mark.parametrize(
        ("numbers", "mend"),
        [
            ({"other": OURS}, "other is no alias of SMS_PROVIDERS that hands over"),
            ({"out": OURS}, "Write one of: main, grey."),
            ({"main": "12025550100"}, "with + and the country code"),
            ({"main": f"{OURS}|"}, "with + and the country code"),
        ],
    )
    def test_what_cannot_work_is_named_with_the_mend(self, settings, numbers, mend):
        settings.OTP_REVERSE = numbers
        (error,) = reverse_numbers()
        assert error.id == "otp.E017"
        assert error.msg.startswith("OTP_REVERSE: ")
        assert mend in error.msg

    def test_a_purpose_without_a_number_of_ours(self, settings):
        assert checks.reverse_has_a_number() == []
        settings.OTP_REVERSE = {}
        (error,) = checks.reverse_has_a_number()
        assert (error.id, "'login'" in error.msg, "OTP_REVERSE" in error.msg) == ("otp.E018", True, True)
        with pytest.raises(NotAllowed):
            begin()

    @pytest.mark.parametrize("name", ["", "24/7", "🍕"])
    def test_a_site_without_a_name_takes_no_bare_digits(self, settings, name):
        begun = begin()
        assert checks.reverse_names_the_site() == []
        settings.OTP_SITE_NAME = name
        text(f"{code(begun)} {name}")
        assert state(begun) == ("pending", 3)
        (error,) = checks.reverse_names_the_site()
        assert (error.id, "OTP_SITE_NAME" in error.msg) == ("otp.E018", True)
        with pytest.raises(NotAllowed):
            begin(OTHER)
