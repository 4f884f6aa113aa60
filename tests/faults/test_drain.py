"""A worker goes on with what is due, whoever has an entry: real workers, a real server, a real broker."""

from __future__ import annotations

import signal
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from redis import Redis

from config.demo.embedded import EmbeddedServer
from sms import broker, entries, names, services, steps
from sms.delivery import drain
from sms.message import State
from sms.scripts import client
from tests.conftest import point_cache_at
from tests.faults.load import phone
from tests.faults.stack import PROGRAMS, Stack, wait_for
from tests.sms.providers.gateway import gateway, response

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path):
    with EmbeddedServer(directory=tmp_path) as found:
        yield found


@pytest.fixture
def stack(tmp_path, server):
    with Stack(tmp_path, REDIS_URL=server.url, CELERY_BROKER_URL=server.url) as found:
        yield found


@pytest.fixture
def vendor(stack):
    """Takes each message after a tenth of a second."""
    with gateway() as found:
        found.delay = 0.1
        found.answer = lambda: response(201, '{"sid": "SM1"}')
        stack.environment["SMS_PROVIDERS"] = f"main=twilio://AC1:token@?from=x&base_url={found.url}"
        yield found


@pytest.fixture
def send(server, settings, monkeypatch):
    """Messages of this process, none of which gets an entry; its queue may be another than "bulk"."""
    point_cache_at(settings, server.url)
    settings.SMS_LONGEST_WAIT = {"otp": 0, "bulk": 0}
    monkeypatch.setattr(broker, "publish", lambda *_: True)

    def sends(count, queue="bulk"):
        return [
            services.send(phone(n), "123456", queue=queue, expires_at=time.time() + 600).id
            for n in range(count)
        ]

    return sends


def push(stack: Stack, message_id: str, queue: str) -> None:
    """One entry, as Celery itself would put it into the broker."""
    from celery import Celery

    with Celery(broker=stack.environment["CELERY_BROKER_URL"], set_as_current=False) as app:
        app.send_task("sms.deliver", (message_id,), queue=queue)


def began_with(message_id: str) -> bool:
    message = services.get(message_id)
    return message is not None and message.alias != ""


def when(message_id: str, field: str) -> int:
    """A time of its record (ms)."""
    with client() as redis:
        return int(redis.hget(names.RECORD + message_id, field))


def states(ids: list[str]) -> Counter[State]:
    return Counter(message.state for id in ids if (message := services.get(id)))


def test_one_entry_wakes_a_task_that_sends_all(stack, server, vendor, send):
    """While no other task waits for its thread, it goes on after its slice."""
    stack.start("worker")
    ids = send(60)
    began = time.monotonic()
    push(stack, ids[30], "bulk")
    wait_for(lambda: states(ids)[State.SENT] == 60)
    assert time.monotonic() - began > 2 * drain.SLICE  # one thread, a tenth of a second each
    assert len(vendor.requests) == 60
    assert Redis.from_url(server.url).zcard(names.LEASES + "bulk") == 0


def test_a_code_waits_for_one_call_behind_a_newsletter(stack, vendor, send):
    """However many wait, whatever has entries: whoever ends a call takes a code next."""
    stack.start("worker", WORKER_CONCURRENCY="8")
    letters = send(2_000)
    for id in letters[:100]:
        push(stack, id, "bulk")
    wait_for(lambda: len(vendor.requests) > 16)
    codes = []
    for _ in range(10):
        codes += send(1, queue="otp")
        wait_for(partial(began_with, codes[-1]), every=0.01)
    taken = [when(id, "lease_until") for id in letters if began_with(id)]
    for id in codes:
        # The messages before it were in hand already: one letter for each thread.
        came, went = when(id, "created_at") + steps.LEASE * 1000, when(id, "lease_until")
        assert sum(came < at < went for at in taken) <= 8
    assert states(letters)[State.QUEUED] > 1_000  # they had no other reason to be quick


def test_a_worker_of_newsletters_alone_takes_no_code(stack, vendor, send, monkeypatch):
    monkeypatch.setitem(PROGRAMS, "worker", [*PROGRAMS["worker"][:-1], "bulk"])
    stack.start("worker")
    (code,), letters = send(1, queue="otp"), send(5)
    push(stack, letters[0], "bulk")
    wait_for(lambda: states(letters)[State.SENT] == 5)
    assert states([code])[State.QUEUED] == 1


def test_a_worker_without_the_key_leaves_the_rest_to_others(stack, server, vendor, send):
    """It takes one message for each entry; else it would make all of them wait."""
    stack.start("worker", SMS_SEAL_KEYS=Fernet.generate_key().decode())
    ids = send(20)
    push(stack, ids[0], "bulk")
    wait_for(lambda: "message_unsealable" in stack.log("worker"))
    time.sleep(1)
    assert stack.log("worker").count("message_unsealable") == 1
    assert states(ids)[State.QUEUED] == 20


def test_a_worker_that_is_told_to_stop_begins_with_nothing_more(stack, vendor, send):
    """It finishes the messages in hand. The rest is due for others, and none is sent twice."""
    vendor.delay = 0.5
    stack.start("worker", WORKER_CONCURRENCY="10")
    ids = send(200)
    for id in ids[:20]:
        push(stack, id, "bulk")
    wait_for(lambda: len(vendor.requests) >= 15)
    stack.kill("worker", signal.SIGTERM)
    assert len(vendor.requests) <= 30  # ten that it had in hand, and ten that began as it was told
    assert states(ids) == {State.SENT: len(vendor.requests), State.QUEUED: 200 - len(vendor.requests)}
    vendor.delay = 0.0
    stack.start("worker", "beat")
    wait_for(lambda: states(ids)[State.SENT] == 200)
    assert len(vendor.requests) == 200


def test_what_has_no_entry_is_found_by_the_next_sweep(stack, server, vendor, send):
    """Its entry was lost, or there never was one. A few entries wake enough tasks."""
    redis = Redis.from_url(server.url)
    stack.start("worker", "beat")
    wait_for(lambda: redis.exists(names.BEAT))
    ids = send(300, queue="otp")
    marker = names.SWEEP + "otp"
    for _ in range(2):  # the second is asked for when all of them are due
        wait_for(lambda: not redis.exists(marker), every=0.001)
        wait_for(lambda: redis.exists(marker), every=0.001)
    stack.kill("beat")
    wait_for(lambda: states(ids)[State.SENT] == 300)
    assert len(vendor.requests) == 300


def test_sweeps_and_other_queues_get_their_turn(stack, server, vendor, send):
    """All threads drain, and yet a sweep is not late by more than a slice or two."""
    redis = Redis.from_url(server.url)
    stack.start("worker", "beat", WORKER_CONCURRENCY="4")
    ids = send(2_000)
    for id in ids[:50]:
        push(stack, id, "bulk")
    wait_for(lambda: len(vendor.requests) > 8)
    late = []
    for _ in range(3):  # a busy machine may stand still once
        wait_for(lambda: redis.exists(names.SWEEP + "otp"), every=0.005)
        began = time.monotonic()
        wait_for(lambda: not redis.exists(names.SWEEP + "otp"), every=0.005)
        late.append(time.monotonic() - began)
    assert min(late) < 6
    assert states(ids)[State.QUEUED] > 0


def test_entries_do_not_grow_with_a_backlog(stack, server, send):
    """For some seconds there is no worker. Then a worker that can send nothing sweeps for as long."""
    redis = Redis.from_url(server.url)
    stack.environment["SMS_PROVIDERS"] = "main=twilio://AC1:token@?from=x&base_url=http://127.0.0.1:9"
    send(2_000)
    stack.start("worker", "beat", WORKER_CONCURRENCY="2")
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        assert redis.llen("bulk") <= entries.ENOUGH + 20
        time.sleep(0.1)


def test_an_idle_worker_costs_nothing(stack, vendor, send):
    stack.start("worker", WORKER_CONCURRENCY="80")
    ids = send(200)
    for id in ids[:80]:
        push(stack, id, "bulk")
    wait_for(lambda: states(ids)[State.SENT] == 200)
    time.sleep(1)
    before = cpu(stack.processes["worker"].pid)
    time.sleep(3)
    assert cpu(stack.processes["worker"].pid) - before < 0.3


def cpu(pid: int) -> float:
    """Seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_worker_whose_broker_fails_it_ends_while_much_waits(stack, server, vendor, send):
    """As when its master becomes a replica: Celery ends then, and a supervisor starts another."""
    redis = Redis.from_url(server.url)
    vendor.delay = 3.0
    stack.environment["WORKER_CONCURRENCY"] = "2"
    stack.start("worker")
    ids = send(50)
    push(stack, ids[0], "bulk")
    wait_for(lambda: vendor.requests)
    redis.config_set("min-replicas-to-write", 1)
    wait_for(lambda: "Unrecoverable error" in stack.log("worker"))
    redis.config_set("min-replicas-to-write", 0)
    assert stack.processes["worker"].wait(20) != 0
    assert len(vendor.requests) == states(ids)[State.SENT] == 1


@pytest.mark.parametrize(("queues", "told"), [("bulk", True), ("otp,bulk", False)])
def test_a_worker_without_the_queue_of_codes_says_so(stack, monkeypatch, queues, told):
    monkeypatch.setitem(PROGRAMS, "worker", [*PROGRAMS["worker"][:-1], queues])
    stack.start("worker")
    wait_for(lambda: "ready." in stack.log("worker"))
    stack.kill("worker", signal.SIGTERM)
    assert ("no_codes_here" in stack.log("worker")) is told
