"""The page of the guard: what ``manage.py guard`` shows, what shadow mode would refuse, and orders."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from otp.api import access
from otp.guard import report
from otp.names import GUARD_RULES
from sms import store, tally
from sms.names import key
from tests.otp.dashboard.looker import START, logged_in
from tests.otp.dashboard.test_now import page, text_of
from tests.otp.guard.clock import Clock, command, shut

GUARD, ORDER = f"{START}guard", f"{START}guard/order"


@pytest.fixture(autouse=True)
def on(settings):
    settings.GUARD_MODE = "enforce"
    settings.API_ACCESS = access.parse("tests=read,operate")


@pytest.fixture
def today(redis):
    clock = Clock()
    clock.now = redis.time()[0]
    return clock


def order(client: Client | None = None, **what: str) -> str:
    """The next page's words about an order."""
    client = client or logged_in()
    response = client.post(ORDER, what)
    assert (response.status_code, response["Location"]) == (303, GUARD)
    first = text_of(client.get(GUARD))
    again = text_of(client.get(GUARD))
    said = first.split("Log out ")[1].split(" Guard ")[0]
    assert said not in again.split("Log out ")[1]
    return said


def test_it_shows_what_the_command_shows(today):
    shut(today)
    today.send("+33612345678", "FR")
    shown = page("guard")
    rows = [line.split() for line in command()[0].splitlines()[1:]]
    assert [row[0] for row in rows] == ["new", "DE", "FR", "+491511234"]
    for scope, *cells in rows:
        counts = [cell.replace("/", " / ") for cell in cells[:4]]
        name = {"new": "all new countries", "DE": "Germany (DE)", "FR": "France (FR)"}.get(scope, scope)
        assert " ".join((name, *counts, cells[4], *cells[5:])) in shown


@pytest.mark.parametrize(
    ("mode", "head"),
    [("enforce", "refused by this cap, 1 d"), ("shadow", "refused by this cap or would be, 1 d")],
)
def test_a_row_has_what_its_own_cap_refused(today, settings, mode, head):
    """Not what the ranges of a country did, which have rows of their own."""
    settings.GUARD_MODE = mode
    shown = page("guard")
    assert "A refusal counts for one scope" in shown
    shut(today)
    assert f"unverified / cap, 1 d {head} state" in page("guard")


def test_what_refused_and_is_under_its_cap_again_stays_for_a_day(today):
    """Even if /metrics was read in between."""
    shut(today)
    today.verify(1)
    for number in range(2, 7):
        today.verify(number)
    assert report.standing().over["prefix"] == 0
    assert "+491511234" in page("guard")


def test_an_address_that_asked_for_too_many_countries_is_shown(today, settings):
    settings.GUARD_FIGURES = {"countries": 1}
    today.send("+33612345678", "FR", "192.0.2.1")
    assert today.send("+34612345678", "ES", "192.0.2.1").startswith("countries ip:")
    shown = page("guard")
    assert "192.0.2.1" not in shown
    assert "address " in shown


def test_what_shadow_mode_would_have_refused_is_counted_over_the_days(redis, settings):
    settings.GUARD_MODE = "shadow"
    hour, day = int(store.now()) // 3600, int(store.now()) // 86400
    would = {"let_through|shadow:hour|login|DE|shop": 3, "starts|issued|login|DE|shop": 60}
    redis.hset(tally.place("counts", "hour", hour), mapping=would)
    redis.hset(tally.place("counts", "day", day), mapping=would)
    redis.hset(tally.place("counts", "day", day - 2), mapping={"let_through|shadow:budget|login|FR|shop": 40})
    redis.hset(tally.place("counts", "day", day - 2), mapping={"starts|guard:hour|login|DE|shop": 7})
    shown = page("guard")
    assert "Shadow mode: the guard reports what it would refuse, and refuses nothing." in shown
    assert "the daily budget is spent would be refused 0 0 40" in shown
    assert "unverified codes in an hour refused 0 0 7" in shown
    assert "unverified codes in an hour would be refused 3 3 3" in shown
    assert "France (FR) 40" in shown
    assert "Germany (DE) 10" in shown
    assert "Refused, or would be, per day 47 0" in shown


def test_orders_are_those_of_the_command(today, redis):
    assert "DE is blocked until" in order(word="block", scope="DE", hours="2")
    assert today.send("+4915112345678", "DE") == "blocked DE"
    assert "Germany (DE) – – – – 0 blocked until" in page("guard").replace("1 blocked", "0 blocked")
    assert "DE is allowed until" in order(word="allow", scope="DE")
    assert order(word="release", scope="DE") == "DE is released."
    assert redis.hlen(key(GUARD_RULES)) == 0


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_a_block_that_blocks_nothing_says_so(settings, mode):
    settings.GUARD_MODE = mode
    client = logged_in()
    client.post(ORDER, {"word": "block", "scope": "DE"})
    shown = client.get(GUARD)
    assert '<p class="note mind said"' in shown.text
    said = re.search(
        r"DE would be blocked until (.+?) ?; GUARD_MODE is (\w+), so codes still", text_of(shown)
    )
    assert said is not None
    assert re.fullmatch(r"\d+ \w{3} \d\d:\d\d UTC", said[1])
    assert said[2] == mode
    assert '<span class="tag mind">would be blocked</span>' in shown.text


def test_a_row_is_told_by_its_button(today):
    shut(today)
    (tag,) = (row.scope for row in report.rows() if row.kind == "prefix" and "~" in row.scope)
    assert order(release=tag) == "+491511234 is released."
    assert today.send("+4915112340000", "DE") == ""
    assert "+491511234 is blocked until" in order(block=tag)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"word": "block", "scope": "XX"}, "'XX' is not a scope"),
        ({"word": "block", "scope": "DE", "hours": "0"}, "hours must be over 0"),
        ({"word": "block", "scope": "DE", "hours": "soon"}, "'soon' is not a number of hours"),
        ({"word": "release", "scope": "FR"}, "Nothing is known of FR."),
        ({"word": "praise", "scope": "FR"}, "The order must be allow, block or release."),
        ({}, "The order must be allow, block or release."),
    ],
)
def test_an_order_that_cannot_be_carried_out_says_why(what, why):
    assert order(**what).startswith(f"Nothing was done: {why}")


def test_only_a_key_with_the_scope_operate_gives_orders(settings, redis):
    settings.API_ACCESS = access.parse("tests=read")
    client = logged_in()
    assert "Give the guard an order" not in client.get(GUARD).text
    response = client.post(ORDER, {"block": "DE"})
    assert response.status_code == 403
    assert "lacks the scope" in response.text
    settings.API_ACCESS = {}  # what a key has without an entry
    assert client.post(ORDER, {"block": "DE"}).status_code == 403
    assert not redis.exists(key(GUARD_RULES))


def test_an_order_needs_a_session_a_token_and_a_post(redis):
    assert Client().post(ORDER, {"block": "DE"})["Location"] == f"{START}login"
    assert logged_in().get(ORDER).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies.update(logged_in().cookies)
    assert strict.post(ORDER, {"block": "DE"}).status_code == 403
    assert not redis.exists(key(GUARD_RULES))


def test_orders_are_logged_with_the_name_of_the_key():
    with capture_logs([merge_contextvars]) as logs:
        order(block="DE")
        order(word="block", scope="+4915112345678")  # whole numbers are nothing for a log
    acts = [line for line in logs if line["event"] == "dashboard_act"]
    assert [(act["api_key"], act["act"], act["word"]) for act in acts] == [
        ("tests", "guard_order", "block")
    ] * 2
    assert [(act["result"], act.get("scope")) for act in acts] == [("done", "DE"), ("refused", None)]
    assert "12345678" not in str(logs)
    assert [line["scope"] for line in logs if line["event"] == "guard_rule_set"] == ["DE"]


def test_what_changes_holds_no_token():
    """Or no page would ever be the same as before."""
    client = logged_in()
    live = client.get(GUARD).text.split('id="live"')[1].split('id="said"')[0]
    assert "csrfmiddlewaretoken" not in live
    tag = client.get(GUARD)["ETag"]
    assert client.get(GUARD, headers={"If-None-Match": tag}).status_code == 304
