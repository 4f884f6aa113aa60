"""Limits: what they let through, whom they count, what a refused caller learns."""

from __future__ import annotations

import time
from random import Random

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django_redis import get_redis_connection
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from otp import digests, issuing, purposes, services, signals
from otp.admission import limits
from otp.admission.limits import Spending
from otp.admission.rules import Rule
from otp.api import access
from otp.caller import Caller
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from otp.handler import OTPHandler
from otp.issuing import Sending
from otp.results import Issue
from sms import broker
from sms import services as sms
from sms.testing import outbox

PHONE = "+12025550123"


@pytest.fixture(autouse=True)
def no_cooldown(settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}, "payment": {"cooldown": 0}}


def numbers(count: int) -> list[str]:
    return [f"+1202555{number:04}" for number in range(100, 100 + count)]


def issue(phone: str, spending: Spending) -> Issue:
    """A code without an SMS."""
    rules, phones = purposes.get("login"), digests.of_phone(phone, "login")
    return issuing.issue(rules, phones, issuing.draw(rules, phones), Sending(spending=spending))


def counted(*rules: Rule) -> Spending:
    """What counts by these rules, each for one and the same subject."""
    named = ({"key": f"otp:limit:test{place}", **rule.in_lua} for place, rule in enumerate(rules))
    return Spending(rules, tuple(named))


def refused(*args, **kwargs) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        services.start(*args, **kwargs)
    return caught.value


# --- what they let through ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_window_lets_through_what_the_library_limits_lets_through(seed, fake_redis, monkeypatch):
    """Any moments, any rule: fakeredis and the oracle share one clock, which this test turns."""
    random, now = Random(seed), 1_800_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    most, seconds = random.randint(1, 6), random.choice([1, 7, 60])
    rule = Rule("phone", most, seconds)
    spending = counted(rule)
    oracle = MovingWindowRateLimiter(MemoryStorage())
    item = RateLimitItemPerSecond(most, seconds)
    answers = []
    for number in range(150):
        # Never a whole window later to the millisecond: there the two may count an edge differently.
        now = round(now + random.expovariate(most / seconds / 1.5), 3) + 0.0005
        issued = issue(f"+1202555{number:04}", spending)
        assert (issued.status == "issued") == oracle.hit(item, "one"), (number, rule)
        if issued.status == "limited":
            answers.append(issued)
            wait = oracle.get_window_stats(item, "one").reset_time - now
            assert issued.retry_after - 1 <= wait + 0.01
            assert issued.retry_after >= wait - 0.01
    assert 20 < len(answers) < 130


def test_a_rate_lets_a_bunch_through_and_then_its_share(fake_redis, monkeypatch):
    """A token bucket of three, filled five times a second, at moments that this test sets."""
    now = 1_800_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    rule = Rule("all", 5, 1, at_once=3)
    spending = counted(rule)
    tokens, filled = 3.0, now
    for number, pause in enumerate([0, 0, 0, 0, 0.2, 0, 0.1, 0.1, 0.5, 0, 0, 5, 0, 0, 0, 0.39, 0, 0.01]):
        now = round(now + pause, 3)
        tokens, filled = min(3.0, tokens + 5 * (now - filled)), now
        issued = issue(f"+1202555{number:04}", spending)
        assert (issued.status == "issued") == (tokens > 0.999), (number, tokens)
        if issued.status == "issued":
            tokens -= 1
        else:
            assert (issued.retry_after, issued.limit) == (1, rule)


def test_a_window_remembers_no_more_than_it_needs(settings, redis):
    settings.OTP_LIMITS = "all=3/1s"
    for phone in numbers(6):
        services.start(phone)
        time.sleep(0.34)
    (key,) = redis.keys("otp:limit:*")
    assert redis.llen(key) <= 3


def test_a_hundred_at_once_get_exactly_what_a_window_allows(settings):
    """The check and the count are one step: no thread slips in between."""
    from concurrent.futures import ThreadPoolExecutor

    settings.OTP_LIMITS = "all=17/1m"

    def ask(phone: str) -> bool:
        try:
            services.start(phone)
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(25) as pool:
        assert sum(pool.map(ask, numbers(100))) == 17


# --- whom they count ----------------------------------------------------------------------------


def test_a_phone_has_its_limit_in_every_spelling_and_for_all_purposes(settings):
    settings.OTP_LIMITS = {"phone": "3/10m"}
    for spelling, purpose in [(PHONE, "login"), ("+1 202 555 0123", "payment"), (PHONE, "login")]:
        services.start(spelling, purpose)
    error = refused("+1 (202) 555-0123", "payment")
    assert (error.code, error.limit, error.quota, error.window) == ("rate_limited", "phone", 3, 600)
    assert 590 < error.retry_after <= 600
    services.start("+12025550124")


def test_the_defaults_stop_the_sixth_in_ten_minutes_and_the_twenty_first_of_an_address(settings):
    for _ in range(5):
        services.start(PHONE)
    assert refused(PHONE).limit == "phone"
    for phone in numbers(20):
        services.start(phone, caller=Caller(ip="198.51.100.7"))
    assert refused("+12025550199", caller=Caller(ip="198.51.100.7")).limit == "ip"
    services.start("+12025550199", caller=Caller(ip="198.51.100.8"))
    services.start("+12025550198")  # a caller that knows no address has no rule by address


def test_one_address_cannot_use_up_the_day_of_a_phone(settings):
    settings.OTP_LIMITS = {"phone": "10/1d", "phone-ip": "7/1d"}
    for _ in range(7):
        services.start(PHONE, caller=Caller(ip="198.51.100.7"))
    assert refused(PHONE, caller=Caller(ip="198.51.100.7")).limit == "phone-ip"
    for _ in range(3):  # the owner is somewhere else
        services.start(PHONE, caller=Caller(ip="203.0.113.9"))
    assert refused(PHONE, caller=Caller(ip="203.0.113.10")).limit == "phone"


def test_of_ipv6_the_network_counts(settings):
    settings.OTP_LIMITS = "ip=2/1m"
    one, two, *others = numbers(4)
    services.start(one, caller=Caller(ip="2001:db8:1:2::1"))
    services.start(two, caller=Caller(ip="2001:db8:1:2:ffff::9"))
    assert refused(others[0], caller=Caller(ip="2001:db8:1:2::77")).limit == "ip"
    services.start(others[1], caller=Caller(ip="2001:db8:1:3::1"))


def send(phone: str, caller: Caller) -> str:
    """What becomes of a code for a phone: issued, or the name of the limit that is reached."""
    issued = issue(phone, limits.spending(services.parse_phone(phone), "login", caller))
    return issued.limit.name if issued.limit else issued.status


def test_by_default_a_network_of_ipv6_gets_five_times_what_an_address_gets():
    """One customer may have a /48, which holds 65,536 networks of /64."""
    answers = [
        send(phone, Caller(ip=f"2001:db8:1:{number:x}::1")) for number, phone in enumerate(numbers(150))
    ]
    assert answers == ["issued"] * 100 + ["ip"] * 50
    assert send("+12025550999", Caller(ip="2001:db8:2::1")) == "issued"
    of_one = [send(phone, Caller(ip="2001:db8:3::1")) for phone in numbers(22)]
    assert of_one == ["issued"] * 20 + ["ip"] * 2


def test_by_default_a_network_of_ipv6_cannot_use_up_the_day_of_a_phone(settings):
    settings.OTP_LIMITS = {"phone": "10/1d", "phone-ip": "7/1d"}
    answers = [send(PHONE, Caller(ip=f"2001:db8:1:{number:x}::1")) for number in range(9)]
    assert answers == ["issued"] * 7 + ["phone-ip"] * 2
    assert send(PHONE, Caller(ip="2001:db8:2::1")) == "issued"


def test_the_answer_names_the_figures_of_the_network(settings, api):
    settings.OTP_LIMITS = "ip=1/1m"
    settings.API_ACCESS = access.parse("tests=verify,client_ip")
    for number, phone in enumerate(numbers(5)):
        body = {"phone": phone, "client_ip": f"2001:db8:1:{number:x}::1"}
        assert api.post("/v1/verifications", body).status_code == 202
    answer = api.post("/v1/verifications", body | {"phone": PHONE, "client_ip": "2001:db8:1:ffff::1"})
    assert (answer.status_code, answer.json()["limit"]) == (429, "ip")
    assert answer["RateLimit-Policy"] == '"ip";q=5;w=60'


def test_by_default_the_whole_has_a_ceiling_that_a_small_site_never_meets(caplog):
    spending = limits.spending(services.parse_phone(PHONE), "login", Caller())
    (ceiling,) = (rule for rule in spending.rules if rule.name == "all")
    assert (ceiling.most, ceiling.seconds, ceiling.at_once) == (1000, 3600, 1000)
    many = (f"+1202{number:07}" for number in range(2000000, 2002000))
    began = time.monotonic()
    issued = next(count for count, phone in enumerate(many) if send(phone, Caller()) == "all")
    assert 1000 <= issued <= 1001 + (time.monotonic() - began) / 3.6  # so long until there is one more
    refused("+447400123456")
    (line,) = (record.getMessage() for record in caplog.records if "limit_reached" in record.getMessage())
    assert "'limit': 'all'" in line


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("64:ff9b::c633:6407", "64:ff9b::cb00:7109", False),  # NAT64: two users of IPv4
        ("64:ff9b::c633:6407", "198.51.100.7", True),
        ("2002:c633:6407:1::1", "2002:c633:6407:ffff::1", True),  # 6to4: one user, two of his /64
        ("2002:c633:6407::1", "198.51.100.7", True),
        ("2001:0:4136:e378:8000:63bf:39cc:9bf8", "198.51.100.7", True),  # Teredo keeps it inverted
        ("2001:0:4136:e378:8000:63bf:39cc:9bf8", "2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
    ],
)
def test_ipv4_inside_ipv6_counts_as_ipv4(settings, one, other, same):
    settings.OTP_LIMITS = "ip=1/1m"
    first, second = numbers(2)
    services.start(first, caller=Caller(ip=one))
    if same:
        assert refused(second, caller=Caller(ip=other)).limit == "ip"
    else:
        services.start(second, caller=Caller(ip=other))


def test_numbers_of_no_country_have_a_limit_by_country_too(settings):
    settings.OTP_LIMITS = "country=1/1m"
    settings.TEST_NUMBERS = {"+88216123456789": "123456", "+88316123456789": "123456"}
    settings.TEST_NUMBERS_UNTIL = "2999-01-01"
    services.start("+88216123456789")
    assert refused("+88316123456789").limit == "country"


def test_prefix_country_purpose_key_and_a_keys_own_limits(settings):
    settings.OTP_LIMITS = "+1202555=2/1m;country=3/1m;purpose=4/1m;key=5/1m"
    services.start("+12025550101", caller=Caller("shop"))
    services.start("+12025550102", caller=Caller("shop"))
    assert refused("+12025550103", caller=Caller("shop")).limit == "+1202555"
    services.start("+14155550101", caller=Caller("shop"))
    assert refused("+14155550102", caller=Caller("shop")).limit == "country"
    services.start("+447400123456", caller=Caller("shop"))
    assert refused("+447400123457", caller=Caller("shop")).limit == "purpose"
    services.start("+447400123457", "payment", caller=Caller("shop"))
    assert refused("+4915123456789", "payment", caller=Caller("shop")).limit == "key"
    services.start("+4915123456789", "payment", caller=Caller("other", limits="1/1m,9/1d"))
    error = refused("+447400123458", "payment", caller=Caller("other", limits="1/1m,9/1d"))
    assert (error.limit, error.quota) == ("key", 1)


@pytest.mark.parametrize(("before", "after"), [("4/1m", "4/1m+2"), ("4/1m+2", "4/1m"), ("", "4/1m,4/1m+2")])
def test_a_window_that_becomes_a_rate_counts_anew(settings, api, before, after):
    for figures in filter(None, (before, after)):
        settings.OTP_LIMITS = f"all={figures}"
        for phone in numbers(2):
            assert api.post("/v1/verifications", {"phone": phone}).status_code == 202
    assert ("+2" in after) == (api.post("/v1/verifications", {"phone": PHONE}).status_code == 429)


def test_a_rule_that_stands_twice_counts_once(settings):
    settings.OTP_LIMITS = "key=4/1m;all=4/1m,4/60s"
    for phone in numbers(4):
        services.start(phone, caller=Caller("shop", limits="4/1m"))
    assert refused(PHONE, caller=Caller("shop", limits="4/1m")).limit in ("key", "all")


# --- all or nothing -----------------------------------------------------------------------------


def test_what_one_rule_refuses_no_other_counts(settings):
    settings.OTP_LIMITS = "phone=1/1m;all=2/1m"
    services.start(PHONE)
    for _ in range(5):
        assert refused(PHONE).limit == "phone"
    services.start("+12025550124")
    assert refused("+12025550125").limit == "all"


def test_what_waits_for_its_cooldown_is_not_counted(settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 1}}
    settings.OTP_LIMITS = "phone=2/1m"
    services.start(PHONE)
    for _ in range(5):
        assert refused(PHONE).code == "pending"
    time.sleep(1.01)
    services.start(PHONE)


@pytest.mark.parametrize("figures", ["2/1m,2/1h", "2/1h,2/1m"])
def test_the_longest_wait_of_all_rules_is_told(settings, figures):
    settings.OTP_LIMITS = {"phone": figures}
    services.start(PHONE)
    services.start(PHONE)
    assert refused(PHONE).retry_after > 3590


def test_a_resend_counts_too(settings):
    settings.OTP_LIMITS = "phone=2/1m"
    started = services.start(PHONE)
    services.resend(started.id)
    with pytest.raises(RateLimited) as caught:
        services.resend(started.id)
    assert caught.value.limit == "phone"
    assert services.status(started.id).status == "pending"
    assert len(outbox) == 2


def test_one_round_trip_and_nothing_in_clear(settings, redis):
    settings.OTP_LIMITS = "phone=5/10m,10/1d;ip=20/10m;phone-ip=7/1d;country=900/1h;all=50/1h+200"
    services.start(PHONE, caller=Caller("shop", "198.51.100.7"))
    keys = [key.decode() for key in redis.keys("otp:limit:*")]
    assert len(keys) == 6
    assert not any("2025550123" in key or "198.51" in key for key in keys)
    assert all(0 < redis.pttl(key) <= 86_400_000 for key in keys)
    before = redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    issue("+12025550124", limits.NOTHING)
    without = redis.info("commandstats")["cmdstat_evalsha"]["calls"] - before
    issue(
        "+12025550125",
        limits.spending(services.parse_phone("+12025550125"), "login", Caller("shop", "198.51.100.7")),
    )
    assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] - before - without == without == 1


# --- what a refused caller learns ---------------------------------------------------------------


def test_over_http_the_limit_is_named(settings, api):
    settings.OTP_LIMITS = "phone=1/10m"
    assert api.post("/v1/verifications", {"phone": PHONE}).status_code == 202
    answer = api.post("/v1/verifications", {"phone": PHONE})
    assert answer.status_code == 429
    told = answer.json()
    assert (told["code"], told["limit"]) == ("rate_limited", "phone")
    wait = told["retry_after"]
    assert answer["Retry-After"] == str(wait)
    assert answer["RateLimit-Policy"] == '"phone";q=1;w=600'
    assert answer["RateLimit"] == f'"phone";r=0;t={wait}'


def test_the_quota_of_a_rate_is_its_figure_not_its_bunch(settings, api):
    settings.OTP_LIMITS = "all=1/1m+2"
    for phone in numbers(2):
        api.post("/v1/verifications", {"phone": phone})
    assert api.post("/v1/verifications", {"phone": PHONE})["RateLimit-Policy"] == '"all";q=1;w=60'


def test_over_http_a_cooldown_and_a_pause_are_named(settings, api):
    settings.OTP_PURPOSES = {"login": {}}
    started = api.post("/v1/verifications", {"phone": PHONE}).json()
    answer = api.post(f"/v1/verifications/{started['id']}/resend")
    assert (answer.status_code, answer.json()["limit"]) == (429, "cooldown")
    assert answer["RateLimit-Policy"] == '"cooldown";q=1'


def test_the_own_limits_of_a_key_hold_for_messages_too(settings, api):
    settings.OTP_LIMITS = "off"
    settings.API_ACCESS = access.parse("tests=verify,messages,client_ip,3/1m")
    assert api.post("/v1/messages", {"to": PHONE, "body": "one"}).status_code == 202
    assert api.post("/v1/verifications", {"phone": PHONE}).status_code == 202
    assert api.post("/v1/messages", {"to": PHONE, "body": "two"}).status_code == 202
    for path, body in [
        ("messages", {"to": PHONE, "body": "x"}),
        ("verifications", {"phone": "+12025550124"}),
    ]:
        answer = api.post(f"/v1/{path}", body)
        assert (answer.status_code, answer.json()["code"], answer.json()["limit"]) == (
            429,
            "rate_limited",
            "key",
        )
        assert answer["RateLimit-Policy"] == '"key";q=3;w=60'
    assert len(outbox) == 3


def test_over_the_api_the_users_address_counts_and_goes_on_with_a_resend(settings, api):
    settings.OTP_LIMITS = "ip=2/1m"
    settings.API_ACCESS = access.parse("tests=verify,client_ip")
    body = {"phone": PHONE, "client_ip": "198.51.100.7"}
    started = api.post("/v1/verifications", body).json()
    assert api.post(f"/v1/verifications/{started['id']}/resend").status_code == 202
    answer = api.post("/v1/verifications", body | {"phone": "+12025550124"})
    assert (answer.status_code, answer.json()["limit"]) == (429, "ip")
    assert api.post("/v1/verifications", {"phone": "+12025550124"}).status_code == 202


def test_on_the_pages_the_address_of_the_request_counts(settings, client):
    settings.OTP_LIMITS = "ip=1/1m"
    assert client.post("/", {"phone": PHONE}, secure=True).status_code == 303
    answer = client.post(
        "/", {"phone": "+12025550124"}, secure=True, headers={"X-Forwarded-For": "198.51.100.7"}
    )
    assert answer.status_code == 429
    assert "Too many codes were asked for" in answer.content.decode()
    assert answer["RateLimit-Policy"] == '"ip";q=1;w=60'
    assert answer["RateLimit"] == f'"ip";r=0;t={answer["Retry-After"]}'


@pytest.mark.parametrize("rule", ["abc/def", "0/1m", "5/1y"])
def test_own_limits_that_cannot_be_read_are_refused_at_start(settings, rule):
    settings.API_ACCESS = access.parse(f"tests=verify,{rule}")
    with pytest.raises(SystemCheckError, match="API_ACCESS: tests: "):
        call_command("check")


# --- guesses ------------------------------------------------------------------------------------


def fail(times: int) -> None:
    """So many wrong guesses in a row, each code with its three."""
    redis = get_redis_connection()
    for number in range(times):
        if number % 3 == 0:
            for key in redis.keys("otp:phone:*"):
                redis.hset(key, "resend_at", 0)
            failures = redis.keys("otp:failures:*")
            for key in failures:  # the pause is over
                redis.pexpire(key, 24 * 3_600_000 - 3_600_000)
            assert OTPHandler.generate_otp(PHONE).status == "issued"
            for key in failures:
                redis.pexpire(key, 24 * 3_600_000)
        assert OTPHandler.verify_otp(PHONE, "no").status == "invalid"


@pytest.mark.parametrize(
    ("wrong", "pause"),
    [(3, 0), (5, 0), (6, 30), (8, 30), (9, 60), (12, 120), (24, 1920), (27, 3600), (60, 3600)],
)
def test_the_pauses_grow_with_the_wrong_guesses(any_redis, wrong, pause):
    fail(wrong)
    answer = OTPHandler.generate_otp(PHONE)
    assert answer.status == ("blocked" if pause else "issued")
    assert pause - 1 <= answer.retry_after <= pause


def test_neither_a_new_code_nor_a_resend_ends_a_pause_and_a_success_does(any_redis):
    fail(7)
    (phone,) = any_redis.keys("otp:phone:*")
    any_redis.hset(phone, "resend_at", 0)
    resent = OTPHandler.resend(PHONE)
    assert (resent.status, resent.retry_after) == ("blocked", 30)
    (failures,) = any_redis.keys("otp:failures:*")
    any_redis.pexpire(failures, 24 * 3_600_000 - 30_000)
    code = OTPHandler.generate_otp(PHONE).code
    assert OTPHandler.verify_otp(PHONE, code).status == "valid"
    assert OTPHandler.generate_otp(PHONE).status == "issued"


def test_a_pause_tells_its_name_and_its_end(any_redis, api):
    fail(6)
    answer = api.post("/v1/verifications", {"phone": PHONE})
    assert (answer.status_code, answer.json()["code"], answer.json()["limit"]) == (429, "blocked", "guesses")
    assert 28 <= answer.json()["retry_after"] <= 30
    assert answer["RateLimit-Policy"] == '"guesses";q=100'


def test_the_live_code_of_the_owner_works_in_a_pause(any_redis):
    """A stranger's wrong guesses hold up the next code, never the one that is under way."""
    fail(6)
    (failures,) = any_redis.keys("otp:failures:*")
    any_redis.pexpire(failures, 24 * 3_600_000 - 30_000)
    code = OTPHandler.generate_otp(PHONE).code
    assert OTPHandler.verify_otp(PHONE, "no").status == "invalid"
    assert OTPHandler.verify_otp(PHONE, code).status == "valid"


def test_a_stranger_with_an_id_of_his_own_cannot_guess_the_owners_code():
    strangers = services.start(PHONE)
    owners = services.start(PHONE)  # the newest one counts, and has an id of its own
    assert services.check(strangers.id, "1").status == "expired"
    assert services.status(owners.id).attempts_left == 3


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("phone", "write them as"),
        ("", "it is empty"),
        (" ", "it is empty"),
        ("phone=5", "cannot be read"),
        ("phone=5/10", "cannot be read"),
        ("phone=5/10m,ip=20/10m", "'ip=20/10m' is a rule of its own; write a ; before it, no comma."),
        ("phone=0/10m", "phone: 0/10m would let nothing through; use figures over 0."),
        ("phone=5/0m", "phone: 5/0m would let nothing through; use figures over 0."),
        ("phone=5/10m+0", "phone: 5/10m+0 would let nothing through; use figures over 0."),
        ("phone=-1/10m", "cannot be read"),
        ("phone=5/400d", "phone: 5/400d would count for over 31 days; write at most 31d."),
        ("telephone=5/10m", "nothing that can be counted"),
        ("phone-phone=5/10m", "nothing that can be counted"),
        ("+0=5/10m", "no number begins with +0."),
        ("+999=5/10m", "no number begins with +999."),
        ("+1-ip=5/10m", "no number begins with +1-ip."),
        ("phone=5/10m;phone=9/1d", "twice"),
        ("all=5000/1m", "5000/1m+5000"),
        ({"phone": "often"}, "cannot be read"),
        ({"phone": 5}, "a dict of texts"),
        ({"phone": ["5/10m"]}, "a dict of texts"),
        (["phone=5/10m"], "a dict of texts"),
        (None, "a dict of texts"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused_at_start(settings, setting, word):
    settings.OTP_LIMITS = setting
    with pytest.raises(ImproperlyConfigured, match="OTP_LIMITS") as caught:
        limits.all_rules()
    assert word in str(caught.value)
    with pytest.raises(SystemCheckError, match="E004"):
        call_command("check")


def test_off_means_none(settings):
    settings.OTP_LIMITS = "off"
    assert limits.all_rules() == ()
    for _ in range(12):
        services.start(PHONE)


# --- a challenge, and a number that a signal refuses --------------------------------------------


def captcha(*, number, purpose, ip, answer):
    assert (number.e164, purpose, ip) == (PHONE, "login", "198.51.100.7")
    if answer == "boom":
        raise OSError(f"no answer about {number.e164}")
    return answer == "right"


def test_a_challenge_stands_before_the_sms(settings, caplog):
    settings.OTP_CHALLENGE = f"{__name__}.captcha"
    caller = Caller(ip="198.51.100.7")
    for answer in ("", "wrong"):
        with pytest.raises(NotAllowed) as caught:
            services.start(PHONE, caller=caller, challenge=answer)
        assert (caught.value.code, caught.value.field) == ("challenge_required", "challenge")
    with pytest.raises(StoreUnavailable):
        services.start(PHONE, caller=caller, challenge="boom")
    assert PHONE not in caplog.text
    assert not outbox
    services.start(PHONE, caller=caller, challenge="right")
    assert len(outbox) == 1


def test_over_http_a_challenge_is_403(settings, api, monkeypatch):
    settings.OTP_CHALLENGE = f"{__name__}.refuse"
    answer = api.post("/v1/verifications", {"phone": PHONE, "challenge": "x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "challenge_required")


def refuse(**_):
    return False


@pytest.mark.parametrize("path", ["nothing.of.this.kind", f"{__name__}.PHONE"])
def test_a_challenge_that_is_no_function_is_refused_at_start(settings, path):
    settings.OTP_CHALLENGE = path
    with pytest.raises(SystemCheckError, match="OTP_CHALLENGE"):
        call_command("check")


def test_a_number_that_a_signal_refuses_gets_no_sms_and_nobody_can_tell(api, monkeypatch):
    seen = []

    def judge(sender, number, purpose, ip, **_):
        seen.append((number.e164, purpose, ip))
        return signals.REFUSE if number.e164 == PHONE else None

    signals.code_wanted.connect(judge)
    try:
        here = api.post("/v1/verifications", {"phone": PHONE})
        there = api.post("/v1/verifications", {"phone": "+12025550124"})
    finally:
        signals.code_wanted.disconnect(judge)
    assert seen == [(PHONE, "login", ""), ("+12025550124", "login", "")]
    assert (
        (here.status_code, len(here.content))
        == (there.status_code, len(there.content))
        == (202, len(there.content))
    )
    assert set(here.json()) == set(there.json())
    assert [message.to for message in outbox] == ["+12025550124"]


def test_what_is_refused_anyway_costs_no_question(settings):
    """A vendor of captchas or of SIM swaps is asked for what would be sent, and for nothing else."""
    settings.OTP_PURPOSES = {"login": {"cooldown": 30}}
    settings.OTP_LIMITS = "ip=2/1m"
    settings.OTP_CHALLENGE = f"{__name__}.counting"
    asked.clear()

    def judge(number, **_):
        asked.append("judge")

    signals.code_wanted.connect(judge)
    caller = Caller(ip="198.51.100.7")
    try:
        with pytest.raises(NotAllowed):
            services.start(PHONE, caller=caller, challenge="wrong")
        assert asked == ["captcha"]  # and no SIM swap is asked about for who is no person
        services.start(PHONE, caller=caller, challenge="right")
        assert asked == ["captcha"] * 2 + ["judge"]
        assert refused(PHONE, caller=caller, challenge="right").code == "pending"
        services.start("+12025550124", caller=caller, challenge="right")
        assert refused("+12025550125", caller=caller, challenge="right").limit == "ip"
        assert len(asked) == 5
    finally:
        signals.code_wanted.disconnect(judge)


asked: list[str] = []


def counting(*, answer, **_):
    asked.append("captcha")
    return answer == "right"


def test_a_refused_number_needs_a_route_as_any_other(settings):
    settings.SMS_ROUTES = {"GB": "test"}
    signals.code_wanted.connect(always)
    try:
        for phone in (PHONE, "+12025550124"):
            with pytest.raises(NotAllowed) as caught:
                services.start(phone)
            assert caught.value.code == "no_route"
    finally:
        signals.code_wanted.disconnect(always)


def test_a_judge_that_raises_stops_nothing():
    def judge(**_):
        raise RuntimeError

    signals.code_wanted.connect(judge)
    try:
        services.start(PHONE)
    finally:
        signals.code_wanted.disconnect(judge)
    assert len(outbox) == 1


def test_with_a_real_queue_a_withheld_message_never_reaches_a_provider(monkeypatch, redis):
    """The worker calls it off: what the web process does is the same for every number."""
    from sms.delivery.run import deliver

    monkeypatch.setattr(broker, "publish", lambda message_id, queue: True)
    signals.code_wanted.connect(always)
    try:
        started = services.start(PHONE)
    finally:
        signals.code_wanted.disconnect(always)
    message = sms.get(started.message_id)
    assert message.state == "queued"
    deliver(started.message_id)
    message = sms.get(started.message_id)
    assert (message.state, message.error, message.attempts) == ("cancelled", "refused", 0)
    assert redis.exists(f"sms:body:{started.message_id}") == 0
    assert redis.zcard("sms:leases:otp") == redis.zcard("sms:waiting:otp") == 0
    assert not outbox


def always(**_):
    return signals.REFUSE
