"""The page of the providers: health, pace, words, and what a typed code costs."""

from __future__ import annotations

import pytest

from sms import learning, names, routing, standing, store, tally
from sms.phone import Phone
from tests.otp.dashboard.looker import START, logged_in
from tests.otp.dashboard.test_now import page, text_of


@pytest.fixture
def two(settings):
    settings.SMS_PROVIDERS = {"main": "memory://", "spare": "memory://?rate=20"}


def counted(redis, family="counts", /, **fields):
    redis.hset(tally.place(family, "hour", int(store.now()) // 3600), mapping=fields)


def test_each_provider_has_its_health_and_pace(two, redis):
    counted(
        redis,
        **{
            "calls|accepted|main|US": 98,
            "calls|temporary|main|US": 2,
            "messages|sent|main|US|otp": 98,
            "messages|delivered|main|US|otp": 49,
            "verified|main|US": 49,
        },
    )
    counted(redis, "times", **{"call|main|8": 100, "to_delivered|main|13": 49})
    now = int(store.now() * 1000)
    redis.hset(names.health("main"), mapping={"good": 7, "bad": 1, "since": now})
    redis.zadd(names.line("spare", "otp"), {"a": now, "b": now})
    shown = page("providers")
    assert "main in use" in shown
    facts = "calls 100 accepted 98 % delivered 50 % typed 50 % time of a call 192 ms, 95 % within 250 ms"
    assert facts in shown
    assert "time to delivery 6.1 s, 95 % within 8.0 s last 30 s 7 calls worked, 1 failed" in shown
    assert "20 messages a second, 2 waiting" in shown


def test_an_outage_is_seen_when_it_is_over(two, redis):
    hour = int(store.now()) // 3600
    redis.hset(tally.place("counts", "hour", hour - 5), mapping={"calls|accepted|main|US": 60})
    redis.hset(tally.place("counts", "hour", hour - 4), "calls|accepted|main|US", 30)
    redis.hset(tally.place("counts", "hour", hour - 4), "calls|temporary|spare|DE", 20)
    response = logged_in().get(f"{START}providers?period=hour")
    shown = text_of(response)
    assert "UTC 30 20 " in shown
    assert "UTC 60 0 " in shown
    assert "30 accepted, 20 failed" in response.text
    assert response.text.count('class="column failed"') == 24


@pytest.mark.parametrize(("ago", "worked"), [(0, 50), (15, 30), (30, 10), (45, 5), (60, 0), (3600, 0)])
def test_what_a_provider_did_of_late_is_of_the_last_half_minute(two, redis, ago, worked):
    """Even if it was not called for a long time."""
    since = int(store.now() * 1000) - ago * 1000
    redis.hset(names.health("main"), mapping={"good": 10, "was_good": 40, "since": since})
    assert abs(standing.read().health["main", ""].good - worked) <= 1


def test_one_that_is_left_out_says_since_when_and_where(two, redis):
    now = int(store.now() * 1000)
    until = now + 30 * 60_000 + 20_000  # in minutes, as a busy machine takes seconds for a page
    redis.hset(names.health("spare", "FR"), mapping={"open_until": until, "opened_at": now - 60_000})
    counted(redis, **{"left_out|spare|FR": 1})
    redis.hset(tally.place("counts", "day", now // 86_400_000), mapping={"left_out|spare|FR": 1})
    shown = page("providers")
    assert "main in use" in shown
    assert "spare left out" in shown
    assert "Left out in France since" in shown
    assert "tried again in 30 min" in shown


def test_a_vendor_is_heard_in_its_own_words(two, redis):
    counted(redis, **{"calls|accepted|main|US": 190, "calls|account|main|US": 10})
    counted(redis, "words", **{"call|account|main|21606": 10, "receipt|failed|main|30003": 4})
    shown = page("providers")
    assert "main 21606 the account cannot send 10 5 %" in shown
    assert "main 30003 accepted, but not delivered 4 2 %" in shown


def test_a_typed_code_costs_what_guard_prices_says(two, redis, settings):
    fields = {"messages|sent|main|DE|otp": 40, "verified|main|DE": 36}
    fields |= {"messages|sent|spare|DE|otp": 20, "verified|spare|DE": 10}
    counted(redis, **fields)
    assert "Germany (DE) 90 % of 40 50 % of 20" in page("providers")
    settings.GUARD_PRICES = {"DE": "0.09"}
    assert "Germany (DE) 0.0900 90 % of 40, 0.10 50 % of 20, 0.18" in page("providers")


def test_the_best_is_named_where_there_are_enough_to_tell(two, redis):
    counted(redis, **{"messages|sent|main|DE|otp": 40, "verified|main|DE": 20})
    counted(redis, **{"messages|sent|spare|DE|otp": 19, "verified|spare|DE": 19})
    assert "<strong>" not in logged_in().get(f"{START}providers").text
    counted(redis, **{"messages|sent|spare|DE|otp": 20})
    assert "<strong>95 %</strong>" in logged_in().get(f"{START}providers").text


@pytest.mark.parametrize(
    ("mode", "title"), [("learn", "What learning does"), ("shadow", "What learning would do")]
)
def test_why_learning_chooses_is_told(two, redis, settings, mode, title):
    settings.SMS_ROUTING, settings.SMS_ROUTES = mode, {"default": "main*3|spare"}
    number = Phone("+12025550123", "US", "")
    slice_, mark = int(store.now()) // 300 - 2, learning.mark(number, routing.find("US", number.e164))
    redis.hset(
        names.key(f"{names.LEARNING}{slice_}"),
        mapping={
            f"sent|{mark}|US|main": 100,
            f"typed|{mark}|US|main": 50,
            f"sent|{mark}|US|spare": 50,
            f"typed|{mark}|US|spare": 45,
            f"sent|{mark}|DE|main": 9,
        },
    )
    shown = page("providers")
    assert title in shown
    why = "the best conversion gets most codes"
    assert f"default, United States (US) main 75 % 5 % 50 % (42 % to 58 %) – 100 {why}" in shown
    assert f"default, United States (US) spare 25 % 95 % 88 % (81 % to 96 %) – 50 {why}" in shown
    few = "too few codes (9 of 40), so the weights decide"
    assert f"default, Germany (DE) main 75 % 75 % 9 % (0 % to 23 %) – 9 {few}" in shown
    assert f"default, Germany (DE) spare 25 % 25 % – – 0 {few}" in shown


def test_nothing_is_told_of_learning_where_the_weights_decide(two):
    assert "learning" not in page("providers")
