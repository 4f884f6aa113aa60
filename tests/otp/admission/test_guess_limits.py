"""Wrong guesses have limits across phones: by the address and by the API key that they come from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from otp import services, signals
from otp.admission import limits
from otp.api import access
from otp.caller import Caller
from otp.errors import RateLimited
from sms import cells
from sms.testing import code_in, outbox
from tests.commands import commands
from tests.otp.issue import issue
from tests.otp.test_left_behind import content

STRANGER, OWNER = Caller(ip="198.51.100.7"), Caller(ip="203.0.113.9")
VERIFICATIONS = "/v1/verifications"


@pytest.fixture(autouse=True)
def many_starts(settings):
    settings.OTP_LIMITS = "off"


def codes(count: int) -> list[tuple[str, str]]:
    """So many live verifications of as many phones: id and code."""
    found = []
    for number in range(100, 100 + count):
        issued = issue(f"+1202555{number:04}", owner="tests")
        found.append((issued.id, issued.code))
    return found


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def guess_at_all(found: list[tuple[str, str]], caller: Caller, times: int = 3) -> int:
    """How many wrong guesses are compared."""
    compared = 0
    for id, code in found:
        for _ in range(times):
            with suppress(RateLimited):
                compared += services.check(id, wrong(code), caller=caller).status == "invalid"
    return compared


def refused(id: str, code: str, caller: Caller) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        services.check(id, code, caller=caller)
    return caught.value


def test_by_default_an_address_has_twenty_wrong_guesses_an_hour_at_whatever_phones():
    found = codes(20)
    assert guess_at_all(found, STRANGER) == 20  # of 60
    id, code = found[-1]
    error = refused(id, wrong(code), STRANGER)
    assert (error.code, error.limit, error.quota, error.window) == ("rate_limited", "guess-ip", 20, 3600)
    assert 3590 < error.retry_after <= 3600


def test_by_default_a_key_has_a_thousand_an_hour_and_an_address_sixty_a_day():
    rules = {(rule.name, rule.most, rule.seconds) for rule in limits.guess_rules()}
    assert rules == {("guess-ip", 20, 3600), ("guess-ip", 60, 86400), ("guess-key", 1000, 3600)}


def test_one_key_cannot_guess_at_any_number_of_phones(settings):
    settings.OTP_GUESS_LIMITS = "key=30/1h"
    found = codes(40)
    assert guess_at_all(found, Caller("shop")) == 30
    assert refused(*found[-1], Caller("shop")).limit == "guess-key"
    assert services.check(*found[-1], caller=Caller("other")).status == "valid"


def test_a_guess_over_a_limit_is_not_compared_and_costs_the_code_nothing(settings, redis):
    settings.OTP_GUESS_LIMITS = "ip=2/1h"
    found = codes(2)
    guess_at_all(found[:1], STRANGER)
    id, code = found[1]
    before = content(redis)
    for guess in (wrong(code), code):  # the right one learns no more than a wrong one
        assert refused(id, guess, STRANGER).limit == "guess-ip"
    assert content(redis) == before
    assert services.status(id).attempts_left == 3
    assert services.check(id, code, caller=OWNER).status == "valid"


def test_a_right_guess_takes_a_wrong_one_back(settings):
    """Most guesses are right, even from many people behind one address, or at a site with many users."""
    settings.OTP_GUESS_LIMITS = "ip=2/1h;key=2/1h+2"
    caller = Caller("shop", "198.51.100.7")
    for id, code in codes(9):
        assert services.check(id, wrong(code), caller=caller).status == "invalid"
        assert services.check(id, code, caller=caller).status == "valid"
    found = codes(12)[9:]
    assert guess_at_all(found, caller) == 2  # and nothing is saved up for later


def test_what_is_not_compared_is_not_counted(settings, redis):
    settings.OTP_GUESS_LIMITS = "ip=4/1h"
    id, code = codes(1)[0]
    for _ in range(9):
        services.check("never" * 4, code, caller=STRANGER)
        services.check(id, wrong(code), caller=STRANGER)  # 3 are compared, then it is blocked
    (key,) = redis.keys("otp:limit:*")
    assert redis.llen(key) == 3


def test_a_hundred_at_once_are_compared_as_often_as_a_limit_says(settings):
    """The limit, the comparison and the count are one step."""
    settings.OTP_GUESS_LIMITS = "key=17/1h"
    found = codes(100)
    with ThreadPoolExecutor(25) as pool:
        compared = pool.map(lambda one: guess_at_all([one], Caller("shop"), times=1), found)
        assert sum(compared) == 17


@pytest.mark.parametrize("figures", ["3/1h", "3/1h+3"])
def test_windows_and_rates_are_understood(settings, figures, redis):
    settings.OTP_GUESS_LIMITS = {"key-ip": figures}
    found = codes(5)
    assert guess_at_all(found, Caller("shop", "198.51.100.7")) == 3
    assert guess_at_all(found[2:], Caller("shop", "203.0.113.9")) == 3
    assert guess_at_all(found[3:], Caller("shop")) == 6  # without an address the rule does not apply
    assert all(0 < redis.pttl(key) <= 3_600_001 for key in redis.keys("otp:limit:*"))
    assert not any(b"198.51" in key or b"shop" in key for key in redis.scan_iter())


def test_a_check_is_still_one_round_trip():
    """With cells two: the limits are in the hub."""
    found = codes(2)
    services.check(*found[0], caller=Caller("shop", "198.51.100.7"))
    with commands() as sent:
        services.check(found[1][0], "nope", caller=Caller("shop", "198.51.100.7"))
    assert sent == ["EVALSHA"] * (1 + cells.many())


# --- over HTTP --------------------------------------------------------------------------------------


def test_over_http_the_limit_is_named_and_the_users_address_counts(settings, api, redis):
    settings.OTP_GUESS_LIMITS = "ip=2/1h;key=5/1h"
    settings.API_ACCESS = access.parse("tests=verify,client_ip")
    (id, code), (other, _), (third, _) = codes(3)
    for _ in range(2):
        body = {"code": wrong(code), "client_ip": "198.51.100.7"}
        assert api.post(f"{VERIFICATIONS}/{id}/check", body).json()["status"] == "invalid"
    answer = api.post(f"{VERIFICATIONS}/{id}/check", {"code": code, "client_ip": "198.51.100.7"})
    assert answer.status_code == 429
    told = answer.json()
    assert (told["code"], told["limit"]) == ("rate_limited", "guess-ip")
    assert answer["Retry-After"] == str(told["retry_after"])
    assert answer["RateLimit-Policy"] == '"guess-ip";q=2;w=3600'
    for _ in range(3):  # without client_ip only the key's limit counts
        assert api.post(f"{VERIFICATIONS}/{other}/check", {"code": "nope"}).json()["status"] == "invalid"
    answer = api.post(f"{VERIFICATIONS}/{third}/check", {"code": "nope"})
    assert (answer.status_code, answer.json()["limit"]) == (429, "guess-key")
    assert api.get(f"{VERIFICATIONS}/{third}").json()["attempts_left"] == 3


def test_only_a_key_that_may_names_the_address_of_who_guesses(settings, api, redis):
    id, code = codes(1)[0]
    for body, status, word in (
        ({"code": code, "client_ip": "198.51.100.7"}, 403, "client_ip_not_allowed"),
        ({"code": code, "client_ip": "nonsense"}, 422, "field_invalid"),
    ):
        answer = api.post(f"{VERIFICATIONS}/{id}/check", body)
        assert (answer.status_code, answer.json()["code"]) == (status, word)
    assert api.post(f"{VERIFICATIONS}/{id}/check", {"code": code, "client_ip": None}).status_code == 200


def test_on_the_pages_the_address_of_the_request_counts(settings, client):
    settings.OTP_GUESS_LIMITS = "ip=2/1h"
    client.post("/", {"phone": "+12025550123"})
    code = code_in(outbox[-1].body)
    for _ in range(2):
        assert client.post("/code", {"code": wrong(code)}).status_code == 303
    answer = client.post("/code", {"code": code})
    assert answer.status_code == 429
    assert 3590 < int(answer["Retry-After"]) <= 3600
    assert answer["RateLimit-Policy"] == '"guess-ip";q=2;w=3600'
    page = answer.content.decode()
    assert "Too many wrong codes" in page
    assert "60 minutes" in page
    assert "1 attempt left" in page
    elsewhere = client.post("/code", {"code": code}, REMOTE_ADDR="203.0.113.9")
    assert elsewhere["Location"] == "/done"


# --- the alarm --------------------------------------------------------------------------------------


@pytest.fixture
def told():
    """The signals that a receiver got."""
    heard: list[tuple[str, str, int]] = []

    def hear(sender, limit, name, count, **_):
        heard.append((limit, name, count))

    signals.limit_reached.connect(hear)
    yield heard
    signals.limit_reached.disconnect(hear)


def test_a_reached_limit_is_one_log_line_and_one_signal_a_minute(settings, told, caplog, alarm_clock):
    settings.OTP_GUESS_LIMITS = "key=2/1h"
    found = codes(4)
    guess_at_all(found, Caller("shop"))
    assert told == [("guess-key", "shop", 1)]
    alarm_clock.advance(61)
    guess_at_all(found[-1:], Caller("shop"), times=1)
    assert told == [("guess-key", "shop", 1), ("guess-key", "shop", 9)]
    lines = [record.getMessage() for record in caplog.records if "limit_reached" in record.getMessage()]
    assert len(lines) == 2
    assert "'name': 'shop'" in lines[1]
    assert "'count': 9" in lines[1]


def test_no_address_is_logged(settings, told, caplog):
    settings.OTP_GUESS_LIMITS = "ip=2/1h"
    guess_at_all(codes(2), STRANGER)
    assert told == [("guess-ip", "", 1)]
    assert "198.51.100" not in caplog.text


# --- the setting ------------------------------------------------------------------------------------


def test_off_means_none(settings):
    settings.OTP_GUESS_LIMITS = "off"
    assert limits.guess_rules() == ()
    assert guess_at_all(codes(30), STRANGER) == 90


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("phone=5/1h", "'phone' cannot be counted; use ip, key, all"),
        ("guess-ip=5/1h", "cannot be counted"),
        ("+4477=5/1h", "cannot be counted"),
        ("ip=5", "ip: '5' cannot be read"),
        ("", "it is empty"),
        (7, "a dict of strings"),
    ],
)
def test_a_setting_that_cannot_be_read_is_refused_at_start(settings, setting, word):
    settings.OTP_GUESS_LIMITS = setting
    with pytest.raises(SystemCheckError, match="OTP_GUESS_LIMITS: ") as caught:
        call_command("check")
    assert word in str(caught.value)
