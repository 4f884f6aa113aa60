"""The start: refused on missing, weak or malformed settings, silent where all is well."""

from __future__ import annotations

import re

import pytest

from config.demo.ports import free_port
from tests.starts import ROOT, issues, manage, python


def test_a_number_may_be_left_empty_or_have_spaces():
    assert manage("check", SMS_RECEIPT_WAIT="", WORKER_CONCURRENCY=" 7 ").returncode == 0


def test_limits_that_are_left_empty_are_those_that_are_usual():
    rules = "from django.conf import settings; print(settings.OTP_LIMITS)"
    assert "phone-ip" in manage("shell", "--no-imports", "-c", rules, OTP_LIMITS=" ").stdout


def test_a_list_may_have_spaces_after_its_commas():
    lists = {
        "SMS_DESTINATIONS": "US, CA",
        "GUARD_ALLOW": "US, +4477",
        "TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8",
        "ALLOWED_HOSTS": "otp.internal, ",
    }
    last = [f"s.{name}[-1]" for name in lists if name != "ALLOWED_HOSTS"]
    last += ["s.ALLOWED_HOSTS[0]", "len(s.ALLOWED_HOSTS)"]
    done = manage("shell", "-c", f"from django.conf import settings as s; print({', '.join(last)})", **lists)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "CA +4477 10.0.0.0/8 otp.internal 4"


@pytest.mark.parametrize("token", ["", "metrics-token-of-the-tests-0123456789"])
def test_metrics_need_no_tls_where_there_are_any(token):
    """Without a token, the address is redirected like any address that does not exist."""
    asks = "from django.conf import settings; print('^metrics$' in settings.SECURE_REDIRECT_EXEMPT)"
    done = manage("shell", "-c", asks, METRICS_TOKEN=token)
    assert done.stdout.splitlines()[-1] == str(bool(token))


def test_check_deploy_is_silent(redis_server):
    done = manage("check", "--deploy", REDIS_URL=redis_server.url)
    assert (done.returncode, issues(done)) == (0, set()), done.stderr


def test_a_wrong_namespace_is_told_once(redis_server):
    done = manage("check", "--deploy", REDIS_URL=redis_server.url, OTPOST_NAMESPACE="a b")
    assert (issues(done), done.stderr.count("OTPOST_NAMESPACE")) == ({"sms.E022"}, 1)


def test_servers_that_are_away_are_no_issue_and_are_told():
    done = manage("check", "--deploy", REDIS_URL="redis://127.0.0.1:9/0")
    assert (done.returncode, issues(done)) == (0, {"sms.I001"})
    for name in ("REDIS_URL", "CELERY_BROKER_URL (without one, REDIS_URL)"):
        assert f"(sms.I001) {name}: nothing answers there" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PUBLIC_URL", "https://otp.example.com", "(config.W001) PUBLIC_URL is still that of an example"),
        ("SMS_PROVIDERS", None, "(config.W001) SMS_PROVIDERS: main still has ACCOUNT_SID, AUTH_TOKEN from"),
        (
            "SMS_PROVIDERS",
            "gsm=kannel://me:sesame@10.0.0.5:13013?from=Shop&receipt_secret=SHARED_SECRET_OF_16_OR_MORE",
            "(config.W001) SMS_PROVIDERS: gsm still has SHARED_SECRET_OF_16_OR_MORE from an",
        ),
        (
            "SMS_PROVIDERS",
            "own=https://gateway.example/?form=to={to}%26text={body}&id=id",
            "(config.W001) SMS_PROVIDERS: own still has gateway.example from an",
        ),
        ("API_KEYS", "", "(config.W002) API_KEYS is empty"),
        ("API_ACCESS", "", "(otp.W004) API_ACCESS has no entry for shop"),
    ],
)
def test_what_is_left_of_the_examples_is_told_before_deployment(name, value, words):
    if value is None:
        example = (ROOT / ".env.example").read_text()
        (value,) = re.findall(rf"^{name}=(.*)$", example, re.MULTILINE)
    done = manage("check", "--deploy", **{name: value})
    assert words in done.stderr
    assert "sesame" not in done.stderr
    assert words not in manage("check", **{name: value}).stderr


def test_a_start_is_refused_and_names_the_setting():
    """For which settings and in which words, test_environment.py shows without a process."""
    done = manage("check", SMS_PROVIDERS="twilio://AC1:t0ken@")
    assert done.returncode == 1
    assert "SMS_PROVIDERS" in done.stderr
    assert "must look like main=twilio" in done.stderr
    assert "Traceback" not in done.stderr
    assert "t0ken" not in done.stderr


def test_who_asks_for_it_sees_the_traceback():
    assert "Traceback" in manage("check", "--traceback", API_ACCESS="me").stderr


@pytest.mark.parametrize(
    "program",
    [
        ["config.web"],
        ["granian", "--interface", "wsgi", "config.wsgi:application"],
        ["celery", "-A", "config", "worker", "-Q", "otp,bulk,events"],
        ["celery", "-A", "config", "beat"],
    ],
)
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SMS_PROVIDERS", "main=pigeon://", "pigeon is not a provider"),
        ("SMS_DESTINATIONS", "", "SMS_DESTINATIONS names no country, and main costs money"),
        ("API_ACCESS", "me", "API_ACCESS must look like"),
    ],
)
def test_web_worker_and_beat_refuse_as_well(program, name, value, words):
    done = python("-m", *program, GRANIAN_PORT=str(free_port()), **{name: value})
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert words in said
    assert "Traceback" not in said


ASK_ALL_PAGES = """
from django.test import Client
browser = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
for path in ("/", "/code", "/resend", "/cancel", "/done"):
    methods = ("GET", "HEAD", "POST", "PUT")
    print(path, *(browser.generic(method, path, secure=True).status_code for method in methods))
print(browser.get("/healthz").status_code)
"""


@pytest.mark.parametrize(
    ("pages", "there"), [("", False), ("sessions", False), ("open", True), (" off ", False)]
)
def test_there_is_no_page_that_costs_money_unless_somebody_asked_for_it(pages, there):
    """Without them, their addresses do not exist, with any method. Sessions have pages, but none for a user
    without a session.
    """
    done = manage("shell", "--no-imports", "-c", ASK_ALL_PAGES, PAGES=pages)
    *answers, health = done.stdout.splitlines()
    assert health == "200"
    assert [answer.split()[0] for answer in answers] == ["/", "/code", "/resend", "/cancel", "/done"]
    if there:
        assert [answer.split()[1] for answer in answers] == ["200", "303", "303", "303", "303"]
        assert {answer.split()[3] for answer in answers} == {"403"}  # a form of ours has a token
    elif pages == " off ":
        assert {answer.partition(" ")[2] for answer in answers} == {"404 404 404 404"}
    else:
        assert answers[0] == "/ 404 404 404 404"
        assert {answer.split()[1] for answer in answers} == {"404"}


def test_no_error_page_leads_to_pages_that_are_not_there():
    ask = """if True:
        from django.test import Client
        print(Client(headers={"host": "localhost"}).get("/x", secure=True).content.decode())"""
    for pages in ("", "off"):
        assert 'href="/"' not in manage("shell", "--no-imports", "-c", ask, PAGES=pages).stdout
    assert 'href="/"' in manage("shell", "--no-imports", "-c", ask, PAGES="open").stdout


@pytest.mark.parametrize("url", ["sandbox://", "console://?clear=yes", "memory://"])
def test_what_is_for_development_is_named_in_production(url):
    done = manage("check", "--deploy", SMS_PROVIDERS=f"phone={url}")
    assert "sms.W001" in done.stderr


def test_a_missing_public_url_is_named_in_production():
    assert "sms.W003" in manage("check", "--deploy", PUBLIC_URL="").stderr


def test_every_key_without_an_entry_is_named_with_the_mend():
    made = {"API_KEYS": f"shop:{'0' * 64},parcels:{'1' * 64},ops:{'2' * 64}", "API_ACCESS": "ops=read"}
    told = manage("check", "--deploy", **made).stderr
    assert "(otp.W004) API_ACCESS has no entry for parcels, shop." in told
    assert "such as API_ACCESS=parcels=verify;shop=verify" in told
    assert (
        "otp.W004"
        not in manage(
            "check", "--deploy", **made | {"API_ACCESS": "ops=read;shop=verify;parcels=messages"}
        ).stderr
    )


def test_a_purpose_in_api_access_must_exist():
    key = f"me:{'0' * 64}"
    assert manage("check", API_KEYS=key, API_ACCESS="me=verify,purpose:login").returncode == 0
    done = manage("check", API_KEYS=key, API_ACCESS="me=verify,purpose:logni")
    assert done.returncode != 0
    assert "API_ACCESS: me has the purpose logni, but OTP_PURPOSES has: login" in done.stderr


def test_secrets_can_be_made_before_there_are_any():
    done = manage("secrets", SECRET_KEY=None, PHONE_SECRET_KEY=None, SMS_SEAL_KEYS=None)
    assert done.returncode == 0
    made = dict(line.split("=", 1) for line in done.stdout.split())
    assert manage("check", **made).returncode == 0


def values(*names: str, **changes: str) -> list[str]:
    """Settings as the processes see them."""
    code = f"from django.conf import settings as s; print(*[s.{', s.'.join(names)}], sep='|')"
    done = manage("shell", "--no-imports", "-c", code, **changes)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split("|")


HSTS = ("SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD")


def test_hsts_binds_no_other_host_unless_somebody_says_so():
    assert values(*HSTS) == ["31536000", "False", "False"]
    said = values(*HSTS, HSTS_INCLUDE_SUBDOMAINS="true", HSTS_PRELOAD="true")
    assert said == ["31536000", "True", "True"]
    assert values(*HSTS, PUBLIC_URL="http://localhost:8000") == ["0", "False", "False"]


def test_a_site_that_believes_any_host_is_told(redis_server):
    done = manage("check", "--deploy", REDIS_URL=redis_server.url, ALLOWED_HOSTS="*")
    assert (done.returncode, issues(done)) == (0, {"config.W005"}), done.stderr
    assert "Name your hosts" in done.stderr


def test_an_address_without_tls_is_told_by_the_name_of_its_variable(redis_server):
    done = manage("check", "--deploy", REDIS_URL=redis_server.url, PUBLIC_URL="http://verify.mine.test")
    assert (done.returncode, issues(done)) == (0, {"config.W004"}), done.stderr


def test_cookies_are_bound_to_the_host_where_there_is_tls():
    names = ("CSRF_COOKIE_NAME", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_NAME", "SESSION_COOKIE_SECURE")
    paths = ("CSRF_COOKIE_PATH", "CSRF_COOKIE_DOMAIN", "SESSION_COOKIE_PATH", "SESSION_COOKIE_DOMAIN")
    assert values(*names) == ["__Host-csrftoken", "True", "__Host-sessionid", "True"]
    assert values(*paths) == ["/", "None", "/", "None"]  # what browsers ask of such a name
    without = values(*names, PUBLIC_URL="http://localhost:8000")
    assert without == ["csrftoken", "False", "sessionid", "False"]
