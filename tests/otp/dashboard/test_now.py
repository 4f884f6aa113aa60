"""The first page: its figures come from the tally, in few round trips."""

from __future__ import annotations

import html
import re
import time
from base64 import b64encode

import pytest
from redis.connection import AbstractConnection

from otp import services
from otp.caller import Caller
from otp.dashboard import figures, words
from otp.dashboard.figures import DAY, FORTNIGHT, HOUR
from sms import names, store, sweeper, tally
from sms import services as sms
from sms.names import DEAD, key
from sms.testing import code_in, outbox
from tests.otp.dashboard.looker import START, logged_in

PHONE = "+12025550123"


def text_of(response) -> str:
    """The visible text, with one blank between words."""
    body = re.sub(r"<(script|style|title)\b.*?</\1>", " ", response.text, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def page(path: str = "") -> str:
    response = logged_in().get(START + path)
    assert response.status_code == 200
    return text_of(response)


@pytest.fixture
def round_trips(monkeypatch):
    """How often a connection sent something and then waited for an answer."""
    sent: list[bytes] = []
    real = AbstractConnection.send_packed_command

    def send(self, command, **options):
        sent.append(b"".join(command) if isinstance(command, list | tuple) else command)
        real(self, command, **options)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", send)
    return sent


def test_the_way_of_a_code_is_seen_from_asked_to_verified():
    started = services.start(PHONE, caller=Caller("shop"))
    with pytest.raises(Exception, match="wait"):
        services.start(PHONE)
    services.check(started.id, code_in(outbox[-1].body))
    shown = page()
    funnel = "requested 2 100 % accepted 1 50 % codes sent 1 50 % delivered 0 0 % verified 1 50 %"
    assert shown.count(funnel) == 3  # the hour, the day, 14 days
    assert "United States (US) 2 1 0 1 50 %" in shown
    assert "test 1 1 0 1 100 %" in shown
    assert "sms 1 1 0 1 100 %" in shown
    assert "login 2 1 0 1 50 %" in shown
    assert "requested again too soon 1 1 1" in shown
    assert PHONE not in shown
    assert started.id not in shown


def test_a_column_says_whether_it_counts_codes_or_messages(redis):
    """A code that went on to another provider is one code, and two messages sent."""
    hour = int(store.now()) // 3600
    counts = {"starts|issued|login|US|": 1, "codes|sent|login": 1}
    counts |= {"messages|sent|test|US|otp": 1, "messages|sent|spare|US|otp": 1}
    redis.hset(tally.place("counts", "hour", hour), mapping=counts)
    shown = page()
    assert "requested 1 100 % accepted 1 100 % codes sent 1 100 %" in shown
    hint = "Messages sent: a code that moved on to another provider counts once for each."
    for table, row, of in (
        (
            "Country requested messages sent delivered verified share",
            "United States (US) 1 2 0 0 0 %",
            "requested",
        ),
        ("Provider called messages sent delivered verified share", "test 0 1 0 0 0 %", "messages sent"),
        ("Channel called messages sent delivered verified share", "sms 0 1 0 0 0 %", "messages sent"),
    ):
        assert table in shown
        assert row in shown
        assert f"Share: verified out of {of}. {hint}" in shown
    assert (
        "Purpose requested codes sent delivered verified share login 1 1 0 0 0 % "
        "Share: verified out of requested." in shown
    )
    assert shown.count(hint) == 3


@pytest.mark.parametrize(("period", "reached"), [("hour", 1), ("day", 2), ("fortnight", 3), ("what?", 1)])
def test_a_period_holds_what_it_says(redis, period, reached):
    hour, day = int(store.now()) // 3600, int(store.now()) // 86400
    field = "starts|issued|signup|DE|shop"
    redis.hset(tally.place("counts", "hour", hour - 1), field, 10)
    redis.hset(tally.place("counts", "hour", hour - 23), field, 200)
    redis.hset(tally.place("counts", "hour", hour - 24), field, 7)
    redis.hset(tally.place("counts", "day", day - 13), field, 3000)
    redis.hset(tally.place("counts", "day", day - 14), field, 7)
    shown = page(f"?period={period}")
    assert "requested 10 100 %" in shown
    assert "requested 210 100 %" in shown
    assert "requested 3,000 100 %" in shown
    assert f"signup {['10', '210', '3,000'][reached - 1]} 0 0 0" in shown


@pytest.mark.parametrize(
    ("path", "most"), [("", 3), ("?period=fortnight", 3), ("providers", 3), ("guard", 4)]
)
def test_a_page_takes_few_round_trips(round_trips, settings, path, most):
    """The first asks whether the session was logged out, and what time it is."""
    settings.REDIS_CELLS = 1
    services.start(PHONE)
    client = logged_in()
    client.get(START + path)  # loads the scripts
    round_trips.clear()
    assert client.get(START + path).status_code == 200
    assert len(round_trips) <= most


def test_what_is_over_is_asked_for_once(settings, round_trips):
    """An open page asks for the hour and the day of now."""
    settings.REDIS_CELLS = 1
    figures.read({"counts": [HOUR, DAY, FORTNIGHT]})
    round_trips.clear()
    figures.read({"counts": [HOUR, DAY, FORTNIGHT]})
    assert b"".join(round_trips).count(b"\r\nHGETALL\r\n") == 2


def test_a_new_hour_ends_the_one_before(redis, monkeypatch):
    """A page may have read the current hour before its last count. That count is not lost."""
    now = store.now() // 3600 * 3600 + 3599
    place = tally.place("counts", "hour", int(now) // 3600)
    redis.hset(place, "starts|issued|login|US|", 1)
    assert figures.read({"counts": [HOUR]}, now=now).sums("counts", HOUR).total("starts") == 1
    redis.hset(place, "starts|issued|login|US|", 5)
    later = figures.read({"counts": [HOUR]}, now=now + 2)
    assert later.sums("counts", HOUR).total("starts") == 5


def test_no_more_is_kept_than_a_page_needs(monkeypatch):
    monkeypatch.setattr(figures, "MOST_KEPT", 10)
    figures.read({"counts": [DAY, FORTNIGHT]})
    assert len(figures._kept) == 10


def test_what_two_versions_count_is_one():
    sums = figures.Sums({"starts|issued|login": 1, "starts|issued|login|US|": 2, "starts|issued|login||": 3})
    assert sums.total("starts") == 6
    assert sums.each("starts", "country") == {"US": 2, "": 4}
    assert sums.total("starts", country={"US"}) == 2


def test_how_long_it_takes_is_drawn_and_stands_in_a_table(redis):
    hour = int(store.now()) // 3600
    redis.hset(tally.place("times", "hour", hour), mapping={"to_sent|otp|8": 99, "to_sent|otp|11": 1})
    redis.hset(tally.place("times", "hour", hour - 1), mapping={"to_sent|otp|9": 100, "to_sent|bulk|20": 9})
    response = logged_in().get(START)
    assert response.text.count("<polyline") == 3
    assert '<title id="times-1-title">' in response.text
    shown = text_of(response)
    assert "UTC 193 ms 251 ms 256 ms" in shown
    assert "UTC 384 ms 499 ms 509 ms" in shown
    assert "8 min" not in shown  # a plain message may wait


def test_money_is_shown_where_prices_are_known(settings, redis):
    day = int(store.now()) // 86400
    redis.hset(tally.place("counts", "day", day - 3), "spent|DE", 12_000_000)
    assert "GUARD_PRICES is empty" in page()
    settings.GUARD_PRICES, settings.GUARD_BUDGET = {"default": "0.06"}, "50"
    settings.GUARD_MODE = "shadow"
    services.start(PHONE)
    shown = page()
    assert "0.0600 today (UTC), 0.1 % of 50.00" in shown
    assert "Money per day 12.00 0" in shown
    assert "United States (US) 1 1 0 0 0 % 0.0600" in shown


def test_who_is_left_out_is_named_with_the_time(redis):
    now, minute = int(store.now() * 1000), 60_000  # in minutes, as a busy machine takes seconds for a page
    sweeper.request("otp")
    fine = page()
    assert "Nothing is wrong with providers" in fine
    assert "Providers left out None." in fine
    redis.hset(
        names.health("test"), mapping={"open_until": now + 30 * minute + 20_000, "opened_at": now - minute}
    )
    day = now // 86_400_000
    redis.hset(tally.place("counts", "day", day), "left_out|test|FR", 1)
    redis.hset(names.health("test", "FR"), mapping={"hold_until": now + 90 * minute + 20_000})
    shown = page()
    since = words.moment_of(now / 1000 - 60).text
    assert "The provider test is left out: its calls fail." in shown
    assert f"test everywhere {since} 30 min" in shown
    assert "test France asked us to wait 90 min" in shown


def test_what_waits_is_told(redis):
    sweeper.request("otp")
    assert "beat is silent" not in page()
    redis.zadd("sms:waiting:otp", {"a": (time.time() - 42) * 1000, "b": time.time() * 1000})
    redis.delete("sms:beat")
    shown = page()
    assert "Codes wait for a worker: 2, the oldest for 42 s." in shown
    assert "beat is silent" in shown
    assert "codes 2 42 s 0 0" in shown


def test_a_webhook_that_fails_is_told_while_its_events_are_tried_again(redis, settings):
    """And not only once they are given up, after 17½ hours or more."""
    settings.WEBHOOKS = {
        name: f"https://{name}.example/hook#secret=whsec_{b64encode(bytes(range(32))).decode()}"
        for name in ("shop", "audit")
    }
    now = store.now() * 1000
    redis.zadd(names.WEBHOOKS_DUE + "shop", {"2 {}": now + 300_000, "0 {}": now})
    assert "Events wait" not in page()
    redis.zadd(names.WEBHOOKS_LATE + "shop", {"a": now - 960_000})
    redis.set(names.WEBHOOKS_ERROR + "shop", f"{int(now)} status_503")
    told = "Events wait for the webhook shop: 2, the oldest for 16 min. Its last error: status_503."
    assert told in page()


def test_what_costs_money_or_messages_is_no_good_news(redis, settings):
    """Nothing of it shows in the queues, and all providers are in use."""
    hour, day = int(store.now()) // 3600, int(store.now()) // 86400
    sweeper.request("otp")
    settings.GUARD_MODE, settings.GUARD_PRICES, settings.GUARD_BUDGET = "shadow", {"default": "0.06"}, "50"
    redis.hset(
        tally.place("counts", "hour", hour),
        mapping={
            "let_through|shadow:hour|login|CI|": 30,
            "starts|overloaded|login|US|": 2,
            "messages|refused:overloaded||US|bulk": 3,
            "starts|guard:hour|login|US|": 4,
            "events|dead|message.failed": 5,
            "events|dropped|message.failed": 1,
            "events|delivered|message.failed": 9,
        },
    )
    redis.hset(tally.place("counts", "hour", hour - 5), mapping={"let_through|shadow:day|login|CI|": 70})
    redis.hset(tally.place("counts", "day", day), "spent|CI", 45_000_000)
    redis.zadd(key(DEAD), {"a": 1})
    shown, since = page(), f"since {(hour - 1) % 24:02}:00 UTC"  # when the figures of the hour begin
    assert "Nothing is wrong" not in shown
    assert f"would have refused 100 codes in a day, 30 of them {since}; GUARD_MODE is shadow" in shown
    assert f"Overload: 5 requests have been refused {since}." in shown
    assert f"The guard has refused 4 codes {since}." in shown
    assert f"Webhooks: 6 events have been given up {since}." in shown
    assert "90 % of today's budget (UTC) is spent." in shown
    assert "Messages that could not be sent (dead letters): 1." in shown
    assert "not refused, but the pumping guard would have: unverified codes in an hour 30 30" in shown
    settings.GUARD_MODE = "enforce"
    assert "would have refused" not in page()
    redis.hset(tally.place("counts", "day", day), "spent|CI", 50_000_000)
    assert "100 % of today's budget (UTC) is spent. No code is sent before midnight" in page()


def test_a_redis_that_is_nearly_full_is_told(redis):
    most = redis.config_get("maxmemory")["maxmemory"]
    try:
        redis.config_set("maxmemory", int(redis.info("memory")["used_memory"] * 1.05))
        assert re.search(r"Redis has used 9\d % of its memory\.", page())
    finally:
        redis.config_set("maxmemory", most)


def test_too_few_codes_typed_are_worth_a_word(redis):
    hour, day = int(store.now()) // 3600, int(store.now()) // 86400
    redis.hset(
        tally.place("counts", "hour", hour), mapping={"starts|issued|login|US|": 40, "checks|valid|login|": 4}
    )
    many = {"starts|issued|login|US|": 1000, "checks|valid|login|": 800}
    redis.hset(tally.place("counts", "day", day - 1), mapping=many)
    since = f"since {(hour - 1) % 24:02}:00 UTC"
    assert f"Only 10 % of the codes {since} were typed, against 80 % in 14 days." in page()


def test_refusals_of_every_kind_are_named(redis):
    hour = int(store.now()) // 3600
    redis.hset(
        tally.place("counts", "hour", hour),
        mapping={
            "starts|limit:phone|login|US|": 2,
            "starts|guard:hour|login|US|": 3,
            "messages|refused:opted_out||US|bulk": 4,
            "checks|limited|login|": 5,
        },
    )
    shown = page()
    assert "limit phone 2 2 0" in shown
    assert "pumping guard: unverified codes in an hour 3 3 0" in shown
    assert "plain message: the number has opted out 4 4 0" in shown
    assert "guess: too many wrong guesses from an address or key 5 5 0" in shown


def test_other_messages_are_no_codes():
    sms.send(PHONE, "Hello")
    shown = page()
    assert "requested 0" in shown
    assert "Other messages: 1 accepted, 1 sent, 0 delivered, 0 failed in 14 days." in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.05, "50 ms"),
        (1.26, "1.3 s"),
        (90, "90 s"),
        (600, "10 min"),
        (9000, "2 h"),
        (2e5, "2 d"),
    ],
)
def test_times_are_written_short(value, shown):
    assert words.seconds(value) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (0, 0, "–"),
        (0, 5, "0 %"),
        (5, 5, "100 %"),
        (999, 1000, "99.9 %"),
        (99_999, 100_000, "99.9 %"),
        (1, 5000, "0.1 %"),
    ],
)
def test_a_share_is_all_only_if_it_is(part, whole, shown):
    assert words.share(part, whole) == shown
