"""Twilio Lookup: our requests beside those of their SDK, and what its answers mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from otp.lookups.settings import configured
from otp.lookups.twilio import FIELDS
from tests.otp.lookups.conftest import SECRET, twilio_says
from tests.sms.providers.gateway import response

PHONE = "+12025550123"


class Here(TwilioHttpClient):
    """Sends what is for lookups.twilio.com to the gateway."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def request(self, method, uri, *rest, **more):  # type: ignore[override]
        assert uri.startswith("https://lookups.twilio.com/")
        return super().request(method, uri.replace("https://lookups.twilio.com", self._url), *rest, **more)


@pytest.fixture
def lookup(vendor, settings):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url()}
    return configured()["main"]


def test_we_ask_as_their_sdk_does(vendor, lookup):
    lookup.ask(PHONE, lookup.questions)
    sdk = Client(f"AC{'0' * 32}", SECRET, http_client=Here(vendor.server.url))
    found = sdk.lookups.v2.phone_numbers(PHONE).fetch(fields="line_type_intelligence,sim_swap")
    ours, theirs = vendor.asked()
    for one in (ours, theirs):
        parts = urlsplit(one[0])
        assert unquote(parts.path) == f"/v2/PhoneNumbers/{PHONE}"
        assert parse_qs(parts.query) == {"Fields": ["line_type_intelligence,sim_swap"]}
    assert ours[1]["authorization"] == theirs[1]["authorization"]
    assert all(
        getattr(found, FIELDS[question]) for question in lookup.questions
    )  # the sample is one of theirs


AGO = {
    hours: (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for hours in (2, 71, 73)
}


@pytest.mark.parametrize(
    ("answer", "line_type", "sim_swap"),
    [
        (twilio_says("landline", True), "fixed_line", "swapped"),
        (twilio_says("mobile", False), "mobile", "not_swapped"),
        (twilio_says("nonFixedVoip", None), "non_fixed_voip", "unknown"),
        (twilio_says("tollFree", False, last_sim_swap_date=AGO[2]), "toll_free", "swapped"),
        (twilio_says("mobile", False, last_sim_swap_date=AGO[71]), "mobile", "swapped"),
        (twilio_says("mobile", True, last_sim_swap_date=AGO[73]), "mobile", "not_swapped"),
        (twilio_says("mobile", True, last_sim_swap_date="yesterday"), "mobile", "unknown"),
        (twilio_says("hovercraft", True), "unknown", "swapped"),
    ],
)
def test_what_it_answers(vendor, lookup, answer, line_type, sim_swap):
    vendor.twilio = answer
    assert lookup.ask(PHONE, lookup.questions) == {"line_type": line_type, "sim_swap": sim_swap}


def test_data_that_it_has_not_are_unknown(vendor, lookup):
    """60620: the carrier's answer is incomplete; a package that was not to be had is null."""
    package = '{"error_code":60620,"last_sim_swap":null}'
    vendor.twilio = response(
        200, f'{{"phone_number":"{PHONE}","line_type_intelligence":null,"sim_swap":{package}}}'
    )
    assert set(lookup.ask(PHONE, lookup.questions).values()) == {"unknown"}
