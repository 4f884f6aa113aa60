"""A message that no seal key here opens waits, keeps its place, and goes out once a worker has the key."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from structlog.testing import capture_logs

from otp import services as otp
from sms import broker, cells, ids, names, services, store, sweeper
from sms.delivery import run as delivery
from sms.delivery import wakeups
from sms.errors import Overloaded
from sms.message import State
from sms.testing import code_in, outbox
from tests.sms.house import exactly, lease_ends, leave_out

PHONE = "+12025550123"


@pytest.fixture
def queued(monkeypatch):
    """Messages wait until the test calls ``delivery.deliver``. The published entries are here."""
    published: list[str] = []
    monkeypatch.setattr(broker, "publish", lambda message_id, queue: published.append(message_id) or True)
    return published


@pytest.fixture
def keys(settings):
    """The keys of the web process that seals, and of a worker that has others."""
    return {"right": settings.SMS_SEAL_KEYS, "wrong": [Fernet.generate_key().decode()]}


def dead_letters(*arguments: str) -> str:
    out = io.StringIO()
    call_command("dead_letters", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def due(redis, message_id: str) -> float:
    """When it is tried again."""
    return redis.zscore(names.LEASES + "otp", message_id) / 1000


def test_it_keeps_no_probe(house, keys, settings):
    """The call for which it was chosen is not made, so the next message may ask at once."""
    house.settings.SMS_ROUTES = {"default": "a"}
    settings.SMS_SEAL_KEYS = keys["right"]
    unopened, other = house.code(), house.code()
    leave_out("a")
    house.pause_is_over("a")
    settings.SMS_SEAL_KEYS = keys["wrong"]
    assert house.deliver(unopened).error == "unsealable"
    settings.SMS_SEAL_KEYS = keys["right"]
    assert house.deliver(other).state is State.SENT


def test_a_code_that_a_worker_cannot_open_waits_for_one_that_can(queued, keys, settings, any_redis):
    """It costs neither an attempt nor a round, and is tried again after seconds, not at once."""
    started = otp.start(PHONE)
    id = started.message_id
    settings.SMS_SEAL_KEYS = keys["wrong"]
    for _ in range(3):
        began = store.now()
        delivery.deliver(id)
        record = services.get(id)
        assert (record.state, record.error, record.attempts) == (State.QUEUED, "unsealable", 0)
        assert began - 0.001 <= due(any_redis, id) - 2 <= store.now()
        delivery.deliver(id)  # too early, says the claim
        any_redis.hset(names.RECORD + id, "not_before", 1)
    settings.SMS_SEAL_KEYS = keys["right"]
    delivery.deliver(id)
    record = services.get(id)
    assert (record.state, record.error, record.attempts) == (State.SENT, "", 1)
    assert otp.check(started.id, code_in(outbox[-1].body)).status == "valid"
    assert any_redis.zcard(names.LEASES + "otp") == any_redis.zcard(names.WAITING + "otp") == 0
    assert dead_letters().startswith("No dead letters.\n")


def test_it_is_loud_once(queued, keys, settings, redis):
    id = services.send(PHONE, "Hello").id
    settings.SMS_SEAL_KEYS = keys["wrong"]
    with capture_logs() as logs:
        for _ in range(3):
            delivery.deliver(id)
            redis.hset(names.RECORD + id, "not_before", 1)
    assert [(line["log_level"], line["event"]) for line in logs] == [("error", "message_unsealable")]


def test_the_worker_itself_brings_it_back_in_time(queued, keys, settings, monkeypatch):
    later: list[tuple[float, str, str]] = []
    monkeypatch.setattr(wakeups, "publish_in", lambda *one: later.append(one))
    id = services.send(PHONE, "123456", queue="otp").id
    settings.SMS_SEAL_KEYS = keys["wrong"]
    delivery.deliver(id)
    assert later == [(2.0, id, "otp")]


@pytest.mark.usefixtures("queued")
def test_the_older_it_is_the_rarer_it_is_tried(keys, settings, redis, monkeypatch, clock):
    """A newsletter of before a change of the keys keeps no worker busy."""
    later: list[str] = []
    monkeypatch.setattr(wakeups, "publish_in", lambda *one: later.append(one))
    settings.SMS_SEAL_KEYS = keys["right"]
    id = services.send(PHONE, "Hello", queue="otp").id
    settings.SMS_SEAL_KEYS = keys["wrong"]
    for age, wait in ((80, 10), (80_000, 300)):
        redis.hset(names.RECORD + id, mapping={"created_at": int((clock.now - age) * 1000), "not_before": 1})
        delivery.deliver(id)
        assert due(redis, id) == exactly(clock.now + wait)
    assert later == []  # sweeps bring it back


@pytest.mark.usefixtures("one_list")
def test_it_refuses_nobody(queued, keys, settings, redis):
    """Unopened messages are not backlog: who asks for a code meanwhile gets one."""
    ids = [services.send(PHONE, "123456", queue="otp").id for _ in range(30)]
    settings.SMS_SEAL_KEYS = keys["wrong"]
    for id in ids:
        redis.zadd(names.WAITING + "otp", {id: (time.time() - 60) * 1000})
        delivery.deliver(id)
    services.send(PHONE, "123456", queue="otp")
    redis.zadd(names.WAITING + "otp", dict.fromkeys(ids, (time.time() - 60) * 1000))
    with pytest.raises(Overloaded):  # as if nobody had looked at them
        services.send(PHONE, "123456", queue="otp")


@pytest.mark.parametrize("ending", ["cancelled", "unwanted", "unwanted again", "worker died", "expired"])
def test_it_ends_as_any_other(queued, keys, settings, redis, ending):
    id = services.send(PHONE, "123456", queue="otp").id
    settings.SMS_SEAL_KEYS = keys["wrong"]
    if ending in ("unwanted again", "worker died"):
        delivery.deliver(id)
        redis.hset(names.RECORD + id, "not_before", 1)
    if ending in ("unwanted", "unwanted again", "worker died"):  # called back while a worker tries to open it
        late: Any = store.claim(id)[1]
        services.cancel(id)
        if ending == "worker died":
            lease_ends(redis, id)
        else:
            delivery._Run(late).go()
    delivery.deliver(id)
    if ending == "cancelled":
        assert services.cancel(id)
    elif ending == "expired":
        redis.hset(names.RECORD + id, mapping={"not_before": 1, "expires_at": 1})
        delivery.deliver(id)
    found = services.get(id)
    if ending == "expired":
        assert (found.state, found.error) == (State.EXPIRED, "unsealable")
    else:
        assert (found.state, found.error) == (State.CANCELLED, "")
    assert not redis.exists(names.BODY + id)
    assert redis.zcard(names.LEASES + "otp") == redis.zcard(names.WAITING + "otp") == 0
    assert (id in dead_letters()) == (ending == "expired")


def test_a_slow_worker_gives_nothing_back_that_another_has(queued, keys, settings, redis):
    id = services.send(PHONE, "123456", queue="otp", resend_unknown=True).id
    slow: Any = store.claim(id)[1]
    lease_ends(redis, id)
    assert store.claim(id)[0] == "claimed"
    settings.SMS_SEAL_KEYS = keys["wrong"]
    delivery._Run(slow).go()
    assert (services.get(id).state, services.get(id).attempts) == (State.SENDING, 0)
    assert redis.hget(names.RECORD + id, "attempts") == b"2"


def test_an_operator_sees_it_and_lets_it_be_tried_at_once(queued, keys, settings, redis):
    id = services.send(PHONE, "Hello").id
    settings.SMS_SEAL_KEYS = keys["wrong"]
    redis.hset(names.RECORD + id, "created_at", 1)
    delivery.deliver(id)
    assert "unsealable" in dead_letters()
    listed, asked_for = dead_letters(), dead_letters(id)
    assert listed.rpartition("  ")[0] == asked_for.rpartition("  ")[0]  # then come the seconds left
    settings.SMS_SEAL_KEYS = keys["right"]
    queued.clear()
    assert "sent again" in dead_letters("--replay")
    assert queued == [id]
    delivery.deliver(id)
    assert services.get(id).state is State.SENT


@pytest.mark.usefixtures("one_list")
class TestMany:
    """As many as a newsletter of before a change of the keys has: they keep nobody else waiting."""

    @pytest.fixture(params=[25, 2500])
    def unopened(self, queued, redis, request):
        """All of them have been due for longer than anything else."""
        id = services.send(PHONE, "Hello").id
        redis.hset(names.RECORD + id, mapping={"error": "unsealable", "not_before": 1})
        all_of_them = [id, *(ids.new(cells.of_id(id)) for _ in range(1, request.param))]
        for copy in all_of_them[1:]:
            redis.copy(names.RECORD + id, names.RECORD + copy)
            redis.copy(names.BODY + id, names.BODY + copy)
        redis.zadd(names.LEASES + "bulk", {id: n for n, id in enumerate(all_of_them)})
        queued.clear()
        return all_of_them

    @pytest.mark.one_cell
    def test_a_sweep_wakes_who_comes_after_them(self, queued, unopened, redis):
        lost = services.send(PHONE, "Hello").id
        queued.clear()
        for _ in range(2):
            sweeper.sweep("bulk", int(store.now() * 1000))
        assert lost in queued
        assert set(unopened[: sweeper.LIMIT]) <= set(queued)  # somebody may have the key by now

    def test_a_worker_takes_who_comes_after_them(self, queued, unopened, keys, settings, redis):
        late = services.send(PHONE, "Hello").id
        settings.SMS_SEAL_KEYS = keys["wrong"]
        for _ in range(2):
            sweeper.sweep("bulk", int(store.now() * 1000))
        found = delivery.deliver("", ["bulk"], cells.of_any())
        assert found is None  # it cannot open this one either, but has looked at it
        assert services.get(late).error == "unsealable"

    def test_a_worker_that_has_the_key_takes_one_of_them_when_nothing_else_is_due(self, queued, unopened):
        found = delivery.deliver("", ["bulk"], cells.of_any())
        assert found is not None
        assert found.id == unopened[0]
        assert services.get(found.id).state is State.SENT

    def test_they_come_again(self, queued, unopened, redis):
        cutoff = int(store.now() * 1000)
        sweeper.sweep("bulk", cutoff)
        due = [score for _, score in redis.zrange(names.LEASES + "bulk", 0, -1, withscores=True)]
        assert len(due) == len(unopened)
        assert max(due) == cutoff + 10_000
