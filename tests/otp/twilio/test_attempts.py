"""The messages sent, and the share that was typed, read by the official Python SDK."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from twilio.base.exceptions import TwilioException

from otp import services
from otp.api import access
from otp.caller import Caller
from otp.twilio import sids
from sms import services as sms
from sms import tally
from tests.otp.twilio.conftest import ACCOUNT, LOGIN, OTHER, PHONE, latest_code, refused

LONG_AGO, LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def attempts(client):
    return client.verify.v2.verification_attempts


@pytest.fixture
def two(service):
    """The SID of a verification whose code was sent twice and then typed."""
    service.verifications.create(to=PHONE, channel="sms")
    sid = service.verifications.create(to=PHONE, channel="sms").sid
    service.verification_checks.create(to=PHONE, code=latest_code())
    return sid


@pytest.mark.parametrize("how", ["number", "verification"])
def test_those_of_a_number_or_of_a_verification(attempts, two, how):
    wanted = {"channel_data_to": PHONE} if how == "number" else {"verification_sid": two}
    latest, first = attempts.list(**wanted)
    assert (latest.conversion_status, first.conversion_status) == ("converted", "unconverted")
    assert latest.verification_sid == first.verification_sid == two
    assert (latest.account_sid, latest.service_sid, latest.channel) == (ACCOUNT, LOGIN, "sms")
    assert latest.price is None
    assert latest.channel_data == {"to": "+1••••••••23", "country": "US", "message_status": "sent"}


def test_one_by_its_sid(client, attempts, two):
    sid = attempts.list(verification_sid=two)[0].sid
    assert client.verify.v2.verification_attempts(sid).fetch().verification_sid == two
    never = client.verify.v2.verification_attempts("VL" + "0" * 32)
    assert refused(never.fetch) == (404, 20404)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"status": "converted"}, 1),
        ({"status": "unconverted"}, 1),
        ({"country": "US"}, 2),
        ({"country": "DE"}, 0),
        ({"channel": "sms"}, 2),
        ({"channel": "call"}, 0),
        ({"verify_service_sid": LOGIN}, 2),
        ({"verify_service_sid": sids.of_name("VA", "signup")}, 0),
        ({"date_created_after": LONG_AGO}, 2),
        ({"date_created_after": LATER}, 0),
        ({"date_created_before": LONG_AGO}, 0),
    ],
    ids=str,
)
def test_they_are_chosen_among(attempts, two, wanted, count):
    assert len(attempts.list(channel_data_to=PHONE, **wanted)) == count


def test_without_a_filter_they_are_all_those_of_the_key(attempts, service, two):
    other = service.verifications.create(to=OTHER, channel="sms").sid
    services.start("+12025550125", caller=Caller("other"))
    sms.send(PHONE, "Your parcel is here.", api_key="tests")
    assert [one.verification_sid for one in attempts.list()] == [other, two, two]
    assert len(attempts.list(limit=2, page_size=1)) == 2


def test_what_names_nothing_finds_nothing_and_what_cannot_be_read_is_refused(attempts, two):
    assert attempts.list(verification_sid="x") == []
    for wanted in ({"channel_data_to": "1"}, {"status": "odd"}, {"channel": "pigeon"}):
        with pytest.raises(TwilioException):
            attempts.list(**wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        {"status": "odd"},
        {"channel": "pigeon"},
        {"date_created_after": "yesterday"},
        {"date_created_before": "2026-02-30"},
        {"country": "U" * 2049},
        {"verify_service_sid": "V" * 2049},
        {"verification_sid": "VE" + "0" * 32, "channel_data_to": "1"},
    ],
    ids="-".join,
)
def test_what_cannot_be_read_is_refused_where_there_is_nothing_too(attempts, served, wanted):
    with pytest.raises(TwilioException):
        attempts.list(**wanted)
    (heard,) = served.heard
    assert (heard.status, json.loads(heard.body)["code"]) == (400, 60200)


def test_however_many_there_are_the_clock_is_read_once(attempts, service, redis):
    for count in (1, 2, 3):
        service.verifications.create(to=PHONE, channel="sms")
        redis.config_resetstat()
        assert len(attempts.list(channel_data_to=PHONE)) == count
        assert redis.info("commandstats")["cmdstat_time"]["calls"] == 1


def test_another_key_sees_none_of_them(client, attempts, two, settings):
    sid = attempts.list(verification_sid=two)[0].sid
    settings.API_KEYS = {"other": settings.API_KEYS["tests"]}
    client.username = "other"
    client.auth = ("other", client.password)
    assert attempts.list(channel_data_to=PHONE) == []
    assert attempts.list(verification_sid=two) == []
    assert refused(client.verify.v2.verification_attempts(sid).fetch) == (404, 20404)


def test_plain_messages_are_none(attempts, redis):
    sms.send(PHONE, "Your parcel is here.", api_key="tests")
    assert attempts.list(channel_data_to=PHONE) == []


class TestSummary:
    @pytest.fixture
    def summary(self, client):
        return client.verify.v2.verification_attempts_summary

    def test_of_what_was_sent_it_tells_what_was_typed(self, summary, service, two):
        service.verifications.create(to=OTHER, channel="sms")
        services.start("+12025550125", caller=Caller("other"))
        found = summary().fetch()
        assert (found.total_attempts, found.total_converted, found.total_unconverted) == (3, 1, 2)
        assert found.conversion_rate_percentage == 33.333333333
        assert summary().fetch(verify_service_sid=LOGIN).total_attempts == 3
        assert summary().fetch(verify_service_sid=sids.of_name("VA", "signup")).total_attempts == 0

    def test_before_anything_was_sent(self, summary):
        found = summary().fetch()
        assert (found.total_attempts, found.conversion_rate_percentage) == (0, 0)

    def test_it_counts_the_hours_from_one_time_to_another_each_once(self, summary, redis):
        """Made-up counts: so many in each hour of three days."""
        hour = int(sms.now()) // 3600
        field = "starts|issued|login|US|tests"
        for number in range(hour - 80, hour + 1):
            redis.hincrby(tally.place("counts", "hour", number), field, 1)
            redis.hincrby(tally.place("counts", "day", number // 24), field, 1)
        for hours in (0, 1, 5, 23, 24, 30, 49, 75):
            after = datetime.fromtimestamp((hour - hours) * 3600, UTC)
            assert summary().fetch(date_created_after=after).total_attempts == hours + 1
        before = datetime.fromtimestamp((hour - 10) * 3600 + 5, UTC)
        after = datetime.fromtimestamp((hour - 60) * 3600 + 5, UTC)
        found = summary().fetch(date_created_after=after, date_created_before=before)
        assert found.total_attempts == 51

    @pytest.mark.parametrize("wanted", [{"country": "US"}, {"channel": "sms"}, {"destination_prefix": "+1"}])
    def test_what_is_not_counted_is_refused(self, summary, wanted):
        assert refused(lambda: summary().fetch(**wanted)) == (400, 60200)


def test_a_number_that_gets_no_sms_looks_like_any_other(client, attempts, service, settings):
    """Unless the key may read."""
    settings.TEST_NUMBERS = {PHONE: "111111"}
    settings.TEST_NUMBERS_UNTIL = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    shown = []
    for scopes in ("verify", "verify,read"):
        settings.API_ACCESS = access.parse(f"tests={scopes}")
        for phone in (PHONE, OTHER):
            sid = service.verifications.create(to=phone, channel="sms").sid
            latest = attempts.list(verification_sid=sid)[0]
            shown.append(latest.channel_data["message_status"])
    assert shown == ["queued", "queued", "canceled", "sent"]
