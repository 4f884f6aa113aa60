"""The history of one user's messages, step by step."""

from __future__ import annotations

import pytest

from otp import services as codes
from otp.caller import Caller
from otp.errors import NotAllowed
from otp.handler import OTPHandler
from sms import cells, history, ids, names, receipts, services
from sms.errors import InvalidReference, TemporaryFailure
from sms.scripts import client
from sms.testing import code_in, outbox
from tests.sms.house import PHONE


def steps(told: history.Told) -> list[tuple[str, str, str]]:
    return [(step.what, step.alias, step.word) for step in told.steps]


def test_a_code_tells_its_story(house):
    house.providers["a"].outcomes = [TemporaryFailure("x", code="busy")]
    id = house.code()
    house.deliver(id)
    receipts.take("b", {}, f"{id} delivered".encode(), "/", "")
    (told,) = history.of_number(PHONE)
    assert (told.message.id, told.message.state) == (id, "delivered")
    assert steps(told) == [
        ("call_temporary", "a", "busy"),
        ("call_accepted", "b", ""),
        ("receipt_delivered", "b", "delivered"),
    ]
    assert [step.at for step in told.steps] == sorted(step.at for step in told.steps)


def test_guesses_and_a_cancellation_stand_in_the_story(settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    first = codes.start(PHONE, reference="order-1")
    codes.check(first.id, "x")
    codes.check(first.id, code_in(outbox[-1].body))
    second = codes.start(PHONE, reference="order-2")
    codes.cancel(second.id)
    told = history.of_number(PHONE)
    assert [one.message.reference for one in told] == ["order-2", "order-1"]
    assert [what for what, *_ in steps(told[1])] == ["call_accepted", "check_invalid", "check_valid"]
    assert [what for what, *_ in steps(told[0])] == ["call_accepted", "cancelled_by_caller"]


@pytest.mark.parametrize("by", ["number", "reference", "verification", "id"])
def test_a_message_is_found_by(settings, by):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    started = codes.start(PHONE, reference="order-1", caller=Caller("shop"))
    codes.start("+12025550199")
    match by:
        case "number":
            (told,) = history.of_number(PHONE)
        case "reference":
            (told,) = history.of_reference("order-1")
        case "verification":
            (told,) = history.of_verification(started.id)
        case _:
            found = history.of_id(started.message_id)
            assert found
            told = found
    message = told.message
    assert (message.id, message.verification_id) == (started.message_id, started.id)
    assert (message.purpose, message.api_key, message.reference) == ("login", "shop", "order-1")


def test_a_resend_is_found_by_the_same(settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    started = codes.start(PHONE, reference="order-1")
    codes.resend(started.id)
    assert len(history.of_reference("order-1")) == len(history.of_verification(started.id)) == 2


def test_a_number_is_found_after_its_secret_was_changed(settings):
    codes.start(PHONE)
    settings.PHONE_SECRET_KEY_FALLBACKS = [settings.PHONE_SECRET_KEY]
    settings.PHONE_SECRET_KEY = "x" * 40
    assert len(history.of_number(PHONE)) == 1
    settings.PHONE_SECRET_KEY_FALLBACKS = []
    assert history.of_number(PHONE) == []


def test_nothing_readable_and_all_of_it_ends(redis, settings):
    codes.start(PHONE, reference="order-1")
    for key in [*redis.keys(names.FOUND_BY + "*"), *redis.keys(names.STORY + "*")]:
        assert 0 < redis.pttl(key) <= 72 * 3_600_000
        assert b"2025550123" not in key + redis.dump(key)
    assert redis.keys(names.FOUND_BY + "*")
    assert redis.keys(names.STORY + "*")


@pytest.mark.usefixtures("one_list")
def test_the_latest_hundred_are_found(redis):
    (place,) = history.places(PHONE, "", "", cell=cells.of_any())
    with client(cells.of_any()) as there:
        there.lpush(place, *map(str, range(150)))
        id = services.send(PHONE, "Hello").id
        assert there.llen(place) == 100
    assert [told.message.id for told in history.of_number(PHONE)] == [id]


def keep(cell: int, at: int, **found_by: str) -> str:
    """Write the record of a message, and lists with it, into a cell."""
    id = ids.new(cell)
    lists = {"reference": "", "verification_id": "", "api_key": ""} | found_by
    with client(cell) as redis:
        record = {"state": "sent", "created_at": at, "expires_at": at}
        redis.hset(names.key(names.RECORD + id, cell), mapping=record)
        redis.rpush(names.key(names.STORY + id, cell), f"{at}|check_valid||0|")
        for place in history.places(PHONE, **lists, cell=cell):
            redis.lpush(place, id)
    return id


def test_messages_are_found_in_every_cell(settings):
    settings.REDIS_CELLS = 4
    first, second, third = keep(3, 1000), keep(1, 2000, reference="order-1"), keep(3, 3000)
    assert [told.message.id for told in history.of_number(PHONE)] == [third, second, first]
    assert [told.message.id for told in history.of_reference("order-1")] == [second]
    told = history.of_id(first)
    assert told
    assert steps(told) == [("check_valid", "", "")]
    verification = ids.new(2)
    fourth = keep(2, 4000, verification_id=verification, api_key="shop")
    assert [told.message.id for told in history.of_verification(verification)] == [fourth]
    assert [told.message.id for told in history.of_api_key("shop")] == [fourth]


def test_the_latest_hundred_of_all_cells_are_found(settings):
    settings.REDIS_CELLS = 4
    kept = [keep(n % 4 + 1, n) for n in range(150)]
    found = [told.message.id for told in history.of_number(PHONE)]
    assert found == kept[:-101:-1]


def test_a_story_has_an_end(house, redis):
    id = house.code()
    house.deliver(id)
    redis.rpush(names.STORY + id, *["1|x||0|"] * 98)
    for word in ("delivered", "failed", "delivered"):
        receipts.take("a", {}, f"{id} {word}".encode(), "/", "")
    assert redis.llen(names.STORY + id) == 100


@pytest.mark.parametrize(
    "reference",
    [
        *("+12025550123", "x" * 65, "two words", "ü"),
        *("4915112345678", "0049-151/1234.5678", "2025550123", "555-0123", "1:2_3.4/5-6:7"),  # 7 to 15 digits
        "0062812345678901",  # 16, as it is dialled from abroad
        *("max@example.com", "otpost_Zk3-Zk3-Zk3-Zk3-Zk3-Zk3-Zk3-Zk3-Zk3-Zk3", "key:otpost_x"),
    ],
)
def test_what_could_be_of_a_person_is_no_reference(reference):
    with pytest.raises(InvalidReference):
        services.send(PHONE, "Hello", reference=reference)
    with pytest.raises(NotAllowed) as caught:
        codes.start(PHONE, reference=reference)
    assert (caught.value.code, caught.value.field) == ("reference_invalid", "reference")


@pytest.mark.parametrize(
    "reference",
    [
        *("order-1234567", "2026-11-28T10:00", "911", "100001", "99999999999999999"),
        "order-4915112345678",  # nobody can tell an order's digits from a phone's
    ],
)
def test_what_is_taken_for_a_reference(settings, reference):
    settings.PHONE_REGION = "DE"
    assert services.send(PHONE, "Hello", reference=reference).reference == reference


def test_a_short_mobile_of_the_region_is_no_reference(settings):
    services.send(PHONE, "Hello", reference="211-234")
    settings.PHONE_REGION = "FO"
    with pytest.raises(InvalidReference):
        services.send(PHONE, "Hello", reference="211-234")


def test_a_code_without_a_message_has_no_story(redis, clock):
    """The clock that stands still keeps even what would live for only a millisecond."""
    OTPHandler.generate_otp(PHONE)
    assert OTPHandler.cancel(PHONE)
    assert redis.keys(names.STORY + "*") == []
