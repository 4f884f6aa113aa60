"""The story of one user in words: each attempt, outcome, receipt and guess, in order."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from otp import services as codes
from otp import signals
from otp.caller import Caller
from otp.verification import Verification
from sms import names, receipts, services, told
from sms.errors import AccountFailure, InvalidNumber, OutcomeUnknown, PermanentFailure, TemporaryFailure
from sms.message import FAULTS
from tests.sms.house import PHONE

ASKED = "A code for login was asked for."
TOOK = "Scripted (a) took the message at once."


def of(number: str = PHONE) -> list[list[str]]:
    """The stories of a number: their sentences, with each time masked."""
    return [
        [re.sub(r"\d\d:\d\d:\d\d", "…", line.text) for line in story.lines]
        for story in told.of_number(number, by="ops")
    ]


def sent(house, *outcomes: Exception, phone: str = PHONE) -> Verification:
    """A code that a worker has handed to provider a, which answers so."""
    house.settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    house.providers["a"].outcomes = list(outcomes)
    started = codes.start(phone)
    house.deliver(started.message_id)
    return started


def die(redis, *messages: str) -> None:
    """Let the code of a message die a second after it was accepted."""
    for id in messages:
        record = names.RECORD + id
        redis.hset(record, "created_at", int(redis.hget(record, "created_at")) - 9000)
        redis.hset(record, "expires_at", int(redis.hget(record, "created_at")) + 8000)


def code_of(house) -> str:
    return str(house.providers["a"].calls[-1].code)


def test_a_code_that_was_typed(house):
    started = sent(house)
    receipts.take("a", {}, f"{started.message_id} delivered".encode(), "/", "")
    codes.check(started.id, "x")
    codes.check(started.id, code_of(house))
    assert of() == [
        [ASKED, TOOK, "The phone got it.", "A wrong code was typed.", "The right code was typed."]
    ]


def test_who_asked_and_by_what_name(house):
    codes.start(PHONE, caller=Caller("shop"), reference="order-1")
    services.send(PHONE, "Hello", api_key="crm")
    services.send(PHONE, "Hello")
    assert [story[0] for story in of()] == [
        "A message was accepted.",
        "A message was accepted (key crm).",
        "A code for login was asked for (key shop, reference order-1).",
    ]


@pytest.mark.parametrize(
    ("guesses", "ends"),
    [
        (0, ["The code was never typed; it expired at … UTC."]),
        (1, ["A wrong code was typed.", "The right code was never typed; it expired at … UTC."]),
    ],
)
def test_a_code_that_nobody_typed(house, redis, guesses, ends):
    started = sent(house)
    for _ in range(guesses):
        codes.check(started.id, "x")
    assert (
        of()[0][-1]
        == ("The right code" if guesses else "The code") + " was not typed so far; it expires at … UTC."
    )
    die(redis, started.message_id)
    redis.delete(names.STORY + started.message_id)
    for place in range(guesses):
        redis.rpush(names.STORY + started.message_id, f"{place}|check_invalid||0|")
    found = of()[0]
    assert sorted(found) == sorted([ASKED, *ends])
    assert found.index(ends[-1]) > found.index(ASKED)


def test_it_died_at_the_time_when_it_died(house, redis):
    started = sent(house)
    die(redis, started.message_id)
    dead = services.get(started.message_id).expires_at
    (story,) = told.of_number(PHONE, by="ops")
    ((at, text),) = [(line.at, line.text) for line in story.lines if "expired" in line.text]
    assert at == dead
    assert datetime.fromtimestamp(dead, UTC).strftime("%H:%M:%S") in text


def test_a_code_that_was_asked_for_once_more_is_one_story(house):
    started = sent(house)
    again = codes.resend(started.id)
    house.deliver(again.message_id)
    codes.check(started.id, code_of(house))
    assert of() == [[ASKED, TOOK, "The code was asked for once more.", TOOK, "The right code was typed."]]


def test_what_comes_late_of_an_earlier_sms_stands_in_its_time(house):
    started = sent(house)
    again = codes.resend(started.id)
    house.deliver(again.message_id)
    time.sleep(0.002)  # times are those of the server, in ms
    receipts.take("a", {}, f"{started.message_id} delivered".encode(), "/", "")
    assert of()[0][:-1] == [ASKED, TOOK, "The code was asked for once more.", TOOK, "The phone got it."]


def test_a_newer_start_is_told_of(house):
    sent(house)
    newer = sent(house)
    codes.cancel(newer.id)
    assert of() == [
        [ASKED, TOOK, "The caller cancelled the verification."],
        [ASKED, TOOK, "A newer code took its place."],
    ]


def test_each_attempt_and_how_it_ended(house):
    started = sent(house, AccountFailure("x", code="no_funds"))
    receipts.take("b", {}, f"{started.message_id} failed".encode(), "/", "")
    assert of()[0][1:4] == [
        "Scripted (a) refused it because of our account: no_funds.",
        "Scripted (b) took the message at once.",
        "Scripted (b) says that it did not reach the phone: failed.",
    ]


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (
            PermanentFailure("x", code="21211"),
            ["Scripted (a) refused the number or the text: 21211.", "It was not tried again."],
        ),
        (
            PermanentFailure("x", code="21610", opted_out=True),
            ["Scripted (a) refused the number or the text: 21610.", f"It failed: {FAULTS['opted_out']}."],
        ),
        (
            OutcomeUnknown("x", code="timeout"),
            [
                "Scripted (a) gave no clear answer, so it may have the message: timeout.",
                "It waits to be sent.",
            ],
        ),
        (
            TemporaryFailure("x", code="busy"),
            ["Scripted (a) could not take it just now: busy.", "Scripted (b) took the message at once."],
        ),
    ],
)
def test_what_a_provider_says(house, outcome, says):
    sent(house, outcome)
    assert of()[0][1:3] == says


def test_of_a_code_that_nobody_got_it_is_not_said_that_nobody_typed_it(house, redis):
    started = sent(house, PermanentFailure("x", code="21211"))
    refused = [ASKED, "Scripted (a) refused the number or the text: 21211.", "It was not tried again."]
    assert of() == [refused]
    die(redis, started.message_id)
    assert sorted(of()[0]) == sorted(refused)


@pytest.mark.parametrize("first", [True, False])
def test_one_that_came_at_least_once_could_be_typed(house, first):
    refusal = PermanentFailure("x", code="21211")
    started = sent(house, *([] if first else [refusal]))
    house.providers["a"].outcomes = [refusal] if first else []
    house.deliver(codes.resend(started.id).message_id)
    assert of()[0][-1] == "The code was not typed so far; it expires at … UTC."


def test_a_guess_at_a_code_that_nobody_got_is_told_with_its_end(house):
    started = sent(house, PermanentFailure("x", code="21211"))
    codes.check(started.id, "x")
    assert of()[0][-1] == "The right code was not typed so far; it expires at … UTC."


def test_what_it_failed_of_without_a_call(house):
    house.settings.SMS_ROUTES = {"DE": "a"}
    id = services.send("+4915123456789", "Hello").id
    house.settings.SMS_ROUTES = {"FR": "a"}
    house.deliver(id)
    assert of("+4915123456789")[0][1:] == [f"It failed: {FAULTS['no_route']}."]


def test_what_did_not_go_out_in_time(house, redis):
    id = services.send(PHONE, "Hello").id
    redis.hset(names.RECORD + id, "expires_at", 1)
    house.deliver(id)
    assert of() == [["A message was accepted.", "It was not sent in time."]]


def test_why_a_number_got_no_sms(house, settings):
    """A reader of this page may know. See ``otp.delivery`` for the readers who may not."""
    settings.TEST_NUMBERS = {"+12025550124": "123456"}
    settings.TEST_NUMBERS_UNTIL = (datetime.now(UTC) + timedelta(days=1)).isoformat()

    def judge(**_):
        return signals.REFUSE

    sent(house, phone="+12025550124")
    assert "No SMS was sent, because it is a test number." in of("+12025550124")[0]
    signals.code_wanted.connect(judge)
    try:
        sent(house)
    finally:
        signals.code_wanted.disconnect(judge)
    assert "No SMS was sent, because this site refused the number." in of()[0]


def test_the_duration_of_a_call_and_an_alias_of_before(redis):
    id = services.send(PHONE, "Hello").id
    redis.delete(names.STORY + id)
    redis.rpush(names.STORY + id, "1|call_accepted|gone|249|", "2|call_worker_died|test|0|")
    assert sorted(of()[0])[1:] == [
        "Our worker died during the call to memory (test), which may have the message.",
        "The provider gone took the message after 0.2 s.",
    ]


def test_no_step_of_a_later_version_stops_it(redis):
    id = services.send(PHONE, "Hello").id
    redis.rpush(names.STORY + id, "1|flown_by_pigeon|test|0|tired")
    assert "Flown by pigeon: tired." in of()[0]


@pytest.mark.parametrize("spelling", ["+1 (202) 555-0123", " +12025550123 ", "2025550123"])
def test_a_number_in_any_spelling(settings, spelling):
    settings.PHONE_REGION = "US"
    services.send(PHONE, "Hello")
    assert len(told.look(spelling, by="ops")) == 1


def test_what_may_be_looked_for(house):
    started = sent(house)
    again = codes.resend(started.id)
    plain = services.send(PHONE, "Hello", reference="order-12025550123")
    for term in (started.id, started.message_id, again.message_id):
        (story,) = told.look(term, by="ops")
        assert [message.id for message in story.messages] == [started.message_id, again.message_id]
    (story,) = told.look("order-12025550123", by="ops")
    assert story.first.id == plain.id
    assert told.look("never", by="ops") == []
    for nothing in ("", "[^a]*", "Müller 12"):
        with pytest.raises(InvalidNumber, match=r"a number with .*, a reference or an id"):
            told.look(nothing, by="ops")


def test_a_bad_number_is_told_so():
    with pytest.raises(InvalidNumber):
        told.look("+1 202", by="ops")


def test_each_look_is_logged_with_who_and_without_whom():
    services.send(PHONE, "Hello", reference="order-1")
    with capture_logs() as logs:
        told.of_number(PHONE, by="ops")
        told.of_reference("order-1", by="shop")
        told.look("12025550123", by="ops")
    assert [(line["event"], line["what"], line["by"], line["found"]) for line in logs] == [
        ("user_looked_up", "number", "ops", 1),
        ("user_looked_up", "reference", "shop", 1),
        ("user_looked_up", "reference or id", "ops", 0),
    ]
    assert "2025550123" not in str(logs)
