"""The page for the code says how its SMS stands, and what can be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from otp.pages.words import NO_SMS, SLOW
from sms import names
from sms.message import ERROR_CLASSES
from tests.otp.pages.visit import OTHER, PHONE, guess, start, text, title

LONGER = "is taking longer than usual"


def let(redis: Any, *, age: float = 0.0, **fields: str) -> None:
    """Set these fields of the code's SMS, and make it ``age`` seconds old."""
    (record,) = redis.keys(names.RECORD + "*")
    created = int(redis.hget(record, "created_at")) - int(age * 1000)
    redis.hset(record, mapping={**fields, "created_at": created})


@pytest.mark.parametrize("fault", ["number_refused", "opted_out", "no_route", "undelivered"])
def test_a_number_that_cannot_get_an_sms_is_told_so(browser, redis, fault):
    start(browser)
    let(redis, state="failed", fault=fault)
    page = browser.get("/code")
    assert title(page) == "Not sent: Enter the code · Otpost"
    assert "This number cannot get an SMS Our code to +1••••••••23" in text(page)
    assert str(NO_SMS.get(fault, NO_SMS["number_refused"])) in text(page)  # who has opted out is known to us
    assert "We sent a code" not in text(page)
    words = text(page)
    assert words.index("Use another number") < words.index("Send again in ") < words.index("Verify")


def test_trouble_of_ours_is_not_blamed_on_the_number(browser, redis):
    start(browser)
    let(redis, state="failed", fault="no_provider")
    words = text(browser.get("/code"))
    assert "The code did not get through" in words
    assert str(NO_SMS["no_provider"]) in words
    assert words.index("Send again in ") < words.index("Use another number")


@pytest.mark.parametrize(
    ("age", "fields"),
    [(SLOW, {"state": "queued"}), (SLOW, {"state": "sending"}), (0.0, {"state": "unknown"})],
)
def test_one_that_takes_longer_is_told_of(browser, redis, age, fields):
    start(browser)
    let(redis, age=age, **fields)
    page = browser.get("/code")
    assert LONGER in text(page)
    assert "We sent a code" not in text(page)
    assert title(page) == "Enter the code · Otpost"
    for way_out in ("Send again in ", "Use another number"):
        assert way_out in text(page)


@pytest.mark.parametrize(
    ("age", "fields"),
    [(SLOW - 2, {"state": "queued"}), (60.0, {"state": "sent"}), (60.0, {"state": "delivered"})],
)
def test_one_that_does_not_is_not(browser, redis, age, fields):
    start(browser)
    let(redis, age=age, **fields)
    assert "We sent a code to" in text(browser.get("/code"))


def test_what_became_of_a_guess_is_told_first(browser, redis):
    start(browser)
    let(redis, state="failed", fault="undelivered")
    words = text(guess(browser, "12"))
    assert "The code is not complete" in words
    assert "did not get through" in words


def test_a_number_that_gets_none_looks_like_one_that_does(browser, redis, settings):
    settings.TEST_NUMBERS = {OTHER: "123456"}
    settings.TEST_NUMBERS_UNTIL = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    seen = []
    for phone in (PHONE, OTHER):
        browser.post("/", {"phone": phone})
        for age in (0.0, 60.0):
            let(redis, age=age)
            seen.append(
                text(browser.get("/code"))
                .replace("•23", "•24")
                .replace("in 23", "in 24")
                .split("Expires in")[0]
            )
        redis.flushall()
    assert seen[:2] == seen[2:]
    assert "We sent a code to" in seen[0]


def test_each_class_of_error_has_its_words():
    assert NO_SMS.keys() == ERROR_CLASSES.keys() - {"unknown", "withheld", "opted_out"}
