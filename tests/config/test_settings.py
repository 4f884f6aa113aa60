"""The start: refused on missing, weak or malformed settings, silent where all is well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

GOOD = {
    "SECRET_KEY": "Zk3-" * 5 + "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "PHONE_SECRET_KEY": "abcdefghijklmnopqrstuvwxyz0123456789",
    "SMS_SEAL_KEYS": "r6z--mFFv60fd-zhSncr0oRuyHvR07PoW4YTHngI_sE=",
    "SMS_PROVIDERS": "main=twilio://AC1:t0ken@?from=%2B15005550006",
    "SMS_DESTINATIONS": "US,CA",
    "PUBLIC_URL": "https://verify.example.com",
    "DEBUG": "0",
    "API_KEYS": "",
    "API_ACCESS": "",
    "TRUSTED_PROXIES": "",
}


def manage(*arguments: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in (os.environ | GOOD | changes).items() if value is not None}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        check=False,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_a_number_may_be_left_empty_or_have_spaces():
    assert manage("check", SMS_RECEIPT_WAIT="", WORKER_CONCURRENCY=" 7 ").returncode == 0


def test_limits_that_are_left_empty_are_those_that_are_usual():
    rules = "from django.conf import settings; print(settings.OTP_LIMITS)"
    assert "phone-ip" in manage("shell", "--no-imports", "-c", rules, OTP_LIMITS=" ").stdout


def test_check_deploy_is_silent():
    done = manage("check", "--deploy", "--fail-level", "INFO")
    assert (done.returncode, done.stderr.strip()) == (0, ""), done.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SECRET_KEY", "", "SECRET_KEY is missing"),
        ("SECRET_KEY", "short", "SECRET_KEY is too weak"),
        ("PHONE_SECRET_KEY", "", "PHONE_SECRET_KEY is missing"),
        ("PHONE_SECRET_KEY", "a" * 64, "PHONE_SECRET_KEY is too weak"),
        ("SMS_SEAL_KEYS", "", "SMS_SEAL_KEYS is empty"),
        ("SMS_SEAL_KEYS", "nonsense", "no Fernet key"),
        ("SMS_SEAL_KEYS", "A" * 43 + "=", "SMS_SEAL_KEYS must be random"),
        ("PHONE_SECRET_KEY", "Zk3-" * 5 + "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "must differ"),
        ("SMS_PROVIDERS", "", "SMS_PROVIDERS names no provider"),
        ("SMS_PROVIDERS", "twilio://AC1:t0ken@", "must look like main=twilio"),
        ("SMS_PROVIDERS", "a=memory://,a=memory://", "names a twice"),
        ("SMS_PROVIDERS", "a=pigeon://", "pigeon is no provider"),
        ("API_KEYS", "me:secret", "API_KEYS must hold name:sha256-hex"),
        ("API_KEYS", ",".join(f"me:{digit * 64}" for digit in "012"), "API_KEYS names me more than twice"),
        ("CSP_SOURCES", "captcha.example.com", "CSP_SOURCES must hold origins"),
        ("CSP_SOURCES", "https://captcha.example.com/api.js", "CSP_SOURCES must hold origins"),
        ("CSP_SOURCES", "https://a.example,'unsafe-inline'", "CSP_SOURCES must hold origins"),
        ("API_ACCESS", "me", "API_ACCESS must look like"),
        ("API_ACCESS", "me=fly", "API_ACCESS: me has the word 'fly'"),
        ("API_ACCESS", "me=client_ip", "API_ACCESS: me may do nothing"),
        ("API_ACCESS", "me=read", "API_ACCESS names me, which has no key in API_KEYS"),
        ("TRUSTED_PROXIES", "10.0.0.0/99", "TRUSTED_PROXIES holds what is no address or network"),
        ("PUBLIC_URL", "verify.example.com", "PUBLIC_URL must look like"),
        ("MESSAGE_RECORD_HOURS", "1", "MESSAGE_RECORD_HOURS must be longer"),
        ("SMS_RECEIPT_WAIT", "nan", "SMS_RECEIPT_WAIT must be a number, 0 or more, such as 5."),
        ("SMS_LONGEST_WAIT", "inf", "SMS_LONGEST_WAIT must be a number, 0 or more, such as 10."),
        ("SMS_LONGEST_WAIT", "-1", "SMS_LONGEST_WAIT must be a number, 0 or more, such as 10."),
        (
            "MESSAGE_RECORD_HOURS",
            "abc",
            "MESSAGE_RECORD_HOURS must be a whole number, 1 or more, such as 72.",
        ),
        ("WORKER_CONCURRENCY", "0", "WORKER_CONCURRENCY must be a whole number, 1 or more, such as 80."),
        ("WORKER_CONCURRENCY", "1.5", "WORKER_CONCURRENCY must be a whole number"),
        ("SMS_RECEIPT_WAIT", "120", "SMS_RECEIPT_WAIT is 120 seconds, and a code of OTP_PURPOSES['login']"),
        ("GUARD_MODE", "on", "GUARD_MODE is 'on'. Write one of: off, shadow, enforce."),
        ("GUARD_ALLOW", "DE,XX", "GUARD_ALLOW, 'XX': write countries such as DE"),
        ("GUARD_PRICES", "DE=cheap", "GUARD_PRICES, DE: 'cheap' must be a number"),
        ("GUARD_PRICES", "DE", "GUARD_PRICES must look like US=0.0079,DE=0.08,default=0.06"),
        ("GUARD_BUDGET", "-1", "GUARD_BUDGET: '-1' must be a number, 0 or more"),
    ],
)
def test_a_start_is_refused_and_names_the_setting(name, value, words):
    done = manage("check", **{name: value})
    assert done.returncode != 0
    assert words in done.stderr
    assert "t0ken" not in done.stderr


@pytest.mark.parametrize(
    "program",
    [
        ["-c", "import config.wsgi"],
        ["-m", "celery", "-A", "config", "worker", "-Q", "otp,bulk"],
        ["-m", "celery", "-A", "config", "beat"],
    ],
)
def test_web_worker_and_beat_refuse_as_well(program):
    environment = os.environ | GOOD | {"SMS_PROVIDERS": "main=pigeon://"}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run(
        [sys.executable, *program],
        check=False,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode != 0
    assert "pigeon is no provider" in done.stdout + done.stderr


@pytest.mark.parametrize("scheme", ["sandbox", "console", "memory"])
def test_what_is_for_development_is_named_in_production(scheme):
    done = manage("check", "--deploy", SMS_PROVIDERS=f"phone={scheme}://")
    assert "sms.W001" in done.stderr


def test_a_missing_public_url_is_named_in_production():
    assert "sms.W003" in manage("check", "--deploy", PUBLIC_URL="").stderr


def test_a_purpose_in_api_access_must_exist():
    key = f"me:{'0' * 64}"
    assert manage("check", API_KEYS=key, API_ACCESS="me=verify,purpose:login").returncode == 0
    done = manage("check", API_KEYS=key, API_ACCESS="me=verify,purpose:logni")
    assert done.returncode != 0
    assert "API_ACCESS: me has the purpose logni; OTP_PURPOSES has: login" in done.stderr


def test_secrets_can_be_made_before_there_are_any():
    done = manage("secrets", SECRET_KEY=None, PHONE_SECRET_KEY=None, SMS_SEAL_KEYS=None)
    assert done.returncode == 0
    made = dict(line.split("=", 1) for line in done.stdout.split())
    assert manage("check", **made).returncode == 0
