"""A vendor that can takes the message of a dead code back, once, and of no other."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from otp import services as otp
from otp.errors import NotAllowed
from sms import broker, cells, names, receipts, services, store, tally, tasks, told
from sms.delivery import follow_up
from sms.errors import TemporaryFailure
from sms.message import State
from tests.sms.house import PHONE


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
def vendor(house):
    """The first of the route: it can revoke."""
    house.providers["a"].revokes = True
    house.settings.OTP_LIMITS = "off"
    return house.providers["a"]


@pytest.fixture
def started(house, vendor):
    """A verification whose message the vendor has taken."""
    verification = otp.start(PHONE)
    assert house.deliver(verification.message_id).state is State.SENT
    return verification


def revoked(vendor) -> list[str]:
    return [theirs for _, theirs in vendor.revoked]


def typed(vendor, verification, call=-1):
    return otp.check(verification.id, vendor.calls[call].code).status


# --- when the code is dead -------------------------------------------------------------------------


def test_a_cancelled_code(started, vendor, due):
    assert otp.cancel(started.id)
    assert revoked(vendor) == []  # a worker does it, not whoever cancels
    due(1)
    assert revoked(vendor) == ["a-1"]
    due(200)
    assert revoked(vendor) == ["a-1"]


def test_a_code_that_a_newer_start_replaces(house, started, vendor, due):
    due(31)
    again = otp.start(PHONE)
    house.deliver(again.message_id)
    due(200)
    assert revoked(vendor) == ["a-1"]


def test_a_resend_with_a_new_code(house, vendor, due, settings):
    settings.OTP_PURPOSES = {"login": {"new_code_on_resend": True}}
    verification = otp.start(PHONE)
    house.deliver(verification.message_id)
    due(31)
    house.deliver(otp.resend(verification.id).message_id)
    due(20)
    assert vendor.calls[0].code != vendor.calls[1].code
    assert revoked(vendor) == ["a-1"]


def test_a_code_that_is_blocked(started, vendor, due):
    for _ in range(3):
        otp.check(started.id, "x")
    due(200)
    assert revoked(vendor) == ["a-1"]


def test_a_blocked_code_that_is_cancelled_then_is_revoked_once(started, vendor, due):
    for _ in range(3):
        otp.check(started.id, "x")
    due(5)
    assert otp.cancel(started.id)
    due(5)
    assert revoked(vendor) == ["a-1"]


def test_a_message_that_is_called_back_by_itself(house, vendor, due):
    id = house.code()
    house.deliver(id)
    services.cancel(id)
    due(2)
    assert revoked(vendor) == ["a-1"]


def test_one_that_is_being_sent(house, vendor, due):
    verification = otp.start(PHONE)
    vendor.meanwhile = lambda _: otp.cancel(verification.id)
    house.deliver(verification.message_id)
    due(200)
    assert revoked(vendor) == ["a-1"]


# --- while it lives, or was of use -----------------------------------------------------------------


def test_a_code_that_was_typed(house, started, vendor, due):
    assert typed(vendor, started) == "valid"
    assert not otp.cancel(started.id)
    due(31)
    house.deliver(otp.start(PHONE).message_id)
    due(200)
    assert revoked(vendor) == []


def test_a_code_that_was_typed_before_the_vendor_had_answered(house, vendor, due):
    verification = otp.start(PHONE)
    vendor.meanwhile = lambda sms: otp.check(verification.id, sms.code)
    house.deliver(verification.message_id)
    due(200)
    assert revoked(vendor) == []


def test_a_code_that_nobody_types(started, vendor, due):
    """Its own time to live ends it at the vendor."""
    due(300)
    assert revoked(vendor) == []


@pytest.fixture
def resent(house, started, due):
    """The same code went out once more, by a message of its own."""
    due(31)
    again = otp.resend(started.id)
    house.deliver(again.message_id)
    return again


def test_the_same_code_once_more(resent, vendor, due):
    """The user may read either message."""
    due(20)
    assert vendor.calls[0].code == vendor.calls[1].code
    assert revoked(vendor) == []
    assert typed(vendor, resent, 0) == "valid"
    due(200)
    assert revoked(vendor) == []


def test_when_that_dies_all_its_messages_are_revoked(resent, vendor, due):
    assert otp.cancel(resent.id)
    due(5)
    assert sorted(revoked(vendor)) == ["a-1", "a-2"]


def test_and_those_that_another_alias_has_are_not(house, started, vendor, due):
    due(31)
    house.settings.SMS_ROUTES = {"default": "b"}
    again = otp.resend(started.id)
    assert house.deliver(again.message_id).alias == "b"
    assert otp.cancel(again.id)
    due(5)
    assert (revoked(vendor), revoked(house.providers["b"])) == (["a-1"], [])


def test_a_message_that_another_takes_the_place_of(house, vendor, due):
    """Whether that has the same code, only otp knows."""
    id = house.code()
    house.deliver(id)
    house.send(replaces=id)
    due(5)
    assert revoked(vendor) == []


def test_a_refused_resend_revokes_nothing(started, vendor, due):
    typed(vendor, started)
    with pytest.raises(NotAllowed):
        otp.resend(started.id)
    due(5)
    assert revoked(vendor) == []


# --- only where the vendor that has it can ---------------------------------------------------------


def test_what_has_arrived_stays(house, started, vendor, due):
    receipts.take("a", {}, f"{started.message_id} delivered".encode(), "/", "/")
    otp.cancel(started.id)
    due(5)
    assert revoked(vendor) == []


def test_what_arrives_before_the_worker_comes_stays(house, started, vendor, due):
    otp.cancel(started.id)
    receipts.take("a", {}, f"{started.message_id} delivered".encode(), "/", "/")
    due(5)
    assert revoked(vendor) == []


def test_who_cannot_is_not_asked(house, due, redis):
    house.settings.OTP_LIMITS = "off"
    verification = otp.start(PHONE)
    house.deliver(verification.message_id)
    otp.cancel(verification.id)
    due(5)
    assert revoked(house.providers["a"]) == []
    assert not redis.keys(names.REVOKES + "*")


@pytest.mark.parametrize("next_can", [True, False])
def test_whoever_has_it_now_is_asked(house, started, vendor, due, next_can):
    house.providers["b"].revokes = next_can
    receipts.take("a", {}, f"{started.message_id} failed".encode(), "/", "/")
    assert house.deliver(started.message_id).alias == "b"
    otp.cancel(started.id)
    due(5)
    assert (revoked(vendor), revoked(house.providers["b"])) == ([], ["b-1"] if next_can else [])


# --- how -------------------------------------------------------------------------------------------


def test_nothing_stays_in_redis_for_good(started, vendor, redis):
    otp.cancel(started.id)
    (key,) = redis.keys(names.REVOKES + "*")
    assert redis.zcard(key) == 1
    follow_up.run("revoke", "a", cells.of_id(started.message_id))
    assert revoked(vendor) == ["a-1"]
    assert not redis.exists(key)


def test_what_waits_has_an_end(house, vendor, redis):
    verification = otp.start(PHONE)
    house.deliver(verification.message_id)
    otp.cancel(verification.id)
    assert 3_500_000 < redis.pttl(names.REVOKES + "a") <= 3_600_000


def test_it_counts_towards_the_rate(house, vendor, due, clock):
    house.rate("a", 0.1)
    for number in range(3):
        verification = otp.start(f"+1202555017{number}")
        house.deliver(verification.message_id)
        clock.advance(10)
        otp.cancel(verification.id)
    due(12)
    assert len(vendor.revoked) == 2
    due(60)
    assert sorted(revoked(vendor)) == ["a-1", "a-2", "a-3"]


def test_one_that_fails_is_told_and_not_repeated(started, vendor, due):
    vendor.revoking = TemporaryFailure("x", code="503")
    otp.cancel(started.id)
    with capture_logs() as logs:
        due(30)
    assert [(line["kind"], line["error"]) for line in logs if line["event"] == "follow_up_failed"] == [
        ("revoke", "503")
    ]
    assert len(vendor.revoked) == 1


# --- what the vendor says then ---------------------------------------------------------------------


def test_what_was_revoked_has_not_failed(house, started, vendor, due):
    """Nor does it speak against the alias, or go to the next one."""
    otp.cancel(started.id)
    due(1)
    assert receipts.take("a", {}, f"{started.message_id} failed".encode(), "/", "/") == 1
    message = store.get(started.message_id)
    assert (message.state, message.fault, message.error_class) == (State.CANCELLED, "", "")
    (counted,) = tally.read("counts")
    assert counted["receipts|cancelled|a|US"] == 1
    assert not house.redis.exists(f"{names.HEALTH}a:US")
    (story,) = told.look(started.message_id, by="nobody")
    said = " ".join(line.text for line in story.lines)
    assert "took it back before it reached the phone. It is no longer needed." in said
    assert "cancelled before it was sent" not in said


def test_what_fails_by_itself_goes_on(house, started, vendor):
    receipts.take("a", {}, f"{started.message_id} failed".encode(), "/", "/")
    assert house.deliver(started.message_id).alias == "b"


def test_what_arrived_all_the_same_has(started, vendor, due):
    otp.cancel(started.id)
    due(1)
    receipts.take("a", {}, f"{started.message_id} delivered".encode(), "/", "/")
    assert store.get(started.message_id).state is State.DELIVERED
