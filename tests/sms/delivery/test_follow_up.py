"""The calls after a call that worked: looks at what became of it, and word of the codes that were typed."""

from __future__ import annotations

import time
from contextlib import ExitStack
from itertools import pairwise

import pytest
from celery.worker import state
from structlog.testing import capture_logs

from otp import services as otp
from sms import broker, cells, follow_ups, names, receipts, services, store, tasks
from sms.delivery import follow_up
from sms.errors import TemporaryFailure
from sms.message import Attempt, Message, State
from tests.sms.house import PHONE, busiest, exactly


@pytest.fixture
def due(house, clock, monkeypatch):
    """Moves the clock, and lets a sweep look every second."""
    monkeypatch.setattr(
        broker, "follow_up", lambda kind, alias, _, *cell: tasks.follow_up(kind, alias, *cell) or True
    )

    def advance(seconds):
        for _ in range(seconds):
            clock.advance(1)
            follow_up.publish_due()

    return advance


@pytest.fixture
def polled(house):
    house.providers["a"].reports_by_poll = True
    house.settings.SMS_ROUTES = {"default": "a>b"}
    return house.providers["a"]


def test_it_looks_while_the_code_lives_and_once_more(house, polled, due, clock):
    """After 5, 20 and 60 s, and when the code has died."""
    begun = clock.now
    id = house.code()  # lives for 120 s
    house.deliver(id)
    due(200)
    assert [at - begun for at, _ in polled.looks] == [exactly(seconds) for seconds in (5, 20, 60, 120)]
    assert {theirs for _, theirs in polled.looks} == {"a-1"}
    assert services.get(id).state is State.SENT


def test_a_sweep_of_codes_looks_for_it(house, polled, clock):
    house.deliver(house.code())
    clock.advance(5)
    tasks.sweep("bulk", int(clock.now * 1000))
    assert polled.looks == []
    tasks.sweep("otp", int(clock.now * 1000))
    assert [theirs for _, theirs in polled.looks] == ["a-1"]


def test_a_message_that_lives_long_is_looked_for_ten_minutes(house, polled, due, clock):
    begun = clock.now
    house.deliver(house.send())
    due(700)
    assert [at - begun for at, _ in polled.looks] == [exactly(seconds) for seconds in (5, 20, 60, 600)]


def test_what_is_found_ends_the_looking(house, polled, due):
    polled.found = State.DELIVERED
    id = house.code()
    house.deliver(id)
    due(120)
    assert services.get(id).state is State.DELIVERED
    assert len(polled.looks) == 1


def test_a_code_that_did_not_arrive_goes_to_the_next(house, polled, due):
    polled.found = State.FAILED
    id = house.code()
    house.deliver(id)
    due(6)
    assert house.published[-1] == id
    assert house.deliver(id).alias == "b"
    due(120)
    assert len(polled.looks) == 1


def test_a_look_that_fails_is_told_and_comes_again(house, polled, due):
    polled.found = TemporaryFailure("x", code="503")
    house.deliver(house.code())
    with capture_logs() as logs:
        due(21)
    assert [line["event"] for line in logs] == ["follow_up_failed"] * 2
    assert logs[0]["error"] == "503"


def test_a_fault_of_the_module_is_told_without_its_text(house, polled, due):
    polled.found = ValueError(f"+{PHONE} 123456")
    house.deliver(house.code())
    with capture_logs() as logs:
        due(6)
    assert [(line["event"], line["error"]) for line in logs] == [("provider_raised", "ValueError")]
    assert "123456" not in repr(logs)


def test_the_next_vendor_is_looked_at_as_often(house, polled, due):
    house.providers["b"].reports_by_poll = True
    id = house.send(queue="otp", expires_at=time.time() + 300, resend_unknown=True)
    house.deliver(id)
    due(59)
    polled.found = State.FAILED
    due(2)
    house.deliver(id)
    due(70)
    assert len(polled.looks) == 3
    assert len(house.providers["b"].looks) == 3


def test_looks_count_towards_the_rate(house, polled, due, clock):
    """No call more than the vendor allows, whatever for: here one in 4 s."""
    house.rate("a", 0.25)
    house.settings.SMS_ROUTES = {"default": "a"}
    ids = [house.code() for _ in range(3)]
    house.work_by(clock)
    for id in ids:
        broker.publish(id, "otp")
    due(100)
    times = sorted([*polled.times, *(at for at, _ in polled.looks)])
    assert len(polled.looks) > 3
    assert min(b - a for a, b in pairwise(times)) >= 3.9 - 0.01


def sent(house, alias: str, count: int = 1) -> None:
    """So many codes that ``alias`` has just taken, and will be asked about."""
    for number in range(count):
        id = house.code()
        store.claim(id)
        theirs = f"{alias}-{number}"
        polls = follow_ups.After(polls=True)
        store.finish(id, State.SENT, after=polls, alias=alias, provider_message_id=theirs)


@pytest.mark.parametrize("rate", [1, 0])
def test_a_backlog_of_one_alias_is_not_in_the_way_of_another(house, polled, due, clock, rate):
    """Neither one that its own rate holds back, nor one of more looks than are made in a second."""
    house.providers["b"].reports_by_poll = True
    house.rate("a", rate)
    for _ in range(10):
        sent(house, "a", 50)
        due(1)
    begun = clock.now
    sent(house, "b")
    due(130)
    assert [at - begun for at, _ in house.providers["b"].looks] == [
        exactly(seconds) for seconds in (5, 20, 60, 120)
    ]
    if rate:
        assert busiest([at for at, _ in polled.looks]) == 1


def look_up(alias: str) -> None:
    """Make the looks that are due to an alias, in each cell."""
    for cell in cells.every():
        tasks.follow_up("look_up", alias, *([cell] if cell else []))


@pytest.fixture
def entries(monkeypatch, one_list):
    """Those that the broker has taken, and no worker yet."""
    found = []
    monkeypatch.setattr(
        broker, "follow_up", lambda kind, alias, _, *cell: found.append((kind, alias, *cell)) or True
    )
    return found


def test_calls_keep_to_the_rate_however_late_their_entries_come(house, polled, entries, clock):
    house.rate("a", 10)
    sent(house, "a", 100)
    clock.advance(5)
    for _ in range(40):
        clock.advance(1)
        follow_up.publish_due()
    for entry in entries:
        tasks.follow_up(*entry)
    assert len(entries) > 30
    assert len(polled.looks) == 2  # one, and what was left unused in the last 0.1 s


@pytest.mark.one_cell  # of which each has a share
def test_so_many_are_woken_in_a_second_for_each_alias(house, polled, entries, clock):
    house.providers["b"].reports_by_poll = True
    sent(house, "a", 50)
    sent(house, "b", 3)
    clock.advance(5)
    follow_up.publish_due()
    assert sorted(entries) == [("look_up", "a")] * 20 + [("look_up", "b")] * 3


@pytest.mark.one_cell  # the rate is in the hub, which is asked when a call begins
def test_nobody_is_woken_for_what_the_rate_does_not_allow(house, polled, entries, clock):
    house.rate("a", 0.5)
    sent(house, "a", 50)
    clock.advance(5)
    for count in (1, 0, 1):
        entries.clear()
        follow_up.publish_due()
        assert len(entries) == count
        for entry in entries:
            tasks.follow_up(*entry)
        clock.advance(1)


def test_one_entry_is_enough_for_what_is_due(house, polled, entries, clock):
    sent(house, "a", 50)
    clock.advance(5)
    follow_up.publish_due()
    tasks.follow_up(*entries[0])
    assert len(polled.looks) == 50


def test_it_ends_where_another_task_waits(house, polled, entries, clock, monkeypatch):
    """Codes, maybe: they wait for one call at most."""
    sent(house, "a", 50)
    clock.advance(5)
    monkeypatch.setattr(state, "reserved_requests", {"one more"})
    look_up("a")
    assert len(polled.looks) == 1


@pytest.mark.usefixtures("one_list")
def test_it_ends_after_a_second(house, polled, clock, monkeypatch):
    """Each second others are woken, so that no more and more of them hold the slots of a slow alias."""
    sent(house, "a", 50)
    clock.advance(5)
    monkeypatch.setattr(follow_up, "SLICE", 0.2)
    polled.takes_long = 0.15
    look_up("a")
    assert 1 <= len(polled.looks) <= 2


def test_codes_go_before_looks(house, polled, clock):
    """Even while a code that waited for its place has not come back yet."""
    house.rate("a", 0.2)
    house.settings.SMS_ROUTES = {"default": "a"}
    house.deliver(house.code())
    waits = house.code()
    assert house.deliver(waits).state is State.QUEUED
    clock.advance(7)
    look_up("a")
    assert polled.looks == []
    assert house.deliver(waits).state is State.SENT
    clock.advance(5)
    look_up("a")
    assert len(polled.looks) == 1


def test_a_look_without_a_slot_is_made_later(house, polled, due, clock):
    sent(house, "a")
    with ExitStack() as stack:
        while house.aliases["a"].has_slot:
            stack.enter_context(house.aliases["a"].slot())
        due(6)
        assert polled.looks == []
    due(1)
    assert len(polled.looks) == 1


# --- another alias has it by now -------------------------------------------------------------------


def test_an_entry_that_waited_asks_nobody_about_another_alias(house, polled, entries, clock):
    """The one that has the message by then may call us, and can be asked nothing."""
    id = house.code()
    house.deliver(id)
    clock.advance(5)
    follow_up.publish_due()
    receipts.take("a", {}, f"{id} failed".encode(), "/", "/")
    assert house.deliver(id).alias == "b"
    with capture_logs() as logs:
        tasks.follow_up(*entries[0])
    assert logs == []
    assert polled.looks == house.providers["b"].looks == []


def test_nor_is_another_alias_asked_before_its_time(house, polled, entries, clock):
    house.providers["b"].reports_by_poll = True
    id = house.code()
    house.deliver(id)
    clock.advance(5)
    follow_up.publish_due()
    receipts.take("a", {}, f"{id} failed".encode(), "/", "/")
    house.deliver(id)
    tasks.follow_up(*entries[0])
    assert house.providers["b"].looks == []
    clock.advance(5)
    look_up("b")
    assert [theirs for _, theirs in house.providers["b"].looks] == ["b-1"]


def test_what_has_ended_meanwhile_is_not_asked_about(house, polled, entries, clock):
    id = house.code()
    house.deliver(id)
    clock.advance(5)
    follow_up.publish_due()
    receipts.take("a", {}, f"{id} delivered".encode(), "/", "/")
    tasks.follow_up(*entries[0])
    assert polled.looks == []


@pytest.fixture
def overtaken(house, polled, clock):
    """A look at what ``a`` has sent: before ``a`` answers, the message is handed over anew."""
    id = house.code()
    house.deliver(id)
    clock.advance(5)

    def look(found: State, **then: str) -> Message | None:
        def meanwhile() -> None:
            receipts.take("a", {}, f"{id} failed".encode(), "/", "/")
            house.settings.SMS_ROUTES = then
            house.deliver(id)

        polled.found, polled.meanwhile_looking = found, meanwhile
        look_up("a")
        return services.get(id)

    return look


@pytest.mark.parametrize("found", [State.FAILED, State.UNKNOWN, State.SENT])
@pytest.mark.parametrize(("route", "now"), [("a>b", "b"), ("a", "a")])
def test_what_was_found_out_says_nothing_of_the_next_hand_off(overtaken, found, route, now):
    """That goes to another alias, or once more to the same one, if the route has no other left."""
    message = overtaken(found, default=route)
    number = {"b": 1, "a": 2}[now]
    assert (message.state, message.alias, message.provider_message_id) == (State.SENT, now, f"{now}-{number}")


def test_who_has_the_code_needs_no_other(overtaken):
    message = overtaken(State.DELIVERED, default="a>b")
    assert (message.state, message.alias, message.provider_message_id) == (State.DELIVERED, "a", "a-1")


def test_a_word_of_an_alias_that_nobody_knows_says_nothing_of_another(house, polled):
    """Nor is an id from there given to an alias that names none."""
    id = house.code()
    house.deliver(id)
    receipts.take("a", {}, f"{id} failed".encode(), "/", "/")
    house.deliver(id)
    receipts.take("a", {}, f"{id} unknown".encode(), "/", "/")
    message = services.get(id)
    assert (message.state, message.alias, message.provider_message_id) == (State.SENT, "b", "b-1")
    receipts.take("a", {}, f"{id} delivered".encode(), "/", "/")
    message = services.get(id)
    assert (message.state, message.alias, message.provider_message_id) == (State.DELIVERED, "a", "")


def test_a_word_that_nobody_knows_does_not_end_the_looking(house, polled, due):
    id = house.code()
    house.deliver(id)
    polled.found = State.UNKNOWN
    due(6)
    assert services.get(id).state is State.UNKNOWN
    polled.found = State.FAILED
    due(20)
    assert house.deliver(id).alias == "b"


def test_who_calls_us_is_not_asked(house, due):
    house.deliver(house.code())
    due(120)
    assert house.providers["a"].looks == []


# --- an id of the vendor's own ---------------------------------------------------------------------


@pytest.fixture
def own(house):
    for provider in house.providers.values():
        provider.refers_by_own_id = True
    return house


def report(alias: str, theirs: str, word: str) -> int:
    return receipts.take(alias, {}, f"{theirs} {word}".encode(), "/", "/")


def test_a_receipt_that_names_their_id_alone(own):
    id = own.code()
    own.deliver(id)
    assert report("a", "a-1", "delivered") == 1
    assert services.get(id).state is State.DELIVERED


def test_the_same_id_of_another_vendor_is_another_message(own):
    id = own.code()
    own.deliver(id)
    assert report("b", "a-1", "delivered") == 0
    assert services.get(id).state is State.SENT


@pytest.mark.parametrize(
    "words", [["delivered"], ["sent", "delivered"], ["delivered", "sent"], ["delivered", "unknown"]]
)
def test_a_receipt_that_overtakes_the_answer_of_its_call(own, words):
    for word in words:
        assert report("a", "a-1", word) == 0
    id = own.code()
    own.deliver(id)
    assert services.get(id).state is State.DELIVERED


def test_it_is_handed_out_again_where_the_answer_of_redis_got_lost(own):
    """A second request learns of it as well."""
    report("a", "a-1", "delivered")
    id = own.code()
    attempt = store.claim(id).found
    assert isinstance(attempt, Attempt)
    after = follow_ups.After(refers_by_own_id=True)
    first, again = (
        store.finish(id, State.SENT, after=after, alias="a", provider_message_id="a-1") for _ in range(2)
    )
    assert (first.moved, again.moved, first.early) == (True, False, again.early)
    assert again.early


def test_a_failure_that_overtakes_it_sends_the_code_on(own):
    report("a", "a-1", "failed")
    id = own.code()
    own.deliver(id)
    assert own.deliver(id).alias == "b"


def test_what_nobody_sent_is_kept_for_a_minute(own, redis):
    report("a", "strange", "delivered")
    (key,) = redis.keys(names.THEIRS + "*")
    assert 0 < redis.pttl(key) <= 60_000


# --- feedback --------------------------------------------------------------------------------------


@pytest.fixture
def learns(house):
    house.providers["a"].takes_feedback = True
    house.settings.OTP_LIMITS = "off"
    return house.providers["a"]


def test_a_code_that_was_typed_is_told(house, learns, due):
    verification = otp.start(PHONE)
    house.deliver(verification.message_id)
    code = learns.calls[0].code
    due(10)
    assert learns.told == []
    assert otp.check(verification.id, code).status == "valid"
    due(1)
    assert [(theirs, typed) for _, theirs, typed in learns.told] == [("a-1", True)]
    due(200)
    assert len(learns.told) == 1


def test_a_code_that_died_is_told_when_it_has(house, learns, due, clock):
    begun = clock.now
    verification = otp.start(PHONE)
    house.deliver(verification.message_id)
    otp.check(verification.id, "x")
    due(200)
    ((at, theirs, typed),) = learns.told
    assert (theirs, typed) == ("a-1", False)
    assert at - begun == pytest.approx(120, abs=1.1)


def test_one_that_was_typed_before_the_vendor_had_answered(house, learns, due):
    verification = otp.start(PHONE)
    learns.meanwhile = lambda sms: otp.check(verification.id, sms.code)
    house.deliver(verification.message_id)
    due(2)
    assert [typed for _, _, typed in learns.told] == [True]


def test_of_two_sms_with_a_code_the_latter_is_told(house, learns, due, clock):
    verification = otp.start(PHONE)
    house.deliver(verification.message_id)
    clock.advance(31)
    again = otp.resend(verification.id)
    house.deliver(again.message_id)
    assert otp.check(verification.id, learns.calls[-1].code).status == "valid"
    due(200)
    assert [(theirs, typed) for _, theirs, typed in learns.told] == [("a-2", True)]


def test_other_messages_teach_nothing(house, learns, due):
    house.deliver(house.send())
    due(200)
    assert learns.told == []


def test_nobody_who_learns_nothing_is_told(house, due):
    house.deliver(otp.start(PHONE).message_id)
    due(200)
    assert house.providers["a"].told == []


@pytest.mark.parametrize(
    "args", [(), ("look_up",), ("shout", "a"), (1, "a"), ("look_up", "+12025550123"), ("look_up", ["a"])]
)
def test_an_entry_that_is_none_is_dropped(house, args):
    with capture_logs() as logs:
        tasks.follow_up(*args)
    assert [line["event"] for line in logs] == ["entry_dropped"]


def test_a_follow_up_of_what_is_gone_is_nothing(house, polled, due, redis):
    id = house.code()
    house.deliver(id)
    redis.delete(names.RECORD + id)
    due(10)
    assert polled.looks == []
    assert not redis.exists(names.POLLS + "a")
