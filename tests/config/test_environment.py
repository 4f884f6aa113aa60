"""Whatever a variable or a setting holds: it works, or one line names it and the fix, and holds no secret.

Web, worker, beat and every command of ``manage.py`` load the same settings and run the same checks, so most
of it is shown without a process; ``test_settings.py`` and the end of this file start some.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

from config.environment import read_file
from sms import conf
from tests.config.conftest import VARIABLES
from tests.starts import GOOD, ROOT, manage, python

DECLARED = sorted(conf.DECLARED)

#: Secrets are never repeated. Other values are, as that helps to find the fault.
SECRET = {
    *("SECRET_KEY", "PHONE_SECRET_KEY", "PHONE_SECRET_KEY_FALLBACKS", "SMS_SEAL_KEYS", "SMS_PROVIDERS"),
    *("SMS_OPTOUT_KEYS", "METRICS_TOKEN", "WEBHOOKS", "EMAIL_URL", "ANYMAIL"),
    *("API_KEYS", "REDIS_URL", "CELERY_BROKER_URL", "DATABASE_URL", "PUBLIC_URL"),
}

ODD_TEXTS = [
    *(
        "",
        " ",
        "ü",
        "5",
        "-1",
        "1e400",
        "9" * 400,
        "a=b",
        "=",
        ":",
        ",",
        ";",
        ",,=;",
        "a,b",
        "*",
        "+",
        ">",
        "%",
    ),
    *(
        "x://u:s3cret@h",
        "[s3cret",
        "http://[s3cret",
        "redis://:s3cret/@h",
        "postgres://u:s3cret/x@h:s3cret/d",
    ),
    *(
        '{"a": 1}',
        '"s3cret"',
        "'quoted'",
        "None",
        "s3cret" * 100,
        "a.b",
        ".",
        "..",
        "\n",
        "2026-99-99",
        "\u202e1",
    ),
]


@pytest.fixture
def refusal(load):
    """What a start with these variables and no other says, "" where it starts."""

    def ask(**changes):
        try:
            loaded = load(**changes)
            with override_settings(**{name: loaded[name] for name in DECLARED if name in loaded}):
                call_command("check", stderr=io.StringIO(), stdout=io.StringIO())
        except (ImproperlyConfigured, SystemCheckError) as error:
            return str(error)
        return ""

    return ask


def test_who_sets_nothing_has_the_defaults_that_a_project_has(load):
    """A move from one to the other keeps the same codes and texts."""
    loaded = load()
    for name in set(DECLARED) & loaded.keys() - GOOD.keys() - {"OTPOST_NAMESPACE", "SMS_LONGEST_WAIT"}:
        assert loaded[name] == conf.default(name), name
    assert loaded["SMS_LONGEST_WAIT"] == conf.default("SMS_LONGEST_WAIT")["otp"]


def test_the_environment_of_these_tests_is_right(refusal):
    assert refusal() == ""
    assert len(VARIABLES) > 30


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SECRET_KEY", "", "SECRET_KEY is missing"),
        ("SECRET_KEY", "short", "SECRET_KEY is too weak"),
        ("PHONE_SECRET_KEY", "", "PHONE_SECRET_KEY is missing"),
        ("PHONE_SECRET_KEY", "a" * 64, "PHONE_SECRET_KEY is too weak"),
        ("METRICS_TOKEN", "short", "METRICS_TOKEN must be random and have at least 32 characters"),
        ("SMS_SEAL_KEYS", "", "SMS_SEAL_KEYS is empty"),
        ("SMS_SEAL_KEYS", "nonsense", "no Fernet key"),
        ("SMS_SEAL_KEYS", "A" * 43 + "=", "SMS_SEAL_KEYS must be random"),
        ("PHONE_SECRET_KEY", "Zk3-" * 5 + "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "must differ"),
        ("SMS_PROVIDERS", "", "SMS_PROVIDERS names no provider"),
        ("SMS_PROVIDERS", "twilio://AC1:t0ken@", "must look like main=twilio"),
        ("SMS_PROVIDERS", "a=memory://,a=memory://", "names a twice"),
        ("SMS_PROVIDERS", "a=pigeon://", "pigeon is not a provider"),
        ("API_KEYS", "me:secret", "API_KEYS must hold name:sha256-hex"),
        ("API_KEYS", ",".join(f"me:{digit * 64}" for digit in "012"), "API_KEYS names me more than twice"),
        ("CSP_SOURCES", "captcha.example.com", "CSP_SOURCES must hold origins"),
        ("CSP_SOURCES", "https://captcha.example.com/api.js", "CSP_SOURCES must hold origins"),
        ("CSP_SOURCES", "https://a.example,'unsafe-inline'", "CSP_SOURCES must hold origins"),
        ("API_ACCESS", "me", "API_ACCESS must look like"),
        ("API_ACCESS", "me=fly", "API_ACCESS: me has the word 'fly'"),
        ("API_ACCESS", "me=client_ip", "API_ACCESS: me may do nothing"),
        ("API_ACCESS", "me=read", "API_ACCESS names me, which has no key in API_KEYS"),
        ("TRUSTED_PROXIES", "10.0.0.0/99", "TRUSTED_PROXIES must hold IP addresses and networks"),
        ("PUBLIC_URL", "verify.example.com", "PUBLIC_URL must look like"),
        ("PUBLIC_URL", "https://[::1", "PUBLIC_URL must look like"),
        ("PAGES", "on", "PAGES is 'on'. Write sessions to let programs hand their users"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL."),
        ("DATABASE_URL", "nonsense", "DATABASE_URL must look like sqlite:////"),
        ("SMS_DESTINATIONS", "", "SMS_DESTINATIONS names no country, and main costs money"),
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
        ("SMS_RECEIPT_WAIT", "120", "SMS_RECEIPT_WAIT is 120 seconds, but a code of OTP_PURPOSES['login']"),
        ("GUARD_MODE", "on", "GUARD_MODE is 'on'. Write one of: off, shadow, enforce."),
        ("GUARD_ALLOW", "DE,XX", "GUARD_ALLOW, 'XX': write countries such as DE"),
        ("GUARD_PRICES", "DE=cheap", "GUARD_PRICES, DE: 'cheap' must be a number"),
        ("GUARD_PRICES", "fax:DE=1", "GUARD_PRICES, fax:DE: there is no channel 'fax'"),
        ("OTP_PURPOSES", "login", "OTP_PURPOSES is not valid JSON (column 1)."),
        ("OTP_PURPOSES", '["login"]', "OTP_PURPOSES must be a JSON object"),
        ("OTP_PURPOSES", '{"login": {"channels": ["fax"]}}', "channels must be a list of sms"),
        ("GUARD_PRICES", "DE", "GUARD_PRICES must look like US=0.0079,DE=0.08,default=0.06"),
        ("GUARD_BUDGET", "-1", "GUARD_BUDGET: '-1' must be a number, 0 or more"),
    ],
)
def test_a_start_is_refused_and_names_the_setting(refusal, name, value, words):
    said = refusal(**{name: value})
    assert words in said
    assert "t0ken" not in said


def test_the_example_of_docs_channels_starts(refusal):
    text = (ROOT / "docs/channels.md").read_text()
    (example,) = re.findall(r"```ini\n(SMS_PROVIDERS=tg=.+?)```", text, re.DOTALL)
    variables = dict(line.split("=", 1) for line in example.splitlines())
    assert len(variables) == 5
    assert refusal(**variables) == ""
    assert "channels must be" in refusal(**variables | {"OTP_PURPOSES": '{"login": {"channels": ["fax"]}}'})


@pytest.mark.parametrize("name", VARIABLES)
def test_whatever_a_variable_holds_it_is_named_or_works(refusal, name):
    for value in ODD_TEXTS:
        said = refusal(**{name: value})
        assert not said or name in said or name == "SMS_PROVIDERS", (value, said)
        assert "s3cret" not in said or name not in SECRET, (value, said)


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("$s3cret", "begins with $, but variables are not expanded here"),
        ("s3cret\udcff", "is not UTF-8"),
        ("s3cret\x07", "holds a control character"),
        ("s3cret\u200b", "holds an invisible character (U+200B)"),
        ("\ufeffs3cret", "holds an invisible character (U+FEFF)"),
    ],
)
def test_what_no_variable_can_hold(refusal, name, value, words):
    said = refusal(**{name: value})
    if name == "OTP_SITE_NAME" and "invisible" in words:  # invisible characters join emoji
        assert said == ""
    else:
        assert said.startswith(f"{name} {words}")
        assert "\n" not in said
        assert "s3cret" not in said


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DEBUG", "maybe", "DEBUG must be true or false."),
        ("DEBUG", "2", "DEBUG must be true or false."),
        ("PUBLIC_URL", "verify.shop.test", "PUBLIC_URL must look like https://verify.example.com"),
        ("PUBLIC_URL", "verify.shop.test:8443", "PUBLIC_URL must look like"),
        ("PUBLIC_URL", "//verify.shop.test", "PUBLIC_URL must look like"),
        ("PUBLIC_URL", "ftp://verify.shop.test", "PUBLIC_URL must look like"),
        ("PUBLIC_URL", "https://verify.shop.test/path", "PUBLIC_URL must look like"),
        ("PUBLIC_URL", "https://verify.shop.test?a=b", "PUBLIC_URL must look like"),
        ("PUBLIC_URL", "https://me:s3cret@verify.shop.test", "PUBLIC_URL must look like"),
        ("PUBLIC_URL", "https://verify.shop.test:port", "PUBLIC_URL must look like"),
        ("PUBLIC_URL", "https://prüfe.shop.test", "PUBLIC_URL must look like"),
        ("PUBLIC_URL", "https://", "PUBLIC_URL must look like"),
        ("ALLOWED_HOSTS", "https://otp.internal", "ALLOWED_HOSTS must hold host names"),
        ("ALLOWED_HOSTS", "otp.internal:8000", "ALLOWED_HOSTS must hold host names"),
        ("DATABASE_URL", "postgres://u:s3cret/x@h:s3cret/d", "DATABASE_URL"),
        ("MESSAGE_RECORD_HOURS", "9" * 30, "MESSAGE_RECORD_HOURS must be a whole number"),
        ("TEST_NUMBERS_UNTIL", "soon", "TEST_NUMBERS_UNTIL must be a text with a date"),
        ("OTP_CHALLENGE", ".captcha", "OTP_CHALLENGE must be the dotted path of a function"),
        ("OTP_CHALLENGE", "captcha", "OTP_CHALLENGE must be the dotted path of a function"),
        ("OTP_SITE_NAME", "x" * 200, "OTP_SITE_NAME must have at most 100 characters"),
        ("OTP_SITE_NAME", "Shop\nat home", "OTP_SITE_NAME must have at most 100 characters"),
        (
            "SMS_PROVIDERS",
            f"main=twilio://{'0123456789abcdef' * 2}:AC{'0' * 32}@?from=x",
            "SMS_PROVIDERS: main: SID and token are swapped. Write twilio://SID:TOKEN@",
        ),
        (
            "SMS_PROVIDERS",
            f"main=twilio://SK{'0' * 32}:s3cret@?from=x",
            "SMS_PROVIDERS: main: this is not an account SID",
        ),
        (
            "SMS_PROVIDERS",
            f"main=twilio://AC{'0' * 32}:s3cret@?from=MG{'0' * 32}",
            "Write messaging_service=",
        ),
        (
            "SMS_DESTINATION",
            "US",
            "SMS_DESTINATION is not a variable of Otpost, and has no effect. Did you mean SMS_DES",
        ),
        ("GUARD_MOD", "enforce", "Did you mean GUARD_MODE?"),
        ("guard_mode", "enforce", "Did you mean GUARD_MODE?"),
        ("SMSPROVIDERS", "main=s3cret", ""),
        ("OTP_LIMIT", "off", "Did you mean OTP_LIMITS?"),
        ("PHONE_SECRET_KEYS", "s3cret", "Did you mean PHONE_SECRET_KEY?"),
        ("GUARD_FIGURES", "{}", "GUARD_FIGURES is not read from the environment"),
        ("SMS_BACKEND", "of another program", ""),
        ("OTP_TOTP_ISSUER", "of another program", ""),
        ("API_KEY", "of another program", ""),
    ],
)
def test_what_one_variable_cannot_hold(refusal, monkeypatch, name, value, words):
    said = refusal(**{name: value})
    monkeypatch.delenv(name)
    assert words in said if words else said == ""
    assert "s3cret" not in said


@pytest.mark.parametrize("word", ["1", "true", "True", "YES", "on", " on "])
@pytest.mark.parametrize("given", ["0", "false", "No", "OFF", " off", ""])
def test_words_for_yes_and_no(refusal, word, given):
    assert refusal(DEBUG=word) == refusal(DEBUG=given) == ""


def test_a_name_of_another_program_is_a_warning(monkeypatch, settings):
    from config import checks

    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASE_URI", "x")
    (warning,) = checks.names()
    assert warning.id == "config.W003"
    assert warning.msg.endswith("Did you mean DATABASE_URL?")
    monkeypatch.setenv("DATABASE_URL", "")
    assert checks.names() == []


ODD_VALUES: list[Any] = [
    *(None, 5, -1, 1.5, True, b"x", "text", "", " ", "ü", [], [None], [5], ["text"], ("a",), set(), object),
    *({}, {"a": None}, {5: 5}, {"x": "text"}, {"x": ["y"]}, [["a"]], float("nan"), 10**400, print),
]

#: What may work, by the type of the default or by name.
FITS: dict[Any, Any] = {
    **{str: str, list: list | tuple | set, dict: dict, int: int | float, float: int | float},
    "OTPOST_NAMESPACE": str,
    **{"GUARD_BUDGET": int | float | str, "OTP_LIMITS": dict | str, "SMS_LONGEST_WAIT": dict | int | float},
}

#: An optional setting may be None or empty as well.
NOTHING: list[Any] = [None, "", [], (), set(), {}]


@pytest.mark.parametrize("name", DECLARED)
def test_whatever_a_setting_of_a_project_is_it_is_named_or_works(name):
    default = conf.default(name)
    for value in ODD_VALUES:
        try:
            with override_settings(**{name: value}):
                call_command("check", stderr=io.StringIO(), stdout=io.StringIO())
            said = ""
        except SystemCheckError as error:
            said = str(error)
        if said:
            assert name in said, value
        else:
            alike = isinstance(value, FITS.get(name) or FITS[type(default)]) and value is not True
            assert alike or value in NOTHING, value


@pytest.mark.parametrize(
    ("name", "near"), [("SMS_DESTINATION", "SMS_DESTINATIONS"), ("GUARD_MOD", "GUARD_MODE")]
)
def test_a_misspelled_setting_of_a_project_is_told(settings, name, near):
    setattr(settings, name, "x")
    said = io.StringIO()
    call_command("check", stderr=said)
    assert (
        f"(sms.W008) {name} is not a setting of Otpost and has no effect. Did you mean {near}?"
        in said.getvalue()
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"A=1\nSECRET_KEY: s3cret\n", ".env, line 2: write NAME=value"),
        (b"SECRET_KEY = s3cret", ".env, line 1: write NAME=value"),
        (b"A=1\n\ns3cret", ".env, line 3: write NAME=value"),
        (b"SECRET_KEY=s3cret\xff", ".env is not UTF-8"),
    ],
)
def test_a_line_that_cannot_be_read_is_not_repeated(tmp_path, capfd, content, words):
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(ImproperlyConfigured) as caught:
        read_file(tmp_path / ".env")
    assert str(caught.value).startswith(words)
    assert "s3cret" not in str(caught.value) + "".join(capfd.readouterr())


def test_a_file_that_windows_has_saved_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr("environ.Env.ENVIRON", os.environ)
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=1\r\n # comment\r\nexport B='2'\r\n  \r\n")
    read_file(tmp_path / ".env")
    assert os.environ == {"A": "1", "B": "2"}


def test_the_first_secrets_can_be_made_whatever_else_is_wrong():
    broken = dict.fromkeys(VARIABLES, "$broken")
    done = manage("secrets", **broken)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition("=")[0] for line in done.stdout.splitlines()] == [
        *("SECRET_KEY", "PHONE_SECRET_KEY", "SMS_SEAL_KEYS", "REDIS_PASSWORD")
    ]
    nothing = subprocess.run(
        [sys.executable, "manage.py", "secrets"], check=True, cwd=ROOT, env={}, capture_output=True, text=True
    )
    assert nothing.stdout.count("\n") == 4


def test_a_weak_secret_is_replaced_without_the_good_ones():
    """By the command that the refusal names. A whole set would also replace REDIS_PASSWORD."""
    said = manage("check", PHONE_SECRET_KEY="weak").stderr
    assert "`python manage.py secrets PHONE_SECRET_KEY >> .env` writes one." in said
    made = manage("secrets", "PHONE_SECRET_KEY").stdout
    assert [line.partition("=")[0] for line in made.splitlines()] == ["PHONE_SECRET_KEY"]
    assert manage("check", PHONE_SECRET_KEY=made.strip().partition("=")[2]).returncode == 0
    none = dict.fromkeys(("SECRET_KEY", "PHONE_SECRET_KEY", "SMS_SEAL_KEYS"))
    assert "`python manage.py secrets >> .env` writes a new set." in manage("check", **none).stderr


def test_a_token_for_metrics_is_made_where_it_is_asked_for():
    name, _, token = manage("secrets", "METRICS_TOKEN").stdout.strip().partition("=")
    assert name == "METRICS_TOKEN"
    assert manage("check", METRICS_TOKEN=token).returncode == 0


def test_an_unknown_secret_is_named():
    done = manage("secrets", "PHONE_KEY")
    assert (done.returncode, done.stdout) == (1, "")
    assert "PHONE_KEY is not a secret. The secrets are SECRET_KEY, PHONE_SECRET_KEY," in done.stderr


@pytest.mark.parametrize("words", ["guard --help", "dead_letters -h", "api_key --help", "help guard"])
def test_help_needs_no_settings(words):
    command = words.replace("help", "").strip(" -h")
    for broken in ({"SECRET_KEY": None}, {"DEBUG": "maybe"}):
        done = manage(*words.split(), **broken)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: manage.py {command} ")


@pytest.mark.parametrize(
    "command", [["shell", "-c", "1"], ["guard"], ["api_key", "me"], ["dead_letters"], ["runserver"]]
)
def test_every_command_refuses_in_one_line(command):
    done = manage(*command, DEBUG="maybe")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "DEBUG must be true or false.\n")


@pytest.mark.parametrize("program", ["config.web --port 0", "celery -A config worker"])
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("GUARD_MOD", "enforce", "Did you mean GUARD_MODE?"), ("API_KEYS", "$s3cret", "API_KEYS begins with $")],
)
def test_no_process_starts(program, name, value, words):
    done = python("-m", *program.split(), **{name: value})
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert words in said
    assert "Traceback" not in said
    assert "s3cret" not in said
