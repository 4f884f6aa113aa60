"""The puzzle: when it is asked for, and what its answer is good for."""

from __future__ import annotations

import time

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from otp import services, signals
from otp.caller import Caller
from otp.challenges import altcha
from otp.errors import RateLimited
from sms import tally
from sms.testing import outbox
from tests.otp.admission.calls import PHONE, numbers
from tests.otp.challenges.answers import CALLER, QUICK, asked, solution_to, solved


@pytest.fixture(autouse=True)
def puzzled(settings):
    settings.OTP_CHALLENGE = altcha.PATH
    settings.OTP_ALTCHA = QUICK
    settings.OTP_LIMITS = "ip=4/10m"


@pytest.fixture
def always(settings):
    settings.OTP_ALTCHA = QUICK | {"hot": 0}


def heat(count: int = 2) -> None:
    """So many starts from one address."""
    for phone in numbers(count):
        services.start(phone, caller=CALLER)


def test_it_is_asked_for_once_a_limit_is_half_used_up_and_an_answer_lets_a_start_out():
    heat()
    assert len(outbox) == 2
    answer = solved(asked(PHONE, caller=CALLER))
    assert len(outbox) == 2
    services.start(PHONE, caller=CALLER, challenge=answer)
    assert [message.to for message in outbox][2:] == [PHONE]


def test_other_addresses_are_not_asked_for_it():
    heat()
    services.start(PHONE, caller=Caller(ip="198.51.100.8"))


def test_what_was_asked_for_before_a_window_cools_down(settings, redis):
    """Entries of a list may be older than its window."""
    heat()
    (key,) = redis.keys("otp:limit:ip:*")
    old = int(redis.lindex(key, 0)) - 600_000
    redis.delete(key)
    redis.rpush(key, old, old)
    services.start(PHONE, caller=CALLER)


def test_a_rate_runs_hot_too(settings):
    settings.OTP_LIMITS = "all=1/1h+4"
    heat()
    asked(PHONE)


def test_one_phone_that_asks_often_is_not_asked_for_it(settings):
    settings.OTP_LIMITS = "phone=4/10m;phone-ip=4/1d"
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    for _ in range(4):
        services.start(PHONE, caller=CALLER)
    with pytest.raises(RateLimited):
        services.start(PHONE, caller=CALLER)


@pytest.mark.parametrize("mode", ["shadow", "enforce"])
def test_it_is_asked_for_where_the_guard_runs_hot(settings, mode):
    """Three of the six unverified codes that one range may have; other ranges stay cool."""
    settings.OTP_LIMITS = "off"
    settings.GUARD_MODE = mode
    for phone in numbers(3):
        services.start(phone)
    answer = solved(asked(PHONE))
    services.start(PHONE, challenge=answer)
    services.start("+13035550123")
    assert len(outbox) == 5


def test_what_the_guard_stops_is_not_asked_for_it(settings):
    settings.OTP_LIMITS = "off"
    settings.GUARD_MODE = "enforce"
    settings.GUARD_FIGURES = {"fine": (2, 10, 140)}
    settings.OTP_ALTCHA = QUICK | {"hot": 1}
    for phone in numbers(2):
        services.start(phone)
    with pytest.raises(RateLimited) as caught:
        services.start(PHONE)
    assert caught.value.code == "guard"


def test_what_an_operator_allows_is_not_asked_for_it(settings):
    settings.OTP_LIMITS = "off"
    settings.GUARD_MODE = "enforce"
    settings.GUARD_ALLOW = ["US"]
    for phone in numbers(5):
        services.start(phone)


def test_a_puzzle_costs_nobody_a_place(settings):
    """A refused start is counted neither by limits nor by the guard."""
    settings.GUARD_MODE = "enforce"
    heat()
    for _ in range(5):
        asked(PHONE, caller=CALLER)
    services.start(PHONE, caller=CALLER, challenge=solved(asked(PHONE, caller=CALLER)))


def test_a_start_that_is_refused_leaves_its_answer(always, settings):
    answer = solved(asked(PHONE))
    settings.SMS_LONGEST_WAIT = 0
    services.start(PHONE, challenge=answer)
    again = solved(asked("+12025550124"))
    with pytest.raises(RateLimited):  # its cooldown runs
        services.start(PHONE, challenge=again)
    services.start("+12025550124", challenge=again)


@pytest.fixture
def reverse(settings) -> dict[str, bool]:
    """The answer to a start whose user sends the code to us."""
    settings.SMS_PROVIDERS = {"main": "twilio://AC1:token@?from=%2B12025550100", "out": "memory://"}
    settings.SMS_ROUTES, settings.OTP_REVERSE = {"default": "out"}, {"main": "+12025550100"}
    settings.OTP_PURPOSES = {"login": {"reverse": True}}
    return {"reverse": True}


def test_a_reverse_start_is_asked_for_it_too(reverse):
    heat()
    services.start(PHONE, caller=CALLER, challenge=solved(asked(PHONE, caller=CALLER, **reverse)), **reverse)


def test_one_answer_lets_one_reverse_start_out(always, reverse):
    answer = solved(asked(PHONE, **reverse))
    services.start(PHONE, challenge=answer, **reverse)
    asked("+12025550124", challenge=answer, **reverse)


def test_a_resend_wants_none(always, settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    started = services.start(PHONE, challenge=solved(asked(PHONE)))
    services.resend(started.id)
    signals.code_wanted.connect(heeded)  # with a receiver, the resend first asks what would refuse it
    try:
        services.resend(started.id)
    finally:
        signals.code_wanted.disconnect(heeded)
    assert len(outbox) == 3


def heeded(**_):
    """Refuse nothing."""


def test_an_answer_that_is_too_old_is_none(always, monkeypatch):
    answer = solved(asked(PHONE))
    at = time.time() + altcha.figures().lifetime + 1
    monkeypatch.setattr(time, "time", lambda: at)
    asked(PHONE, challenge=answer)


def test_a_spent_answer_is_remembered_for_longer_than_it_is_taken(always, redis):
    answer = solved(asked(PHONE))
    services.start(PHONE, challenge=answer)
    (key,) = redis.keys("otp:puzzle:*")
    assert 1000 * altcha.figures().lifetime < redis.pttl(key) <= 2000 * altcha.figures().lifetime


def test_a_puzzle_of_another_installation_is_none(always, settings):
    answer = solved(asked(PHONE))
    settings.PHONE_SECRET_KEY = "another secret of 32 characters and more"
    asked(PHONE, challenge=answer)


def test_a_puzzle_outlives_a_change_of_the_secret(always, settings):
    answer = solved(asked(PHONE))
    settings.PHONE_SECRET_KEY_FALLBACKS = [settings.PHONE_SECRET_KEY]
    settings.PHONE_SECRET_KEY = "another secret of 32 characters and more"
    services.start(PHONE, challenge=answer)


def test_nobody_is_asked_about_a_number_before_the_puzzle_is_solved(settings):
    """Receivers of ``code_wanted`` and look-ups may cost money."""
    settings.OTP_LIMITS = "off"
    settings.GUARD_MODE = "enforce"
    heard = []

    def judge(number, **_):
        heard.append(number.e164)

    signals.code_wanted.connect(judge)
    try:
        for phone in numbers(3):
            services.start(phone)
        puzzle = asked(PHONE)
        settings.OTP_ALTCHA = QUICK | {"hot": 0}
        asked(PHONE)
        assert PHONE not in heard
        services.start(PHONE, challenge=solved(puzzle))
        asked("+12025550124", challenge=solved(puzzle))
    finally:
        signals.code_wanted.disconnect(judge)
    assert heard == [*numbers(3), PHONE]


def test_the_work_is_within_a_third_of_what_was_asked_for(settings):
    tries = [solution_to(altcha.make()).counter for _ in range(10)]
    assert 10 <= min(tries) < max(tries) < 20
    settings.OTP_ALTCHA = QUICK | {"work": 300}
    assert 100 <= solution_to(altcha.make()).counter < 200


def test_over_http_the_problem_has_the_puzzle(always, api):
    answer = api.post("/v1/verifications", {"phone": PHONE})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (403, "challenge_required")
    assert answer["Cache-Control"] == "no-store"
    solution = solved(problem["puzzle"])
    assert api.post("/v1/verifications", {"phone": PHONE, "challenge": solution}).status_code == 202


def test_it_is_counted(always):
    asked(PHONE)
    assert tally.everything()["counts"]["starts|challenge|login|US|"] == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"heat": 1}, "OTP_ALTCHA has no 'heat'. It has: hot, work, lifetime."),
        ({"hot": 2}, "OTP_ALTCHA, hot: 2 must be a number from 0 to 1."),
        ({"hot": "nan"}, "OTP_ALTCHA, hot: 'nan' must be a number from 0 to 1."),
        ({"work": "many"}, "OTP_ALTCHA, work: 'many' must be a whole number from 30 to 1,000,000."),
        ({"lifetime": 0}, "OTP_ALTCHA, lifetime: 0 must be a whole number from 30 to 3,600."),
        ("hot=1", "OTP_ALTCHA must be a dict such as"),
    ],
)
def test_bad_figures_are_refused_at_start(settings, given, said):
    settings.OTP_ALTCHA = given
    with pytest.raises(SystemCheckError) as caught:
        call_command("check")
    assert said in str(caught.value)


def test_figures_of_the_environment_are_texts(settings):
    settings.OTP_ALTCHA = {"hot": "0.8", "work": "60"}
    assert altcha.figures() == altcha.Figures(hot=0.8, work=60)
