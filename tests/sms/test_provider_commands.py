"""``manage.py providers`` and ``manage.py send_test``, and the table of providers in docs/providers.md."""

from __future__ import annotations

import hmac
import io
import json
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from django.core import mail as django_mail
from django.core.management import CommandError, call_command
from django.test import Client

from sms import registry
from sms.management.commands.providers import table
from sms.management.commands.send_test import _Masks
from sms.providers.base import ListeningProvider
from sms.providers.described import COMMON, vendors
from tests.sms.providers.gateway import gateway, response
from tests.sms.providers.smsc import BIND_TRANSMITTER, SUBMIT_SM, smsc

ROOT = Path(__file__).parents[2]
NUMBER, SID, TOKEN = "+12025550123", "AC" + "0" * 32, "t0k/en of&the=account"
QUOTED = "t0k%2Fen%20of%26the%3Daccount"


def said(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_the_docs_have_the_table():
    page = (ROOT / "docs" / "providers.md").read_text()
    assert table(list(vendors())) in page, "run `make reference`"


@pytest.mark.parametrize("vendor", [*vendors()], ids=lambda vendor: vendor.scheme)
def test_each_option_is_documented(vendor):
    """By its name in the docstring of its file, where ``manage.py providers`` finds it."""
    # Those of the generic gateway are in its table, and in the table of its receipts.
    text = (
        vendor.text + (ROOT / "sms/providers/http_receipts.py").read_text()
        if vendor.scheme == "https"
        else vendor.text
    )
    missing = [name for name in vendor.options if not re.search(rf"(?<![\w]){name}(?:=|``|,|\b)", text)]
    assert missing == []


def test_one_vendor_is_shown_whole():
    shown = said("providers", "twilio")
    for words in ("twilio://SID:TOKEN@", "messaging_service", "base_url", "Features: receipts"):
        assert words in shown


def test_all_of_them_for_machines():
    found = [json.loads(line) for line in said("providers", "--json").splitlines()]
    assert {"twilio", "vonage", "kannel", "https"} <= {one["scheme"] for one in found}
    assert all(set(one) == {"scheme", "url", "summary", "text", "options", "can"} for one in found)
    assert not set(COMMON) & {option for one in found for option in one["options"]}


def test_one_that_there_is_not():
    with pytest.raises(CommandError, match=r"carrierpigeon is not a provider. There are: .*twilio"):
        call_command("providers", "carrierpigeon")


def test_the_configured_ones(settings):
    settings.PUBLIC_URL = "https://a.example"
    settings.SMS_PROVIDERS = {
        "main": f"twilio://{SID}:token@?from=Shop",
        "panel": "africastalking://shop:key@?receipt_secret=0123456789abcdef",
        "toy": "memory://",
    }
    token = hmac.new(b"0123456789abcdef", b"receipt:", "sha256").hexdigest()
    assert said("providers", "--configured").splitlines() == [
        "main: twilio, receipts, inbound",
        "    in its console, for inbound: https://a.example/v1/inbound/main",
        "panel: africastalking, receipts, inbound",
        f"    in its console, for receipts: https://a.example/v1/receipts/panel?token={token}",
        f"    in its console, for inbound: https://a.example/v1/inbound/panel?token={token}",
        "toy: memory, only sends",
    ]
    settings.SMS_PROVIDERS = {"main": "twilio://x"}
    with pytest.raises(CommandError, match="SMS_PROVIDERS"):
        call_command("providers", "--configured")


def test_they_are_listed_before_there_are_settings(tmp_path):
    """Who chooses a provider has no .env yet."""
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "providers"],
        env={},
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, "twilio://" in done.stdout) == (0, True), done.stderr


@pytest.fixture
def twilio(settings):
    with gateway() as vendor:
        settings.SMS_PROVIDERS = {"main": f"twilio://{SID}:{QUOTED}@?from=Shop&base_url={vendor.url}"}
        settings.PUBLIC_URL = "https://a.example"
        yield vendor


def test_a_test_by_e_mail(settings):
    settings.SMS_PROVIDERS = {"mail": "email://?from=codes@shop.example"}
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    outbox = django_mail.outbox = []
    shown = said("send_test", "mail", NUMBER, "--email", "somebody@example.com", "--text", "Hello")
    assert "It took the message" in shown
    assert [(one.to, one.subject) for one in outbox] == [(["somebody@example.com"], "Hello")]
    with pytest.raises(CommandError, match="no e-mail address"):
        said("send_test", "mail", NUMBER)


def test_a_test_is_sent_and_shown_step_by_step(twilio):
    twilio.answer = lambda: response(201, json.dumps({"sid": "SM123", "to": NUMBER}))
    shown = said("send_test", "main", NUMBER, "--text", "Hello")
    (request,) = twilio.requests
    assert request[2] | {"StatusCallback": ""} == {
        "To": NUMBER,
        "From": "Shop",
        "Body": "Hello",
        "ValidityPeriod": "120",
        "StatusCallback": "",
    }
    for words in ("main: Twilio", "→ POST /2010-04-01/Accounts/", "Body=Hello", "← 201", "SM123", "It took"):
        assert words in shown


def test_what_is_shown_holds_neither_number_nor_secret(twilio):
    """Neither of them, however it is written."""
    basic = b64encode(f"{SID}:{TOKEN}".encode()).decode()
    answer = {"to": NUMBER, "you": TOKEN, "and": QUOTED, "digits": NUMBER[1:], "basic": basic}
    twilio.answer = lambda: response(400, json.dumps(answer))
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("send_test", "main", NUMBER, stdout=out)
    shown = out.getvalue() + str(caught.value)
    for secret in (NUMBER, NUMBER[1:], "%2B12025550123", TOKEN, QUOTED, json.dumps(TOKEN)[1:-1], basic, SID):
        assert secret not in shown, secret


@pytest.mark.parametrize(
    "written",
    [
        "+1 202 555 0123",
        "+1 (202) 555-0123",
        "1-202-555-0123",
        "(202) 555-0123",
        "202.555.0123",
        "001 202 5550123",
        "+1%20202%20555%200123",
        "2025550123",
    ],
)
def test_the_number_is_masked_however_the_vendor_writes_it(twilio, written):
    twilio.answer = lambda: response(201, json.dumps({"sid": "SM1", "to": written, "by": "x 202"}))
    shown = said("send_test", "main", NUMBER)
    assert re.search(r'"to": "\(?\+1••••••••23", "by": "x 202"', shown)


@pytest.mark.parametrize("written", ["0170 123 45 67", "+49 (0) 170/1234567", "0049-170-1234567"])
def test_a_number_with_a_national_0_is_masked(twilio, written):
    twilio.answer = lambda: response(201, json.dumps({"sid": "SM1", "to": written}))
    assert '"to": "+4•••••••••67"' in said("send_test", "main", "+491701234567")


@pytest.mark.parametrize("password", ["x", "Z1", "pw1", "2"])
def test_a_short_password_is_masked_and_hides_no_number_from_its_mask(settings, password):
    with gateway() as vendor:
        settings.SMS_PROVIDERS = {"main": f"kannel://me:{password}@127.0.0.1?base_url={vendor.url}"}
        answer = f"0: {password}, {NUMBER}, {NUMBER[1:]}, id"
        vendor.answer = lambda: response(202, answer)
        shown = said("send_test", "main", NUMBER)
        assert "0: •••, +1••••••••23, +1••••••••23, id" in shown


def test_a_short_option_is_masked_if_its_name_tells_a_secret():
    masks = _Masks("vendor://host?api_key=Zq9&id=id", NUMBER, "+1••••••••23")
    assert masks.hide("id Zq9") == "id •••"
    masks = _Masks("vendor://Zq9@host", NUMBER, "+1••••••••23")
    assert masks.hide("id Zq9: id") == "id •••: id"
    assert _Masks("vendor://", NUMBER, "").hide("a: b") == "a: b"


def test_its_receipt_is_taken(settings):
    """The address that the vendor is given holds the reference that its token is made for."""
    settings.PUBLIC_URL = "https://a.example"
    with gateway() as vendor:
        settings.SMS_PROVIDERS = {
            "main": f"kannel://me:password@127.0.0.1?receipt_secret=0123456789abcdef&base_url={vendor.url}"
        }
        vendor.answer = lambda: response(202, "0: Accepted for delivery")
        said("send_test", "main", NUMBER)
        ((_, headers, _),) = vendor.requests
    address = headers["x-kannel-dlr-url"].replace("%d", "1").removeprefix("https://a.example")
    assert Client().get(address).status_code == 200


def test_over_smpp_the_pdus_are_shown(settings):
    with smsc() as centre:
        settings.SMS_PROVIDERS = {"main": f"smpp://tester:pw@127.0.0.1:{centre.port}?from=Otpost"}
        try:
            steps = said("send_test", "main", NUMBER).splitlines()
            centre.refuse(0x0B)
            out = io.StringIO()
            with pytest.raises(CommandError, match="0x0b"):
                call_command("send_test", "main", NUMBER, stdout=out)
        finally:
            bound = registry.providers()["main"]
            assert isinstance(bound, ListeningProvider)
            bound.close()
        size = len(centre.of(SUBMIT_SM)[0].body)
    assert steps[1:-1] == [
        f"→ bind_transmitter, {len(centre.of(BIND_TRANSMITTER)[0].body)} octets",
        "← bind_transmitter_resp, status 0x00",
        "SMSC",
        f"→ submit_sm, {size} octets",
        "← submit_sm_resp, status 0x00",
        "id-1",
    ]
    assert "← submit_sm_resp, status 0x0b\n" in out.getvalue()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"code": 20003}, r"account was refused \(20003\).*credentials"),
        (403, {"code": 21408}, "in this country"),
        (400, {"code": 21211}, r"number or the text \(21211\)"),
        (429, {"code": 20429}, "the same may work later"),
        (201, {}, "It may or may not"),
    ],
)
def test_what_a_refusal_means(twilio, status, body, words):
    twilio.answer = lambda: response(status, json.dumps(body))
    with pytest.raises(CommandError, match=words):
        call_command("send_test", "main", NUMBER, stdout=io.StringIO())


@pytest.mark.parametrize(
    ("words", "said"),
    [(("spare", NUMBER), "SMS_PROVIDERS has no spare. It has: main."), (("main", "12"), "country code")],
)
def test_what_cannot_be_sent_is_said(twilio, words, said):
    with pytest.raises(CommandError, match=said):
        call_command("send_test", *words, stdout=io.StringIO())
    assert twilio.requests == []
