"""How events are sent: signed, again until they are taken, and never in the way of anything else."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from otp import services as codes
from sms import ids, names, services, signs, store, sweeper, tally, tasks
from sms.errors import Unavailable
from sms.scripts import client
from sms.webhooks import endpoints, post, sender
from sms.webhooks import store as events
from sms.webhooks.post import Caller
from tests.conftest import point_cache_at
from tests.faults.certificates import Authority
from tests.faults.stack import wait_for
from tests.sms.house import PHONE
from tests.sms.webhooks.conftest import claim_any, due_now, send_all, until_idle
from tests.sms.webhooks.receiver import OTHER, SECRET, Receiver

DUE, DEAD = names.WEBHOOKS_DUE + "shop", names.WEBHOOKS_DEAD + "shop"
HOURS = 3600


def send(count: int = 1) -> None:
    for _ in range(count):
        services.send(PHONE, "Hello")


def counted(outcome: str) -> int:
    (found,) = tally.read("counts")
    return found.get(f"events|{outcome}|message.sent", 0)


def happened_before(redis, seconds: int) -> None:
    """Let what waits be so much older."""
    for text, _ in redis.zrange(DUE, 0, -1, withscores=True):
        at = json.loads(text.partition(b" ")[2])["at"]
        older = at - seconds * 1000
        redis.zrem(DUE, text)
        redis.zadd(DUE, {text.replace(b'"at":%d' % at, b'"at":%d' % older): older})


def waits(redis) -> list[float]:
    """Seconds until what waits is due."""
    now = store.now()
    return [at / 1000 - now for _, at in redis.zrange(DUE, 0, -1, withscores=True)]


def test_what_is_sent(receiver, redis):
    """As the specification has it, to the very address, query included and options left out."""
    send()
    send_all()
    (got,) = receiver.got
    assert got.raw.startswith(b"POST /hook?site=1 HTTP/1.1\n")
    assert SECRET.encode() not in got.raw
    body = json.loads(got.raw.rpartition(b"\n\n")[2])
    assert set(body) == {"type", "timestamp", "data"}
    assert body["timestamp"].endswith("Z")
    assert redis.zcard(DUE) == 0
    assert counted("delivered") == 1


@pytest.mark.parametrize("told", [SECRET, OTHER])
def test_two_secrets_sign_at_once(receiver, settings, told):
    """So that the receiver may change its own when it likes."""
    settings.WEBHOOKS = {"shop": receiver.url(f"secret={OTHER}")}
    receiver.secret = told
    send()
    send_all()
    assert receiver.types() == ["message.sent"]
    assert not receiver.forged


def test_another_secret_is_not_believed(receiver):
    receiver.secret = OTHER
    send()
    send_all()
    assert receiver.got == []
    assert len(receiver.forged) == 1


def test_it_is_tried_again_after_the_times_of_the_specification_then_given_up(receiver, redis):
    """Each time under the same id; and what was given up may be replayed."""
    receiver.status = 500
    send()
    expected = [5, 300, 1800, 2 * HOURS, 5 * HOURS, 10 * HOURS]
    with capture_logs() as logs:
        for seconds in expected:
            send_all()
            (wait,) = waits(redis)
            assert seconds - 1 <= wait <= seconds * 1.1
            due_now()
        send_all()
    assert len(receiver.got) == 7
    assert len({got.id for got in receiver.got}) == 1
    assert redis.zcard(DUE) == 0
    assert (counted("retried"), counted("dead")) == (6, 1)
    assert [log["tries"] for log in logs if log["event"] == "event_retried"] == [1, 2, 3, 4, 5, 6]
    (letter,) = events.dead_letters("shop")
    assert (letter.why, letter.event["id"]) == ("status_500", receiver.got[0].id)
    assert 6.9 < redis.ttl(DEAD) / 86400 <= 7
    receiver.status = 204
    assert events.replay(letter)
    assert not events.replay(letter)
    send_all()
    assert counted("delivered") == 1
    assert receiver.got[-1].id == letter.event["id"]


def test_how_long_the_oldest_waits_is_known_from_the_first_failure_on(receiver, redis):
    """By the event's own time, however late its next try is."""
    late = names.WEBHOOKS_LATE + "shop"
    assert events.queues()["shop"].oldest == 0
    send()
    happened_before(redis, 3600)
    assert events.queues()["shop"].oldest == pytest.approx(3600, abs=5)  # nobody has tried it yet
    receiver.status = 500
    for _ in range(3):
        due_now()
        send_all()
        queue = events.queues()["shop"]
        assert queue.oldest == pytest.approx(3600, abs=30)
        assert queue.error == "status_500"
        assert queue.error_at == pytest.approx(store.now(), abs=5)
        assert queue.next_at == pytest.approx(store.now() + waits(redis)[0], abs=5)
        assert 6.9 < redis.ttl(late) / 86400 <= 7
        assert 6.9 < redis.ttl(names.WEBHOOKS_ERROR + "shop") / 86400 <= 7
    receiver.status = 204
    due_now()
    send_all()
    assert events.queues()["shop"].oldest == 0
    assert not redis.exists(late)


def test_what_is_given_up_waits_no_more(receiver, redis):
    receiver.status = 500
    send()
    for _ in range(7):
        send_all()
        due_now()
    queue = events.queues()["shop"]
    assert (queue.dead, queue.oldest, queue.error) == (1, 0, "status_500")


def test_dead_letters_are_kept_for_seven_days(receiver, redis):
    receiver.status = 500
    redis.zadd(DEAD, {b'timeout {"id": "old"}': (store.now() - 7 * 86400 - 60) * 1000})
    send()
    for _ in range(7):
        send_all()
        due_now()
    assert redis.zcard(DEAD) == 1


@pytest.mark.parametrize("status", [301, 400, 404, 410, 429, 503])
def test_only_2xx_means_taken(receiver, redis, status):
    """A redirect is not followed: it would lead past the check of addresses."""
    receiver.answers, receiver.head = [status], {"Location": receiver.url().partition("#")[0]}
    send()
    send_all()
    assert len(receiver.got) == 1
    assert redis.zcard(DUE) == 1
    assert counted("retried") == 1


def test_a_connection_is_used_again_while_it_is_open(receiver):
    caller = Caller(endpoints.configured()["shop"])
    event = {"id": "a", "type": "message.sent", "at": 0, "data": {}}
    assert [caller.post(event) for _ in range(3)] == [""] * 3
    assert receiver.connections == 1
    receiver.head = {"Connection": "close"}
    assert [caller.post(event) for _ in range(3)] == [""] * 3
    assert receiver.connections == 3
    caller.close()


def test_of_a_long_answer_little_is_read(receiver):
    receiver.body = b"x" * 3_000_000
    receiver.status = 200
    send(2)
    send_all()
    assert counted("delivered") == 2


def test_an_answer_that_drips_ends_at_the_deadline(receiver, monkeypatch, redis):
    """However often something comes."""
    monkeypatch.setattr(post, "TIMEOUT", 1.0)

    def take(call):
        call.rfile.read(int(call.headers["Content-Length"]))
        for byte in b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 1000:
            call.wfile.write(bytes([byte]))
            call.wfile.flush()
            time.sleep(0.05)

    receiver.take = take
    send()
    begun = time.monotonic()
    with capture_logs() as logs:
        send_all()
    assert time.monotonic() - begun < 10
    assert [log["error"] for log in logs if log["event"] == "event_retried"] == ["timeout"]


def test_one_that_hangs_delays_no_other_and_has_few_threads(receiver, settings, redis):
    with Receiver() as well:
        settings.WEBHOOKS = {"shop": receiver.url(), "well": well.url()}
        receiver.hangs.set()
        send(20)
        sender.wake()
        wait_for(lambda: len(well.got) == 20)
        wait_for(lambda: receiver.in_hand == sender.CALLS)
        sender.wake()
        time.sleep(0.2)
        assert receiver.most_in_hand == sender.CALLS
        receiver.hangs.clear()
        until_idle()
        assert len(receiver.got) == 20
        assert redis.zcard(DUE) == 0


def test_a_dead_one_delays_no_other(receiver, settings, redis):
    settings.WEBHOOKS = {
        "dead": f"http://127.0.0.1:9/#secret={SECRET}&allow=http&allow=loopback",
        "shop": receiver.url(),
    }
    send(3)
    send_all()
    assert len(receiver.got) == 3
    assert events.waiting() == {"dead": 3, "shop": 0}


def test_who_is_killed_in_a_call_loses_nothing(receiver, redis):
    """Its claim runs out, and the event is sent again, under the same id."""
    send()
    claimed = claim_any()
    assert claimed
    assert claim_any() is None
    (wait,) = waits(redis)
    assert wait == pytest.approx(events.LEASE, abs=1)
    due_now()
    send_all()
    assert [got.id for got in receiver.got] == [claimed.event["id"]]
    assert not events.finish("shop", claimed, "retried", wait=5)  # it lives after all, and is too late
    assert redis.zcard(DUE) == 0


def test_what_many_threads_claim_they_claim_once(receiver, redis):
    send(40)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: claim_any(), range(60)))
    ids = [claimed.event["id"] for claimed in found if claimed]
    assert len(ids) == len(set(ids)) == 40


@pytest.mark.one_server
def test_without_redis_a_thread_ends_and_the_event_stays(receiver, redis, settings):
    send()
    claimed = claim_any()
    url = settings.CACHES["default"]["LOCATION"]
    point_cache_at(settings, "redis://127.0.0.1:9/0")
    with pytest.raises(Unavailable):
        sender.wake()
    point_cache_at(settings, url)
    due_now()
    send_all()
    assert [got.id for got in receiver.got] == [claimed.event["id"]]


def test_an_endpoint_that_is_away_for_days_does_not_fill_the_server(receiver, redis, settings, monkeypatch):
    """Further events are dropped, counted and logged."""
    settings.REDIS_CELLS = 1
    in_an_hour = (store.now() + 3600) * 1000
    with client() as hub:
        hub.zadd(names.key(DUE), {f'0 {{"id":"{number}"}}': in_an_hour for number in range(50_000)})
    send()
    assert redis.zcard(DUE) == 50_000
    assert counted("dropped") == 1
    monkeypatch.setattr(sender, "_quiet_until", {})
    with capture_logs() as logs:
        send_all()
        send_all()
    (told,) = [log for log in logs if log["event"] == "events_pile_up"]
    assert (told["endpoint"], told["waiting"], told["log_level"]) == ("shop", 50_000, "error")


def test_nothing_stands_there_without_an_end(receiver, redis):
    receiver.status = 500
    codes.start(PHONE)
    for _ in range(2):
        for key in redis.keys("sms:webhooks:*"):
            assert 0 < redis.ttl(key) <= 7 * 86400
        send_all()


class TestCells:
    """Each cell has queues and dead letters of its own."""

    @pytest.fixture(autouse=True)
    def _cells(self, settings, receiver):
        settings.REDIS_CELLS = 4
        self.receiver = receiver

    def happen(self, cell: int, seconds_ago: float = 1, tries: int = 0) -> str:
        """Write an event into a cell. Returns its id."""
        id, at = f"message_sent_{ids.new()}", int((store.now() - seconds_ago) * 1000)
        event = {"id": id, "type": "message.sent", "at": at, "data": {}}
        with client(cell) as redis:
            redis.zadd(names.key(DUE, cell), {f"{tries} {json.dumps(event)}": at})
        return id

    def test_the_events_of_each_are_sent(self):
        happened = [self.happen(cell) for cell in (0, 1, 1, 3)]
        assert events.queues()["shop"].waiting == events.waiting()["shop"] == 4
        send_all()
        assert sorted(got.id for got in self.receiver.got) == sorted(happened)
        assert events.queues()["shop"].waiting == 0
        assert counted("delivered") == 4

    def test_they_take_turns_the_oldest_first(self, monkeypatch):
        monkeypatch.setattr(sender, "CALLS", 1)
        first, third, fourth = (self.happen(3, seconds_ago) for seconds_ago in (30, 20, 10))
        second = self.happen(1, 5)
        send_all()
        assert [got.id for got in self.receiver.got] == [first, second, third, fourth]

    def test_what_is_not_due_is_not_asked_for(self, monkeypatch):
        asked = []
        monkeypatch.setattr(events, "claim", lambda *args: asked.append(args))
        self.happen(2, -60)
        send_all()
        assert asked == []

    def test_failures_and_dead_letters_stay_in_theirs(self):
        self.receiver.status = 500
        happened = [self.happen(cell, 60, tries=5) for cell in (2, 4)]
        send_all()
        queue = events.queues()["shop"]
        assert (queue.waiting, queue.dead, queue.error) == (2, 0, "status_500")
        assert queue.oldest == pytest.approx(60, abs=10)
        assert queue.next_at == pytest.approx(store.now() + 10 * HOURS, rel=0.1)
        due_now()
        send_all()
        assert events.queues()["shop"].dead == 2
        letters = events.dead_letters("shop")
        assert sorted(letter.event["id"] for letter in letters) == sorted(happened)
        assert letters[0].at >= letters[1].at
        assert events.dead_letters("shop", 1) == letters[:1]
        self.receiver.status = 204
        assert all(map(events.replay, letters))
        send_all()
        assert sorted(got.id for got in self.receiver.got[-2:]) == sorted(happened)

    def test_each_keeps_its_share_of_the_dead_letters(self):
        self.receiver.status = 500
        with client(1) as redis:
            kept = {f'timeout {{"id":"{n}"}}': store.now() * 1000 for n in range(2_500)}
            redis.zadd(names.key(DEAD, 1), kept)
        self.happen(1, tries=6)
        send_all()
        assert events.queues()["shop"].dead == 2_500

    @pytest.mark.one_server
    def test_a_server_that_is_away_delays_no_other(self, settings):
        away = settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:9/0"}
        settings.CACHES = settings.CACHES | {"away": away}
        settings.OTPOST_CACHE = ["default", "away"]
        there = [cell for cell in range(1, 5) if names.cache_alias(cell) == "default"]
        assert len(there) < 4
        happened = [self.happen(cell) for cell in (0, *there)]
        send_all()
        assert sorted(got.id for got in self.receiver.got) == sorted(happened)

    def test_a_code_dies_in_its_own(self):
        sweeper.request("events")
        for cell in (1, 3):
            with client(cell) as redis:
                redis.zadd(names.key(names.VERIFICATIONS_END, cell), {f"the-id-{cell}": 1000})
                redis.hset(names.key(names.VERIFICATIONS_TOLD, cell), f"the-id-{cell}", "{}")
        send_all()
        found = sorted(got.id for got in self.receiver.got)
        assert found == ["verification_expired_the-id-1", "verification_expired_the-id-3"]
        assert sweeper.request("events") is not None


def test_the_sweep_sends(receiver, redis):
    """The sweep that beat asks for, and a worker of the queue runs."""
    send()
    cutoff = sweeper.request("events")
    assert sweeper.request("events") is None
    tasks.sweep("events", cutoff)
    until_idle()
    assert receiver.types() == ["message.sent"]
    assert sweeper.request("events") is not None


def test_that_no_worker_takes_events_shows(receiver, redis):
    unswept = names.UNSWEPT + "events"
    sweeper.request("events")
    redis.set(unswept, int(redis.get(unswept)) - 40_000, px=15_000)
    assert signs.read().words() == {"beat": "ok", "sweep": "away"}
    tasks.sweep("events", 0)
    assert not redis.exists(unswept)
    assert signs.read().words() == {"beat": "ok", "sweep": "ok"}


def test_without_endpoints_no_sweep_is_published(settings, redis):
    settings.WEBHOOKS = {}
    assert sweeper.SweepTask.apply_async(tasks.sweep, ("events",)) is None
    assert redis.keys("sms:sweep:*") == []


def test_a_worker_that_stops_begins_nothing(receiver, redis):
    send(3)
    sender.stop()
    send_all()
    assert receiver.got == []
    sender.begin()
    send_all()
    assert len(receiver.got) == 3


@pytest.mark.parametrize("trusted", [True, False])
def test_tls_is_verified(settings, redis, tmp_path, trusted):
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Receiver(context=context) as receiver:
        options = [f"ssl_ca_certs={authority.file}"] if trusted else []
        settings.WEBHOOKS = {"shop": receiver.url(*options)}
        send()
        with capture_logs() as logs:
            send_all()
        assert len(receiver.got) == trusted
        errors = [log["error"] for log in logs if log["event"] == "event_retried"]
        assert errors == ([] if trusted else ["tls"])
    sender.stop()
    until_idle()
    sender.begin()


class Dripping:
    """Stands between a call and a receiver with TLS, and lets one byte of the receiver through at a time."""

    def __init__(self, port: int) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port, self.theirs = self.server.getsockname()[1], port
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        call, _ = self.server.accept()
        with call, socket.create_connection(("127.0.0.1", self.theirs)) as receiver, suppress(OSError):
            receiver.sendall(call.recv(65_536))
            while byte := receiver.recv(1):
                call.sendall(byte)
                time.sleep(0.05)


def test_a_handshake_that_drips_ends_at_the_deadline(settings, redis, tmp_path, monkeypatch):
    """However often something comes. With some 2,000 bytes it would take two minutes."""
    monkeypatch.setattr(post, "LONGEST_CONNECT", 1.0)
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Receiver(context=context) as receiver:
        url = receiver.url(f"ssl_ca_certs={authority.file}")
        dripping = Dripping(receiver.port)
        settings.WEBHOOKS = {"shop": url.replace(str(receiver.port), str(dripping.port))}
        send()
        begun = time.monotonic()
        with capture_logs() as logs:
            send_all()
        dripping.server.close()
    assert time.monotonic() - begun < 10
    assert [log["error"] for log in logs if log["event"] == "event_retried"] == ["timeout"]
    sender.stop()
    until_idle()
    sender.begin()


def test_a_name_that_nobody_answers_about_ends_at_the_deadline(receiver, settings, redis, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(post, "LONGEST_CONNECT", 0.5)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(60))
    caller = post.Caller(endpoints.configured()["shop"])
    begun = time.monotonic()
    assert caller.post({"id": "x", "type": "otpost.test", "at": 0, "data": {}}) == "timeout"
    assert time.monotonic() - begun < 10
    over.set()


def test_no_log_line_has_a_secret_or_the_path(receiver):
    receiver.answers, threads = [500], threading.active_count()
    with capture_logs() as logs:
        send(2)
        send_all()
    text = json.dumps(logs)
    assert "event_retried" in text
    for secret in (SECRET, SECRET.removeprefix("whsec_"), "/hook", PHONE):
        assert secret not in text
    assert threading.active_count() < threads + 50
