"""Several cells: what belongs to a phone is in one of them, and a change of their number loses nothing."""

from __future__ import annotations

import pytest

from otp import digests, services, sessions, steps
from otp.caller import Caller
from otp.errors import RateLimited, StoreUnavailable
from otp.handler import OTPHandler
from otp.names import FAILURES, LIMIT, PHONE, SESSION, VERIFICATION
from sms import broker, cells, hub, names, scripts, sweeper
from sms import services as sms
from sms.delivery.run import deliver
from sms.message import State
from sms.testing import code_in, outbox
from tests.commands import commands
from tests.otp.test_rotation import rotate
from tests.tagged import looking

NUMBER = "+12025550123"


@pytest.fixture(autouse=True)
def many(redis, settings):
    settings.REDIS_CELLS = 16
    settings.OTP_PURPOSES = {"login": {"cooldown": 30}, "signup": {"cooldown": 0}}


def ran(sent: list[str]) -> int:
    """How many scripts ran. A node that does not know one is told it, and asked again."""
    return sent.count("EVALSHA") - sent.count("SCRIPT")


def places(name: str) -> set[int]:
    """The cells in which keys begin like this."""
    return {cell for cell in cells.every() if scripts.connection(cell).keys(f"{names.prefix(cell)}{name}*")}


def test_all_of_a_phone_is_in_one_cell_and_its_ids_lead_there():
    started = services.start(NUMBER)
    services.check(started.id, "000000")
    cell = cells.of_digest(digests.of_phone(NUMBER, "login")[0])
    assert 1 <= cell <= 16
    assert cells.of_id(started.id) == cells.of_id(started.message_id) == cell
    for name in (VERIFICATION, PHONE, FAILURES, names.RECORD, names.STORY):
        assert places(name) == {cell}
    assert places(LIMIT) == {cells.HUB}


def test_phones_are_spread_over_all_cells():
    found = [cells.of_digest(digests.of_phone(f"+1202555{n:04}", "login")[0]) for n in range(100, 1700)]
    counts = [found.count(cell) for cell in cells.every()]
    assert counts[cells.HUB] == 0
    assert min(counts[1:]) > 50  # of 100 on average


def test_a_start_takes_two_scripts_and_one_without_rules_over_many_phones_takes_one(monkeypatch):
    monkeypatch.setattr(broker, "publish", lambda *_: True)
    services.start(NUMBER)
    OTPHandler.generate_otp("+12025550125")
    with commands() as sent:
        services.start("+12025550124")
    assert ran(sent) == 2
    with commands() as sent:
        OTPHandler.generate_otp("+12025550126")
    assert ran(sent) == 1


def test_what_the_cell_refuses_has_not_counted_for_limits(settings):
    settings.OTP_LIMITS = {"phone": "2/1h"}
    services.start(NUMBER)
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            services.start(NUMBER)
        assert caught.value.limit == "cooldown"
    services.start(NUMBER, "signup")
    with pytest.raises(RateLimited) as caught:
        services.start("+12025550123", "signup")
    assert caught.value.limit == "phone"


def test_what_the_cell_refuses_has_not_counted_in_the_guard_and_its_budget(settings):
    settings.GUARD_MODE, settings.GUARD_PRICES, settings.GUARD_BUDGET = "enforce", {"default": 1}, 100
    services.start(NUMBER, caller=Caller(ip="192.0.2.1"))

    def counted() -> dict[bytes, bytes]:
        redis = looking()
        return {key: redis.get(key) for key in redis.keys("otp:guard*") if key != b"otp:guard-over"}

    before = counted()
    assert len(before) > 5
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            services.start(NUMBER, caller=Caller(ip="192.0.2.1"))
        assert caught.value.limit == "cooldown"
    assert counted() == before


def test_a_right_code_is_right_though_the_hub_went_away(settings, monkeypatch):
    started = services.start(NUMBER)
    ask = steps.ask

    def without_hub(name, *given):
        if name == "settle":
            raise StoreUnavailable
        return ask(name, *given)

    monkeypatch.setattr("otp.apart.ask", without_hub)
    assert services.check(started.id, code_in(outbox[0].body)).status == "valid"


def test_what_the_hub_refuses_writes_nothing_for_the_phone(settings):
    settings.OTP_LIMITS = {"phone": "1/1h"}
    services.start(NUMBER)
    with pytest.raises(RateLimited):
        services.start(NUMBER, "signup")
    assert len(looking().keys("otp:verification:*")) == 1


def test_a_wrong_guess_counts_and_a_right_one_does_not(settings):
    settings.OTP_GUESS_LIMITS = {"key": "2/1h"}
    caller = Caller(name="shop")
    started = services.start(NUMBER, caller=caller)
    for _ in range(3):
        other = services.start("+12025550124", "signup", caller=caller)
        assert services.check(other.id, code_in(outbox[-1].body), caller=caller).status == "valid"
    for _ in range(2):
        assert services.check(started.id, "000000", caller=caller).status == "invalid"
    with pytest.raises(RateLimited):
        services.check(started.id, code_in(outbox[0].body), caller=caller)


@pytest.mark.parametrize(("before", "now"), [(1, 4), (4, 16), (16, 4), (16, 1)])
def test_a_change_of_their_number_loses_no_code(settings, before, now):
    settings.REDIS_CELLS = before
    by_id = [services.start(f"+1202555010{n}") for n in range(8)]
    codes = [code_in(sms_.body) for sms_ in outbox]
    by_phone = {f"+1202555011{n}": OTPHandler.generate_otp(f"+1202555011{n}").code for n in range(8)}
    guessed = "+12025550110"
    assert OTPHandler.verify_otp(guessed, "no").attempts_left == 2
    settings.REDIS_CELLS, settings.REDIS_CELLS_BEFORE = now, before
    for number in by_phone:
        assert OTPHandler.generate_otp(number).status == "pending"  # the cooldown goes on
    assert OTPHandler.verify_otp(guessed, "no").attempts_left == 1
    for number, code in by_phone.items():
        assert OTPHandler.verify_otp(number, code).status == "valid"
    for started, code in zip(by_id, codes, strict=True):
        assert services.check(started.id, code).status == "valid"
    new = services.start("+12025550110")  # nothing is left of it, so it moves
    assert cells.of_id(new.id) == steps.home(digests.of_phone("+12025550110", "login"))
    assert cells.of_id(new.id) in (range(1, now + 1) if now > 1 else (0,))


@pytest.mark.parametrize(("before", "now"), [(1, 4), (4, 16)])
def test_a_change_of_their_number_loses_no_message(settings, before, now, monkeypatch):
    settings.REDIS_CELLS = before
    monkeypatch.setattr(broker, "publish", lambda *_: True)
    ids = [sms.send(NUMBER, "Hello").id for _ in range(5)] + [services.start(NUMBER).message_id]
    settings.REDIS_CELLS, settings.REDIS_CELLS_BEFORE = now, before
    looking()
    due = sweeper.late("bulk", 2**53, 200) + sweeper.late("otp", 2**53, 200)
    assert sorted(due) == sorted(ids)
    for id in ids:
        deliver(id)
    assert {message.state for message in sms.get_all(ids)} == {State.SENT}


def test_a_new_secret_moves_no_phone_that_has_a_code(settings):
    issued = OTPHandler.generate_otp(NUMBER)
    started = services.start("+12025550124")
    rotate(settings)
    assert OTPHandler.generate_otp(NUMBER).status == "pending"
    assert OTPHandler.verify_otp(NUMBER, "no").attempts_left == 2
    assert OTPHandler.verify_otp(NUMBER, issued.code).status == "valid"
    assert services.check(started.id, code_in(outbox[0].body)).status == "valid"


def test_a_hand_off_is_valid_even_if_nobody_lives_to_say_so(settings, monkeypatch):
    """Its session is in one cell and its code in another: the result waits in the second."""
    session = sessions.create(owner="shop", return_url="https://shop.example/")
    started = services.start(NUMBER, session=session.id)
    with monkeypatch.context() as patch:
        patch.setattr("otp.apart.session", lambda *_: {})
        assert services.check(started.id, code_in(outbox[0].body)).status == "valid"
    assert looking().hget(SESSION + session.id, "status") == b"pending"
    found = sessions.read(session.id, owner="shop")
    assert (found.status, found.verification_id, found.phone) == ("valid", started.id, NUMBER)
    assert sessions.read(session.id, owner="shop") == found


def test_starts_for_a_session_note_each_cell_once():
    session = sessions.create(owner="shop", return_url="https://shop.example/")
    services.start(NUMBER, session=session.id)
    for _ in range(3):
        with pytest.raises(RateLimited):
            services.start(NUMBER, session=session.id)
    cell = cells.of_digest(digests.of_phone(NUMBER, "login")[0])
    assert looking().hget(SESSION + session.id, "cells") == str(cell).encode()


def test_a_recalled_message_leaves_the_line_in_the_hub(settings, monkeypatch):
    monkeypatch.setattr(broker, "publish", lambda *_: True)
    settings.SMS_PROVIDERS = {"main": "memory://?rate=0.1"}
    first, second = sms.send(NUMBER, "Hello"), sms.send(NUMBER, "Hello")
    for message in (first, second):
        deliver(message.id)
    assert looking().zcard(names.LINE + "main:bulk") == 1
    assert sms.cancel(second.id)
    assert looking().zcard(names.LINE + "main:bulk") == 0


def test_failures_of_messages_in_many_cells_open_one_breaker(settings):
    settings.SMS_PROVIDERS = {"main": "memory://", "spare": "memory://?fail=x"}
    ended = {"alias": "spare", "country": "US", "probe": False, "here": False, "good": 0, "bad": 1}
    ended |= {"at_once": False, "retry_after": 0}
    assert [hub.ended([ended]) for _ in range(5)] == [{}] * 4 + [{"spare": 1}]
    hub._forget()
    assert hub.left_out() == {"spare"}
