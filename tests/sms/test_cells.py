"""Several cells: what each of them decides for its own phones, and what the hub does for all."""

from __future__ import annotations

import time

import pytest

from sms import broker, cells, follow_ups, hub, names, services, store
from sms.delivery import drain, follow_up
from sms.errors import Overloaded, TemporaryFailure
from sms.message import State
from tests.sms.house import PHONE, House, exactly
from tests.tagged import looking


@pytest.fixture(autouse=True)
def many(settings):
    settings.REDIS_CELLS = 16


@pytest.fixture
def house(many, monkeypatch, settings):
    return House(monkeypatch, settings, looking())


def send(cell: int, queue: str = "otp") -> str:
    """A message in this cell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "of_any", lambda: cell)
        dies, is_code = time.time() + 120, queue == "otp"
        return services.send(PHONE, "123456", queue=queue, expires_at=dies, resend_unknown=is_code).id


def test_the_backlog_of_a_cell_refuses_its_own_phones_alone(house):
    ids = [send(3) for _ in range(20)]
    house.redis.zadd(names.WAITING + "otp", dict.fromkeys(ids, (time.time() - 11) * 1000))
    with pytest.raises(Overloaded):
        send(3)
    send(4)


def test_codes_go_first_in_each_cell(house, monkeypatch):
    bulk, codes, other = send(2, "bulk"), {send(2) for _ in range(3)}, send(5)
    monkeypatch.setattr(drain, "_queues", ("otp", "bulk"))
    drain.drain(bulk)
    asked = [sms.id for sms in house.providers["a"].calls]
    assert set(asked[:3]) == codes
    assert asked[3:] == [bulk]
    assert services.get(other).state is State.QUEUED  # its own entry wakes a worker


def test_the_rate_of_an_alias_is_one_for_all_cells(house, clock):
    house.settings.SMS_ROUTES = {"default": "a"}
    house.rate("a", 0.5)
    assert [house.deliver(send(cell)).state for cell in (1, 2, 3)] == [State.SENT, State.QUEUED, State.QUEUED]
    waits = house.redis.zrange(names.LINE + "a:otp", 0, -1, withscores=True)
    assert [at / 1000 - clock.now for _, at in waits] == [exactly(2 - 0.1), exactly(4 - 0.1)]


def test_a_settled_message_leaves_the_line_in_the_hub(house, clock):
    house.settings.SMS_ROUTES = {"default": "a"}
    house.rate("a", 0.5)
    house.deliver(send(1))
    settled = send(2)
    house.deliver(settled)
    assert house.redis.zcard(names.LINE + "a:otp") == 1
    assert services.cancel(settled)
    assert house.redis.zcard(names.LINE + "a:otp") == 0
    clock.advance(3)
    assert house.deliver(send(3)).state is State.SENT


def test_one_probe_for_all_cells(house):
    house.hold("a", open_until=1)
    choices = [house.choose(send(cell), "ab") for cell in (1, 2, 3)]
    assert [(choice.alias, choice.probe) for choice in choices] == [("a", True), ("b", False), ("b", False)]


def test_calls_that_worked_are_told_once_a_second_and_others_at_once(house, monkeypatch):
    monkeypatch.setattr(hub, "RELIED", 20.0)
    hub._forget()
    for cell in range(1, 4):
        house.deliver(send(cell))
    assert not house.redis.exists(names.HEALTH + "a")
    house.providers["a"].outcomes = [TemporaryFailure("x")]
    house.deliver(send(4))
    assert house.redis.hmget(names.HEALTH + "a", "good", "bad") == [b"3", b"1"]
    house.deliver(send(5))
    assert house.redis.hget(names.HEALTH + "a", "good") == b"3"
    hub._view.told_at -= 20
    house.deliver(send(6))
    assert house.redis.hget(names.HEALTH + "a", "good") == b"5"


def polled(house: House, count: int, *, among: int) -> None:
    """So many codes that an alias has taken, and is to be asked about."""
    house.providers["a"].reports_by_poll = True
    for number in range(count):
        id = send(number % among + 1)
        store.claim(id)
        polls = follow_ups.After(polls=True)
        store.finish(id, State.SENT, after=polls, alias="a", provider_message_id=f"a-{number}")


def test_each_cell_has_its_share_of_the_tasks_for_follow_up_calls(house, clock, monkeypatch):
    entries = []
    monkeypatch.setattr(broker, "follow_up", lambda *entry: entries.append(entry) or True)
    polled(house, 60, among=12)
    clock.advance(5)
    follow_up.publish_due()
    assert sorted(entries) == [("look_up", "a", "otp", cell) for cell in range(1, 13)]


def test_a_follow_up_call_takes_its_part_of_the_rate_if_it_is_made(house, clock):
    house.rate("a", 0.2)
    polled(house, 1, among=1)
    clock.advance(6)
    for cell in (7, 8, 1, 9):
        follow_up.run("look_up", "a", cell)
    assert len(house.providers["a"].looks) == 1
    assert not hub.begin_call("a", 5000)
    clock.advance(5)
    assert hub.begin_call("a", 5000)
