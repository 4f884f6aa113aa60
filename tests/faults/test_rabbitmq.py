"""RabbitMQ as the broker: quorum queues, confirms, and what happens when it is away."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from amqp.exceptions import PreconditionFailed, ResourceLocked
from celery import current_app
from kombu import Connection, Queue
from redis import Redis

from config.demo.embedded import EmbeddedServer
from sms import broker, entries, services
from tests.conftest import point_cache_at
from tests.faults.rabbitmq import RabbitMQ, missing
from tests.faults.stack import Stack, wait_for
from tests.faults.test_pipeline import Outbox, phones
from tests.sms.test_entries import ID, with_broker
from tests.starts import manage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.together(60),
    pytest.mark.skipif(bool(missing()), reason=missing() or "it is there"),
]


@pytest.fixture
def server(tmp_path):
    with EmbeddedServer(directory=tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> Iterator[RabbitMQ]:
    with RabbitMQ(tmp_path_factory.mktemp("broker")) as found:
        yield found


@pytest.fixture
def rabbit(started) -> RabbitMQ:
    """It runs, and is empty."""
    if not started.runs:  # a test that failed has stopped it
        started.start()
    with Connection(started.url) as connection:
        channel: Any = connection.channel()
        for queue in ("otp", "bulk"):
            channel.queue_delete(queue)
    return started


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path / "outbox.jsonl")


@pytest.fixture
def stack(tmp_path, server, rabbit, outbox):
    with Stack(
        tmp_path, REDIS_URL=server.url, CELERY_BROKER_URL=rabbit.url, SMS_PROVIDERS=outbox.url
    ) as found:
        yield found


@pytest.fixture
def send_unpublished(server, settings, monkeypatch):
    """``services.send`` as it ends when the broker goes away in the middle of it."""
    point_cache_at(settings, server.url)
    monkeypatch.setattr("sms.broker.publish", lambda id, queue: False)
    return services.send


def start(stack: Stack, number: str) -> str:
    status, body, _ = stack.call("POST", "/v1/verifications", {"phone": number})
    assert status == 202, body
    return str(body["id"])


def check(stack: Stack, id: str, outbox: Outbox, number: str) -> str:
    (code,) = (sms["body"][-6:] for sms in outbox() if sms["to"] == number)
    return str(stack.call("POST", f"/v1/verifications/{id}/check", {"code": code})[1]["status"])


def records(redis: Any) -> set[bytes]:
    """The keys of all that was accepted."""
    return {key for pattern in ("otp:*", "sms:message:*") for key in redis.scan_iter(pattern)}


def declare(connection: Any, name: str, **arguments: str) -> int:
    """How many messages a queue holds; PreconditionFailed if it has other arguments."""
    queue = Queue(name, durable=True, queue_arguments=arguments)
    return int(queue.bind(connection.channel()).queue_declare().message_count)


def accepted(stack: Stack, number: str) -> str:
    """A start is accepted in time, although the broker has just gone: its message stands."""
    status, body, seconds = stack.call("POST", "/v1/verifications", {"phone": number})
    assert (status, seconds < 3) == (202, True)
    return str(body["id"])


def unavailable(stack: Stack, number: str) -> None:
    """A start is refused in time."""
    status, problem, seconds = stack.call("POST", "/v1/verifications", {"phone": number})
    assert (status, problem.get("code")) == (503, "unavailable"), (problem, seconds, stack.log("web")[-3000:])
    assert seconds < 3


def test_a_code_goes_through_quorum_queues(stack, rabbit, outbox):
    number = phones(1)[0]
    stack.start("web", "worker", "beat")
    wait_for(lambda: stack.call("GET", "/readyz")[0] == 200)
    id = start(stack, number)
    wait_for(lambda: len(outbox()) == 1)
    assert check(stack, id, outbox, number) == "valid"
    with Connection(rabbit.url) as connection:
        for name in ("otp", "bulk"):
            declare(connection, name, **{"x-queue-type": "quorum"})
            with pytest.raises(PreconditionFailed):
                declare(connection, name, **{"x-queue-type": "classic"})
        with pytest.raises(
            ResourceLocked
        ):  # RabbitMQ 4.3 refuses a queue that is neither durable nor exclusive
            declare(connection, f"celery@{socket.gethostname()}.celery.pidbox")
    assert "Global QoS is disabled" in stack.log("worker")  # which it refuses as well
    assert "delayed delivery" not in stack.log("worker").lower()


def test_an_entry_is_what_celery_sends(rabbit, redis, monkeypatch):
    with_broker(monkeypatch, rabbit.url)

    def published(put: Callable[[], object]) -> Any:
        put()
        with Connection(rabbit.url) as connection:
            channel: Any = connection.channel()
            found = channel.basic_get("otp", no_ack=True)
            assert channel.basic_get("otp") is None
        return found

    task = current_app.tasks[entries.DELIVER]
    theirs = published(lambda: task.apply_async((ID,), queue="otp", task_id=ID))
    ours = published(lambda: broker.publish(ID, "otp"))
    assert ours.body == theirs.body
    assert ours.headers == theirs.headers
    assert ours.properties == theirs.properties
    assert ours.delivery_info == theirs.delivery_info | {"delivery_tag": ours.delivery_info["delivery_tag"]}


def test_a_node_that_hangs_leaves_time_for_the_next(rabbit, redis, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        with_broker(monkeypatch, f"amqp://guest:guest@127.0.0.1:{hangs.getsockname()[1]}//;{rabbit.url}")
        broker.ask()
        assert broker.publish(ID, "otp")
    with Connection(rabbit.url) as connection:
        assert declare(connection, "otp", **{"x-queue-type": "quorum"}) == 1


def test_whatever_stands_in_a_queue_ends_no_worker(stack, rabbit, outbox):
    """Nor does the entry come back, as an unacknowledged one would."""
    stack.start("web", "worker")
    worker = stack.processes["worker"]
    task = {"task": "sms.deliver", "id": "x"}
    with Connection(rabbit.url) as connection:
        channel: Any = connection.default_channel
        for body in (
            b"",
            b"sesame",
            b"\xff\x00",
            b"[" * 200_000,
            b"[[], {}]",
            b'[["sesame", 1], {}, {}]',
            b"7",
        ):
            for headers in ({}, {"task": "sesame"}, {"task": "sms.deliver"}, task, task | {"eta": "sesame"}):
                for content in ("application/json", "application/x-python-serialize", "sesame"):
                    message = channel.prepare_message(
                        body, content_type=content, content_encoding="utf-8", headers=headers
                    )
                    channel.basic_publish(message, exchange="", routing_key="otp")
        start(stack, phones(1)[0])
        wait_for(lambda: len(outbox()) == 1)
        assert stack.processes["worker"] is worker
        assert worker.poll() is None
        wait_for(lambda: declare(connection, "otp", **{"x-queue-type": "quorum"}) == 0)
    assert "sesame" not in stack.log("worker")
    assert stack.log("worker").count("entry_dropped") == 7 * 5 * 3


def test_the_broker_away_and_back(stack, server, rabbit, outbox):
    numbers = phones(5)
    stack.start("web", "worker", "beat")
    start(stack, numbers[0])
    wait_for(lambda: len(outbox()) == 1)
    stack.kill("worker")
    waiting = start(stack, numbers[1])
    rabbit.stop()
    unpublished = accepted(stack, numbers[4])
    before = records(Redis.from_url(server.url))
    for _ in range(3):
        unavailable(stack, numbers[2])
    assert records(Redis.from_url(server.url)) == before
    assert stack.call("GET", "/readyz")[1]["broker"] == "away"
    rabbit.start()
    with Connection(rabbit.url) as connection:  # what was confirmed is there, whatever beat may add
        assert declare(connection, "otp", **{"x-queue-type": "quorum"}) >= 1
    later = start(stack, numbers[3])
    stack.start("worker")
    wait_for(lambda: len(outbox()) == 4)
    assert check(stack, waiting, outbox, numbers[1]) == "valid"
    assert check(stack, unpublished, outbox, numbers[4]) == "valid"
    assert check(stack, later, outbox, numbers[3]) == "valid"
    wait_for(lambda: stack.call("GET", "/readyz")[0] == 200)


def test_a_worker_and_beat_find_the_broker_again(stack, rabbit, outbox, send_unpublished):
    """Nothing is started anew but what ended by itself, and that is a supervisor's work."""
    numbers = phones(3)
    stack.start("web", "worker", "beat")
    start(stack, numbers[0])
    wait_for(lambda: len(outbox()) == 1)
    rabbit.stop()
    rabbit.start()
    start(stack, numbers[1])  # the first one works, on a connection that died unnoticed
    if stack.processes["worker"].poll() is not None:
        stack.start("worker")
    wait_for(lambda: len(outbox()) == 2)
    # One that never reached the broker is brought back by a sweep, so beat is there again too.
    send_unpublished(numbers[2], "Hello", queue="otp")
    wait_for(lambda: len(outbox()) == 3, 30)
    assert stack.processes["beat"].poll() is None
    assert stack.processes["web"].poll() is None


@pytest.mark.parametrize("worker", ["running", "away"])
def test_a_queue_that_is_deleted_is_declared_again(stack, rabbit, outbox, worker):
    """The fix for a queue that RabbitMQ has left without a leader, see docs/rabbitmq.md."""
    numbers = phones(3)
    stack.start("web", "worker", "beat")
    start(stack, numbers[0])
    wait_for(lambda: len(outbox()) == 1)
    if worker == "away":
        stack.kill("worker")
    with Connection(rabbit.url) as connection:
        channel: Any = connection.channel()
        channel.queue_delete("otp")
    start(stack, numbers[1])
    if stack.processes.get("worker") is None or stack.processes["worker"].poll() is not None:
        stack.start("worker")  # a supervisor's work
    wait_for(lambda: len(outbox()) == 2, 30)
    start(stack, numbers[2])
    wait_for(lambda: len(outbox()) == 3)


def test_a_broker_that_hangs_is_answered_in_time(stack, server, rabbit):
    redis = Redis.from_url(server.url)
    numbers = phones(3)
    stack.start("web")
    start(stack, numbers[0])
    rabbit.pause()
    try:
        accepted(stack, numbers[2])  # on a connection of the pool, and on a new one
        before = records(redis)
        unavailable(stack, numbers[1])  # on a connection of the pool
        unavailable(stack, numbers[1])  # on a new one
        assert stack.call("GET", "/readyz")[1]["broker"] == "away"
    finally:
        rabbit.go_on()
    assert records(redis) <= before  # what is short-lived may have ended
    start(stack, numbers[1])


def test_a_queue_without_a_leader_is_told_and_refuses_in_time(stack, server, rabbit, outbox):
    """Its node answers every question; only an entry that is not confirmed shows it."""
    numbers = phones(3)
    stack.start("web", "worker", "beat")
    start(stack, numbers[0])
    wait_for(lambda: len(outbox()) == 1)
    leader = "{'%2F_otp', node()}"
    rabbit.control("eval", f"ra:stop_server(quorum_queues, {leader}).")
    accepted(stack, numbers[1])
    before = records(Redis.from_url(server.url))
    for _ in range(2):
        unavailable(stack, numbers[2])
    assert records(Redis.from_url(server.url)) <= before  # what is short-lived may have ended
    assert stack.call("GET", "/readyz")[1]["broker"] == "no_leader"
    rabbit.control("eval", f"ra:restart_server(quorum_queues, {leader}).")
    wait_for(lambda: stack.call("POST", "/v1/verifications", {"phone": numbers[2]})[0] == 202)
    wait_for(lambda: len(outbox()) == 3)
    wait_for(lambda: stack.call("GET", "/readyz")[0] == 200)
    assert "entry_dropped" not in stack.log("worker")


def test_an_entry_thrown_away_at_the_delivery_limit_is_made_anew(stack, rabbit, outbox):
    """RabbitMQ 4 has one by default. The message is in Redis, so the next sweep wakes a task for it."""
    rabbit.control("set_policy", "limit", "^otp$", '{"delivery-limit": 1}', "--apply-to", "queues")
    try:
        stack.start("web")
        start(stack, phones(1)[0])
        thrown = 0
        while not thrown:
            with Connection(rabbit.url) as connection:  # a worker that dies before it acknowledges
                channel: Any = connection.channel()
                thrown = channel.basic_get("otp") is None
        stack.start("worker", "beat")
        wait_for(lambda: len(outbox()) == 1)
    finally:
        rabbit.control("clear_policy", "limit")


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("guest:guest@", "guest:sesame@", "the user name or password"),
        ("//", "/sesame", "no such database or virtual"),
    ],
)
def test_a_rabbitmq_that_does_not_let_us_in_is_named(server, rabbit, right, wrong, words):
    head, _, tail = rabbit.url.rpartition(right)
    done = manage("check", "--deploy", REDIS_URL=server.url, CELERY_BROKER_URL=f"{head}{wrong}{tail}")
    assert (done.returncode, "(sms.E032) CELERY_BROKER_URL" in done.stderr) == (1, True)
    assert words in done.stderr
    assert "sesame" not in done.stderr
