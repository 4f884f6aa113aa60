"""Texts for phones to read: the formats that let them fill in a code, or keep them from filling it in
elsewhere.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from otp import purposes
from otp.checks import purposes as checks
from otp.handler import OTPHandler
from sms.testing import code_in, outbox

PHONE = "+12025550123"
HASH = "FA+9qCX9VSu"


@pytest.fixture(params=["login", "signup", "payment"])
def purpose(request):
    return request.param


def message(api, **fields) -> str:
    assert api.post("/v1/verifications", {"phone": PHONE} | fields).status_code == 202
    return outbox[-1].body


@pytest.mark.parametrize("locale", ["", "de", "fa-IR"])
@pytest.mark.parametrize("app_hash", ["", HASH])
def test_the_last_line_is_bound_to_the_origin(api, settings, purpose, locale, app_hash):
    """WICG, Origin-bound one-time codes: the last line is ``@host #code`` and nothing else."""
    texts = {"": "{code} is it.", "de": "{code}: das ist er.\n", "fa": "کد {code}"}
    settings.OTP_PURPOSES = {purpose: {"text": texts, "app_hash": app_hash}}
    *above, last = message(api, purpose=purpose, locale=locale).split("\n")
    found = re.fullmatch(r"@otp\.example\.com #([0-9]{6})", last)
    assert found
    assert found[1] in above[0]  # a person finds it first


def test_sms_retriever_finds_the_hash_and_at_most_140_bytes(api, settings, purpose):
    """Google: "Include an 11-character hash string", "Be no longer than 140 bytes"; see otp.purposes."""
    settings.OTP_PURPOSES = {purpose: settings.OTP_PURPOSES[purpose] | {"app_hash": HASH}}
    assert checks.otp_purposes() == []
    body = message(api, purpose=purpose)
    assert body.split("\n")[-2] == HASH
    assert len(body.encode()) <= 140
    assert code_in(body)


def test_a_longer_message_for_sms_retriever_is_refused_at_start(settings):
    settings.OTP_PURPOSES = {"login": {"app_hash": HASH, "text": "{code} " + "." * 100}}
    (error,) = checks.otp_purposes()
    assert "Shorten it by " in error.msg


def test_user_consent_sees_4_to_10_characters_with_a_digit(purpose):
    for phone in range(20):
        code = OTPHandler.generate_otp(f"+120255501{phone:02}", purpose).code
        assert re.fullmatch(r"(?=.*[0-9])[A-Za-z0-9]{4,10}", code)
    assert checks.autofill() == []


class Inputs(HTMLParser):
    """The attributes of every input of a page, by its name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str | None]] = {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "input":
            attributes = dict(attrs)
            self.found[str(attributes.get("name"))] = attributes


def test_the_field_of_the_code_says_what_it_is(client):
    """HTML: ``autocomplete="one-time-code"``, and a keyboard with digits."""
    client.post("/", {"phone": PHONE})
    field = Inputs(client.get("/code").content.decode()).found["code"]
    assert (field["autocomplete"], field["inputmode"]) == ("one-time-code", "numeric")
    assert Inputs(client.get("/").content.decode()).found["phone"]["autocomplete"] == "tel"


def test_every_purpose_has_its_rules_checked(settings):
    """The default purposes pass every check that is made of them."""
    assert set(purposes.all_purposes()) == {"login", "signup", "payment"}
    assert checks.otp_purposes() + checks.autofill() == []
