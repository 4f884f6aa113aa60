"""The Celery entry that the script pushes is what kombu would have sent, and any Celery worker reads it."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from queue import Queue
from typing import Any

import certifi
import pytest
from celery import Celery, current_app
from celery.signals import before_task_publish
from kombu.transport.memory import Channel
from redis import Redis

from config import servers
from config.demo.leash import Leash
from sms import broker, broker_connections, connections, entries, names, services, tasks
from sms.errors import Unavailable
from tests.conftest import server_with
from tests.faults.stack import wait_for
from tests.sms.webhooks.receiver import SECRET

pytestmark = pytest.mark.one_server

ID = "A-message-with-22_char"

STOCK = """
import sys
from celery import Celery
app = Celery("stock", broker=sys.argv[1])
@app.task(name="sms.deliver")
def deliver(message_id):
    open(sys.argv[2], "a").write(message_id + "\\n")
app.worker_main(["worker", "-Q", "otp", "-P", "solo", "-l", "warning"])
"""


def with_broker(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Celery as it is in production, its queues at ``url``."""
    monkeypatch.setattr(entries, "_made", lru_cache(entries._made.__wrapped__))
    monkeypatch.setattr(current_app.amqp, "_producer_pool", None)  # that of another broker
    monkeypatch.setattr(broker, "_pool", lru_cache(broker._pool.__wrapped__))
    for name, value in servers.broker(url).items():
        monkeypatch.setitem(current_app.conf, name.removeprefix("CELERY_").lower(), value)
    monkeypatch.setitem(current_app.conf, "task_always_eager", False)


@pytest.fixture
def own_broker(redis_server, monkeypatch):
    """The queues are on the server of the codes."""
    with_broker(monkeypatch, redis_server.url)


def test_it_is_byte_for_byte_what_kombu_sends(own_broker, redis, redis_server):
    with current_app.connection_for_write(url=redis_server.url) as connection:
        task = current_app.tasks[entries.DELIVER]
        task.apply_async((ID,), queue="otp", producer=connection.Producer())
    (theirs,) = redis.lrange("otp", 0, -1)
    ours = entries.entry(ID, "otp")
    assert ours is not None
    assert ours["key"] == "otp"
    drawn = json.loads(theirs)
    expected = theirs.decode()
    for id in (drawn["headers"]["id"], drawn["properties"]["delivery_tag"]):
        expected = expected.replace(id, ID)
    assert ours["text"] == expected


@pytest.fixture
def queues(redis, monkeypatch):
    """The queues are on a server of their own: its client."""
    with server_with() as server:
        with_broker(monkeypatch, server.url)
        yield Redis.from_url(server.url)


def test_elsewhere_it_is_the_same_byte_for_byte(queues, redis):
    with broker_connections.producer() as producer:
        task = current_app.tasks[entries.DELIVER]
        task.apply_async((ID,), queue="otp", producer=producer)
    theirs = queues.rpop("otp")
    drawn = json.loads(theirs)
    assert entries.entry(ID, "otp") is None  # no script can push it there
    assert broker.publish(ID, "otp")
    expected = theirs.decode()
    for id in (drawn["headers"]["id"], drawn["properties"]["delivery_tag"]):
        expected = expected.replace(id, ID)
    assert queues.lrange("otp", 0, -1) == [expected.encode()]
    assert redis.llen("otp") == 0


def test_threads_that_start_together_all_have_an_entry(own_broker, monkeypatch):
    """kombu's queues in memory belong to all threads. The second to make one replaces that of the first."""
    waits = iter([0, 0.02, 0.04, 0.06])

    def make(channel: Channel, queue: str, **_: Any) -> None:
        if queue not in channel.queues:
            time.sleep(next(waits))
            channel.queues[queue] = Queue()

    def get(channel: Channel, queue: str) -> Any:
        time.sleep(0.05)  # the others have made theirs by then
        return channel.queues[queue].get(block=False)

    monkeypatch.setattr(Channel, "queues", {})
    monkeypatch.setattr(Channel, "_new_queue", make)
    monkeypatch.setattr(Channel, "_get", get)
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: entries.form("otp"), range(4)))


def test_elsewhere_more_threads_publish_than_kombu_has_connections(queues):
    """Its pool has ten, and turns away whoever comes then."""
    go = threading.Barrier(threads := 24)

    def publish(number: int) -> bool:
        go.wait()
        return all(broker.publish(f"{number:02}{turn:02}{ID[4:]}", "otp") for turn in range(20))

    queues.client_pause(100)  # so that all are under way at once
    with ThreadPoolExecutor(threads) as pool:
        assert all(pool.map(publish, range(threads)))
    assert queues.llen("otp") == threads * 20


def test_elsewhere_a_connection_that_the_server_has_closed_is_opened_again(queues, monkeypatch):
    monkeypatch.setattr(connections, "TRUSTED", 60.0)  # so that nothing is seen before it is used
    assert broker.publish(ID, "otp")
    queues.client_kill_filter(_type="normal", skipme=True)
    assert broker.publish(ID, "otp")
    assert queues.llen("otp") == 2


def test_elsewhere_a_child_process_opens_connections_of_its_own(queues):
    assert broker.publish(ID, "otp")
    if (child := os.fork()) == 0:
        broker.publish(ID, "otp")
        pushed = [client for client in queues.client_list() if client["cmd"] == "lpush"]
        os._exit(0 if len(pushed) == 2 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert queues.llen("otp") == 2


def test_a_stock_worker_takes_it(own_broker, redis, redis_server, tmp_path):
    message = services.send("+12025550123", "Hello", queue=services.OTP_QUEUE)
    taken = tmp_path / "taken"
    leash = Leash()
    worker = leash.spawn(
        [sys.executable, "-c", STOCK, redis_server.url, str(taken)],
        env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        cwd=tmp_path,
    )
    try:
        wait_for(taken.exists)
        wait_for(lambda: taken.read_text() == f"{message.id}\n")
        assert redis.llen("otp") == 0
    finally:
        worker.kill()
        worker.wait()
        leash.close()


@pytest.mark.usefixtures("one_list")
def test_a_queue_that_holds_enough_gets_no_more(own_broker, redis, monkeypatch):
    monkeypatch.setattr(entries, "ENOUGH", 3)
    sent = [services.send("+12025550123", "Hello") for _ in range(5)]
    assert redis.llen("bulk") == 3
    assert redis.zcard("sms:leases:bulk") == len(sent)
    redis.rpop("bulk")
    services.send("+12025550123", "Hello")
    assert redis.llen("bulk") == 3


def test_who_hears_of_what_celery_publishes_hears_of_each(own_broker, redis):
    heard = []

    def hear(headers=None, **_):
        heard.append(headers["id"])

    before_task_publish.connect(hear)
    try:
        assert entries.entry(ID, "otp") is None
    finally:
        before_task_publish.disconnect(hear)
    assert entries.entry(ID, "otp") is not None


def test_there_is_room_for_what_the_queue_does_not_hold_yet(own_broker, redis, monkeypatch):
    monkeypatch.setattr(entries, "ENOUGH", 3)
    room = [broker.room("otp")]
    for _ in range(4):
        redis.lpush("otp", "x")
        room.append(broker.room("otp"))
    assert room == [3, 2, 1, 0, 0]


def test_a_full_queue_of_events_gets_no_sweep_and_that_shows(own_broker, redis, settings, monkeypatch):
    settings.WEBHOOKS = {"shop": f"https://shop.example/hook#secret={SECRET}"}
    monkeypatch.setattr(entries, "ENOUGH", 3)
    redis.lpush("events", "a", "b", "c")
    assert tasks.sweep.apply_async(("events",)) is None
    assert redis.exists(names.UNSWEPT + "events")
    assert redis.llen("events") == 3


def test_room_is_counted_behind_the_prefix_of_kombu(own_broker, redis, monkeypatch):
    options = current_app.conf.broker_transport_options | {"global_keyprefix": "shop-"}
    monkeypatch.setitem(current_app.conf, "broker_transport_options", options)
    assert broker.publish(ID, "otp")
    assert redis.llen("shop-otp") == 1
    assert broker.room("otp") == entries.ENOUGH - 1


def test_to_ask_the_broker_takes_nothing_from_its_queue(own_broker, redis):
    redis.rpush("otp", "a", "b")
    broker.ask()
    assert redis.lrange("otp", 0, -1) == [b"a", b"b"]


def test_a_namespace_stands_before_the_queue(own_broker, redis, settings):
    settings.OTPOST_NAMESPACE = "shop"
    services.send("+12025550123", "Hello", queue=services.OTP_QUEUE)
    assert redis.llen("shop:otp") == 1


def test_elsewhere_it_is_published(redis, monkeypatch, caplog):
    """The broker is another server, which is away here: the message stands, and the next is refused."""
    with_broker(monkeypatch, "redis://127.0.0.1:9/0")
    monkeypatch.setattr(broker, "_reached", True)
    broker.require()
    message = services.send("+12025550123", "Hello")
    assert services.get(message.id).state == "queued"
    assert "publish_failed" in caplog.text
    with pytest.raises(Unavailable):
        broker.require()


def test_while_a_broker_elsewhere_is_away_no_request_is_accepted(api, redis, settings, monkeypatch):
    """Nothing is written for what is refused."""
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    started = api.post("/v1/verifications", {"phone": "+12025550123"}).json()
    before = set(redis.keys())
    with_broker(monkeypatch, "redis://127.0.0.1:9/0")
    monkeypatch.setattr(broker, "_reached", False)
    for path, body in (
        ("/v1/verifications", {"phone": "+12025550124"}),
        (f"/v1/verifications/{started['id']}/resend", None),
        ("/v1/messages", {"to": "+12025550124", "body": "Hello"}),
    ):
        answer = api.post(path, body)
        assert answer.status_code == 503, path
        assert answer.json()["code"] == "unavailable"
    assert set(redis.keys()) == before


REDIS = "redis://:secret@redis.example.com:6380/2"
SENTINEL = "redis+sentinel://:secret@a:26379,b:26380/codes/0"


@pytest.mark.parametrize(
    ("store", "queues", "same"),
    [
        (REDIS, REDIS, True),
        ("redis://127.0.0.1", "redis://127.0.0.1:6379/0", True),
        ("unix:///run/redis.sock?db=3", "unix:///run/redis.sock?db=3", True),
        ("rediss://redis.example.com/1", "rediss://redis.example.com/1", True),
        (SENTINEL, SENTINEL, True),
        (SENTINEL, SENTINEL.replace("a:26379,b:26380", "b:26380,a:26379"), True),
        (
            "rediss://redis.example.com/1",
            f"rediss://redis.example.com/1?ssl_ca_certs={certifi.where()}",
            False,
        ),
        (REDIS, REDIS.replace("/2", "/3"), False),
        (REDIS, REDIS.replace("6380", "6381"), False),
        (REDIS, REDIS.replace("redis.example", "queues.example"), False),
        (REDIS, REDIS.replace(":secret", "celery:secret"), False),
        (REDIS, "unix:///run/redis.sock?db=2", False),
        ("unix:///run/redis.sock?db=3", "unix:///run/redis.sock?db=4", False),
        (SENTINEL, SENTINEL.replace("codes", "queues"), False),
        (SENTINEL, SENTINEL.replace("b:26380", "c:26380"), False),
        (SENTINEL, SENTINEL.replace("codes/0", "codes/1"), False),
        (REDIS, "amqp://guest:guest@rabbit.example.com//", False),
    ],
)
def test_only_the_server_and_database_of_the_store_are_our_own(settings, store, queues, same):
    settings.CACHES = {"default": servers.cache(store, connections=2)}
    app = Celery(set_as_current=False)
    found: dict[str, Any] = servers.broker(queues)
    app.conf.update({name.removeprefix("CELERY_").lower(): value for name, value in found.items()})
    assert (entries._place_of_store() == entries._place_of_broker(app)) is same


@pytest.mark.parametrize(
    ("store", "queues", "here"),
    [
        (REDIS, REDIS, True),
        (f"{REDIS};redis://other.example.com", REDIS, False),
        (f"redis://other.example.com;{REDIS}", REDIS, False),
    ],
)
def test_with_cells_the_queue_is_with_all_of_them_or_elsewhere(settings, store, queues, here):
    """A script that accepts a message in a cell can push its entry only on the cell's own server."""
    settings.REDIS_CELLS = 16
    settings.CACHES, settings.OTPOST_CACHE = servers.caches(store, connections=2)
    app = Celery(set_as_current=False)
    found: dict[str, Any] = servers.broker(queues)
    app.conf.update({name.removeprefix("CELERY_").lower(): value for name, value in found.items()})
    assert entries._is_here(app) is here
