"""Reverse verification over HTTP, and as docs/reverse.md sets it up."""

from __future__ import annotations

import json
import re

import pytest

from otp import services
from otp.checks import purposes as checks
from otp.checks.settings import reverse_numbers
from tests.otp.test_reverse import OURS, PHONE, twilio  # noqa: F401  # a fixture
from tests.starts import ROOT

VERIFICATIONS = "/v1/verifications"


def test_the_start_alone_tells_what_to_send(api, settings):
    started = api.post(VERIFICATIONS, {"phone": PHONE, "reverse": True, "locale": "en"})
    body = started.json()
    assert started.status_code == 202
    assert (body["status"], body["delivery"], body["sms"]) == ("pending", None, None)
    assert (body["channels"], body["channel"]) == ([], None)
    asked = body["reverse"]
    assert asked["send_to"] == OURS
    assert asked["link"].startswith(f"sms:{OURS}?&body={asked['text'][:6]}%20Otpost")
    path = f"{VERIFICATIONS}/{body['id']}"
    assert api.get(path).json() == body | {"reverse": None}
    assert api.post(f"{path}/check", {"code": asked["text"][:6]}).json()["status"] == "expired"
    assert api.post(f"{path}/resend").json()["code"] == "expired"
    services.hear(PHONE, asked["text"])
    over = api.get(path).json()
    assert (over["status"], over["channels"], over["channel"]) == ("valid", [], None)


@pytest.mark.parametrize(
    ("more", "field"),
    [({"purpose": "signup"}, "reverse"), ({"email": "a@b.example"}, "email"), ({"reverse": 5}, "reverse")],
)
def test_what_cannot_be_is_refused_and_named(api, more, field):
    answer = api.post(VERIFICATIONS, {"phone": PHONE, "reverse": True} | more)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_one_without_a_number_is_refused(api):
    assert api.post(VERIFICATIONS, {"reverse": True}).json()["code"] == "phone_missing"


def test_the_example_of_docs_reverse_works(settings):
    text = (ROOT / "docs/reverse.md").read_text()
    (example,) = re.findall(r"```sh\n# .env\n(.+?)```", text, re.DOTALL)
    variables = dict(line.split("=", 1) for line in example.splitlines())
    settings.OTP_PURPOSES = json.loads(variables["OTP_PURPOSES"])
    settings.OTP_REVERSE = dict([variables["OTP_REVERSE"].split("=")])
    assert reverse_numbers() + checks.reverse_has_a_number() + checks.otp_purposes() == []
    started = services.start(PHONE, "signup", reverse=True)
    assert f'"send_to": "{started.wanted.send_to}"' in text
    assert started.wanted.text.partition(" ")[2] in text
