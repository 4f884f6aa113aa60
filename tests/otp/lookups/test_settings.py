"""``OTP_LOOKUPS``: what is refused at start, with the fix and no secret; and ``manage.py look_up``."""

from __future__ import annotations

import io
import json

import pytest
from django.conf import settings as django
from django.core.management import call_command
from django.core.management.base import CommandError, SystemCheckError

from sms.masked import mask_settings
from sms.testing import outbox
from tests.otp.lookups.conftest import SECRET, twilio_says
from tests.sms.providers.gateway import response

PHONE = "+12025550123"
TWILIO, CAMARA = f"twilio-lookup://AC:{SECRET}@", f"camara://client:{SECRET}@operator.example"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (SECRET, "main: write alias=SCHEME://… with one of camara, twilio-lookup"),
        (f"twilio://AC:{SECRET}@?refuse=voip", "with one of camara, twilio-lookup"),
        (TWILIO, "say what to ask: refuse=fixed_line|voip, sim_swap=72h, or both"),
        ("twilio-lookup://AC@?refuse=voip", "write twilio-lookup://SID:TOKEN@"),
        (f"{TWILIO}?refuse=landline", "refuse= takes kinds of lines with | between: fixed_line, mobile"),
        (f"{TWILIO}?refuse=unknown", "refuse= takes kinds"),
        (f"{TWILIO}?sim_swap=72", "sim_swap= takes hours or days such as 72h or 3d, at most 100d"),
        (f"{TWILIO}?sim_swap=101d", "sim_swap= takes hours"),
        (f"{TWILIO}?sim_swap=0h", "sim_swap= takes hours"),
        (f"{TWILIO}?refuse=voip&per_day=0", "per_day=0 must be over 0. Remove the look-up to ask nothing"),
        (f"{TWILIO}?refuse=voip&per_day=many", "per_day must be a number"),
        (f"{TWILIO}?refuse=voip&countries=de", "countries= takes codes of ISO 3166"),
        (f"{TWILIO}?refuse=voip&limit=3", "twilio-lookup has no option 'limit'. It has: base_url, countries"),
        (f"{TWILIO}?refuse=voip&base_url=ftp://x", "the host, or base_url=, must give an address"),
        (f"{TWILIO}?refuse=voip&ssl_ca_certs=/no/file", "ssl_ca_certs= names no file"),
        (CAMARA, "say what to ask: sim_swap=72h, or number_verification=yes"),
        (f"{CAMARA}?sim_swap=72h", "token_url=https://… of the operator"),
        (f"{CAMARA}?sim_swap=72h&token_url=operator", "token_url=https://… of the operator"),
        (f"{CAMARA}?sim_swap=72h&token_url=https://a.example/t&key=/no/file", "CLIENT@HOST and key="),
        (f"{CAMARA}?number_verification=true", "number_verification= takes only yes"),
        (f"{CAMARA}?number_verification=yes&version=2/../x", "version= must be as in the operator's URLs"),
        (
            "camara://client@operator.example?sim_swap=72h&token_url=https://a.example/t&key=/dev/null",
            "key= must name a PEM file with a private key",
        ),
    ],
)
def test_what_cannot_work_is_refused_at_start(settings, url, told):
    settings.OTP_LOOKUPS = {"main": url}
    with pytest.raises(SystemCheckError) as caught:
        call_command("check")
    assert "(otp.E014) OTP_LOOKUPS: main: " in str(caught.value)
    assert told in str(caught.value)
    assert SECRET not in str(caught.value)


def test_an_alias_that_could_not_stand_in_a_key_is_refused(settings):
    settings.OTP_LOOKUPS = {"a:b": f"{TWILIO}?refuse=voip"}
    with pytest.raises(SystemCheckError, match="'a:b' is not an alias"):
        call_command("check")


def test_settings_are_printed_without_their_secrets(settings):
    settings.OTP_LOOKUPS = {"main": f"{TWILIO}?refuse=voip"}
    mask_settings("OTP_LOOKUPS")
    assert SECRET not in repr(django.OTP_LOOKUPS)


# --- the command ------------------------------------------------------------------------------------


def look_up(*options: str) -> str:
    out = io.StringIO()
    call_command("look_up", PHONE, *options, stdout=out)
    return out.getvalue()


def test_the_command_asks_each_of_them(vendors, settings, redis):
    twilio, operator = vendors(), vendors()
    twilio.twilio = twilio_says("nonFixedVoip", False)
    settings.OTP_LOOKUPS = {
        "twilio": twilio.twilio_url(),
        "operator": operator.camara_url(),
        "other": operator.camara_url("sim_swap=3d&countries=DE|AT"),
    }
    first, second, third = look_up().splitlines()
    assert first.startswith(
        "twilio (Twilio Lookup), +1••••••••23: line_type non_fixed_voip, sim_swap not_swapped; "
        "no code would be sent ("
    )
    assert second.startswith("operator (CAMARA), +1••••••••23: sim_swap not_swapped; a code would be sent (")
    assert third == "other (CAMARA), +1••••••••23: not asked, because countries= excludes US"
    assert not outbox
    assert not list(redis.scan_iter("otp:lookup*"))
    found = [json.loads(line) for line in look_up("--json").splitlines()]
    assert [one.pop("seconds") < 1.0 for one in found] == [True] * 3
    assert found[0] == {
        "lookup": "twilio",
        "vendor": "Twilio Lookup",
        "number": "+1••••••••23",
        "asked": True,
        "answers": {"line_type": "non_fixed_voip", "sim_swap": "not_swapped"},
        "refused": True,
        "error": "",
    }
    assert (found[2]["asked"], found[2]["answers"]) == (False, {})


def test_the_command_tells_why_nobody_answers(vendor, settings, capsys):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url()}
    vendor.twilio = response(401, '{"code":20003}')
    out = io.StringIO()
    with pytest.raises(CommandError, match="No answer from main"):
        call_command("look_up", PHONE, stdout=out)
    assert "no answer: 20003 (" in out.getvalue()


@pytest.mark.parametrize(("number", "told"), [("911", "emergency"), (PHONE, "OTP_LOOKUPS is empty")])
def test_the_command_says_what_is_missing(number, told):
    with pytest.raises(CommandError, match=told):
        call_command("look_up", number)
