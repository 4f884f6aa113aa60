"""The promises when processes die: real web, worker, beat and server, real signals."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import signal
import time
from collections import Counter
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from redis import Redis

from config.demo.embedded import EmbeddedServer
from sms import names, services
from sms.message import State
from tests.conftest import point_cache_at
from tests.faults.cutter import Cutter
from tests.faults.load import phone
from tests.faults.report import SETTLED
from tests.faults.stack import PROGRAMS, Stack, wait_for
from tests.sms.providers.gateway import gateway, response

pytestmark = pytest.mark.slow

IN_CI = os.environ.get("CI") == "true"


class Outbox:
    """The output of the file provider; call it to read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"main=file://{path}?clear=yes"

    def __call__(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []


@pytest.fixture
def server(tmp_path):
    """A server of the test's own, which it may kill."""
    with EmbeddedServer(directory=tmp_path) as found:
        yield found


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path / "outbox.jsonl")


@pytest.fixture
def stack(tmp_path, server, outbox):
    with Stack(
        tmp_path, REDIS_URL=server.url, CELERY_BROKER_URL=server.url, SMS_PROVIDERS=outbox.url
    ) as found:
        yield found


@pytest.fixture
def enqueue(server, settings, monkeypatch, caplog):
    """``services.send`` of this process writes to the test's own server and broker."""
    point_cache_at(settings, server.url)
    settings.SMS_LONGEST_WAIT = {}  # a backlog is what some of these tests want
    # A line for each of thousands of messages would bury what a failure has to say.
    caplog.set_level(logging.WARNING, logger="sms")
    monkeypatch.setitem(current_app.conf, "task_always_eager", False)
    with current_app.connection_for_write(url=server.url) as connection:
        producer = connection.Producer()
        task = current_app.tasks["sms.deliver"]
        monkeypatch.setattr(
            "sms.broker.publish", lambda id, queue: task.apply_async((id,), queue=queue, producer=producer)
        )
        yield services.send


def phones(count: int) -> list[str]:
    """Numbers that are valid and tell the messages of a test apart."""
    return [phone(n) for n in range(count)]


#: Every key with its values, all at one instant: otherwise keys would go, and messages move between them,
#: meanwhile.
HELD = """
local read = {
  string = { 'GET' }, hash = { 'HGETALL' }, set = { 'SMEMBERS' }, list = { 'LRANGE', 0, -1 },
  zset = { 'ZRANGE', 0, -1 }
}
local held = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local name, first, last = unpack(read[redis.call('TYPE', key).ok])
  table.insert(held, { key, first and redis.call(name, key, first, last) or redis.call(name, key) })
end
return held
"""


def dump(redis: Any) -> dict[str, str]:
    """What a server holds, by key, and what Celery wrapped in base64 unwrapped as well."""
    held = {}
    for key, found in redis.eval(HELD, 0):
        values = found if isinstance(found, list) else [found]
        text = "\n".join(part.decode(errors="replace") for part in (key, *values))
        for body in re.findall(r'"body": "([A-Za-z0-9+/=]+)"', text):
            text += "\n" + base64.b64decode(body).decode(errors="replace")
        held[key.decode()] = text
    return held


def code_in(sms: dict[str, Any]) -> str:
    """The code of an SMS, which also ends with it."""
    return str(sms["body"].rpartition("#")[2])


def test_nothing_is_readable_anywhere(stack, server, outbox, tmp_path):
    """Every key, value, queue and log of a run with the real processes."""
    # Six digits may be there by chance: a key holds the number of the hour. Twelve can only be a code.
    stack.environment["OTP_PURPOSES"] = '{"login": {"length": 12}}'
    redis = Redis.from_url(server.url)
    numbers = phones(3)
    stack.start("web")
    ids = [stack.call("POST", "/v1/verifications", {"phone": number})[1]["id"] for number in numbers]
    stack.call("POST", "/v1/messages", {"to": numbers[0], "body": "Your parcel is here."})
    held = {"waiting": dump(redis)}  # while all of it is in the broker
    assert redis.llen("otp") == 3
    stack.start("worker", "beat")
    wait_for(lambda: len(outbox()) == 4)
    held["sent"] = dump(redis)
    codes = {sms["to"]: code_in(sms) for sms in outbox() if "#" in sms["body"]}
    assert {len(code) for code in codes.values()} == {12}
    for id, number in zip(ids, numbers, strict=True):
        stack.call("POST", f"/v1/verifications/{id}/check", {"code": "0" * 12})
        assert (
            stack.call("POST", f"/v1/verifications/{id}/check", {"code": codes[number]})[1]["status"]
            == "valid"
        )
    held["checked"] = dump(redis)
    places = {f"{when}: {key}": text for when, keys in held.items() for key, text in keys.items()}
    places |= {name: stack.log(name) for name in ("web", "worker", "beat")}

    def found(pattern: str) -> list[tuple[str, str]]:
        """The lines in which it stands, each with its place."""
        lines = ((place, line) for place, text in places.items() for line in text.splitlines())
        return [(place, line) for place, line in lines if re.search(pattern, line)]

    assert found(ids[0])  # the search finds what is there
    assert found("message_sent")
    for secret in ("parcel", "Otpost code", *(number[2:] for number in numbers)):
        assert found(secret) == []
    for code in codes.values():
        # As a word of its own; digits inside a random token or a time say nothing.
        assert found(rf"(?<![\w.-]){code}(?![\w.-])") == []


def test_redis_away_and_back(stack, server, outbox):
    stack.start("web", "worker", "beat")
    assert stack.call("POST", "/v1/verifications", {"phone": "+12025550123"})[0] == 202
    wait_for(lambda: len(outbox()) == 1)
    server.kill()
    for _ in range(3):
        status, problem, seconds = stack.call("POST", "/v1/verifications", {"phone": "+12025550124"})
        assert (status, problem["code"]) == (503, "unavailable")
        assert seconds < 3
    assert stack.call("GET", "/readyz")[0] == 503
    server.start()
    status, body, _ = stack.call("POST", "/v1/verifications", {"phone": "+12025550124"})
    assert (status, body["status"]) == (202, "pending")
    if stack.processes["worker"].poll() is not None:  # a supervisor's work, see docs/processes.md
        stack.start("worker")
    wait_for(lambda: len(outbox()) == 2)
    wait_for(lambda: stack.call("GET", "/readyz")[0] == 200)


def test_who_waits_for_the_broker_tries_it_every_second(stack, server):
    """Not after 2, 4, 6 … 30 s: worker and beat are there as soon as it is."""
    server.kill()
    for name in ("worker", "beat"):
        stack.spawn(name)
        wait_for(partial(_tried, stack, name, 4))
    server.start()
    redis = Redis.from_url(server.url)
    wait_for(lambda: redis.exists("sms:started:otp"), 4)
    wait_for(lambda: "cmdstat_lpush" in redis.info("commandstats"), 4)  # the first that beat asks for


def _tried(stack: Stack, name: str, times: int) -> bool:
    return stack.log(name).count("Trying again in 1.0") >= times


def test_a_redis_that_hangs_is_answered_in_time(tmp_path, server, outbox):
    """Also if a connection needs an answer before it can be used, as with a database or a password."""
    url = server.url.replace("/0", "/1")
    with Stack(tmp_path, REDIS_URL=url, CELERY_BROKER_URL=url, SMS_PROVIDERS=outbox.url) as stack:
        stack.start("web")
        server.process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(2):  # the second one finds a connection that the first has closed
                status, _, seconds = stack.call("POST", "/v1/verifications", {"phone": "+12025550123"})
                assert (status, seconds < 3) == (503, True), seconds
        finally:
            server.process.send_signal(signal.SIGCONT)


def test_the_broker_away_before_anything_is_written(tmp_path, server, outbox):
    redis = Redis.from_url(server.url)
    with Stack(
        tmp_path, REDIS_URL=server.url, CELERY_BROKER_URL="redis://127.0.0.1:9/0", SMS_PROVIDERS=outbox.url
    ) as stack:
        stack.start("web")
        for path, body in (
            ("/v1/verifications", {"phone": "+12025550123"}),
            ("/v1/messages", {"to": "+12025550123", "body": "hi"}),
        ):
            status, problem, seconds = stack.call("POST", path, body)
            assert (status, problem["code"]) == (503, "unavailable")
            assert seconds < 3
        assert redis.keys() == []


def test_the_broker_away_after_the_record_was_written(tmp_path, server, outbox):
    """It is accepted. The sweep publishes it when the broker is back."""
    with (
        EmbeddedServer() as broker,
        Cutter(broker.port, b"LPUSH") as cutter,
        Stack(tmp_path, REDIS_URL=server.url, SMS_PROVIDERS=outbox.url) as stack,
    ):
        stack.start("web", CELERY_BROKER_URL=f"redis://127.0.0.1:{cutter.port}/0")
        stack.environment["CELERY_BROKER_URL"] = broker.url
        stack.start("worker", "beat")
        status, body, seconds = stack.call("POST", "/v1/verifications", {"phone": "+12025550123"})
        assert cutter.cut.is_set()
        assert (status, body["status"]) == (202, "pending")
        assert seconds < 3
        assert outbox() == []
        (sms,) = wait_for(outbox, seconds=25)
        assert (
            stack.call("POST", f"/v1/verifications/{body['id']}/check", {"code": code_in(sms)})[1]["status"]
            == "valid"
        )


@pytest.mark.slow(33)
def test_a_worker_killed_with_fifty_messages_in_hand(stack, enqueue):
    """All become final within the code's life; what was accepted is not sent again, what is
    unknown at most once more.
    """
    with gateway() as vendor:
        vendor.answer = lambda: response(201, '{"sid": "SM1"}')
        url = f"main=twilio://AC1:token@?from=x&base_url={vendor.url}"
        stack.start("worker", SMS_PROVIDERS=url)
        began = time.time()
        messages: dict[str, str] = {}

        def ask(numbers: list[str]) -> None:
            for number in numbers:
                sent = enqueue(number, "123456", queue="otp", expires_at=began + 120, resend_unknown=True)
                messages[number] = sent.id

        numbers = phones(150)
        ask(numbers[:60])
        wait_for(lambda: all(services.get(id).state is State.SENT for id in messages.values()))
        vendor.delay = 10.0  # the rest is in hand until the worker is killed
        ask(numbers[60:])
        wait_for(lambda: len(vendor.requests) >= 90, every=0.005)
        stack.kill("worker")
        states = {number: services.get(id).state for number, id in messages.items()}
        sent_before = {number for number, state in states.items() if state is State.SENT}
        in_hand = {number for number, state in states.items() if state is State.SENDING}
        assert len(in_hand) >= 25
        vendor.delay = 0.0
        stack.start("worker", "beat", SMS_PROVIDERS=url)
        wait_for(lambda: all(services.get(id).state in SETTLED for id in messages.values()), 90, every=0.5)
        assert time.time() < began + 120
        assert {services.get(id).state for id in messages.values()} == {State.SENT}
        calls = Counter(fields["To"] for _, _, fields in vendor.requests)
        assert set(calls) == set(messages)
        assert all(calls[number] == 1 for number in messages.keys() - in_hand)
        assert all(calls[number] <= 2 for number in in_hand)
        assert sent_before


def test_a_worker_told_to_stop_finishes_what_it_has(stack, enqueue):
    with gateway() as vendor:
        vendor.delay = 0.5
        vendor.answer = lambda: response(201, '{"sid": "SM1"}')
        stack.start("worker", SMS_PROVIDERS=f"main=twilio://AC1:token@?from=x&base_url={vendor.url}")
        messages = [enqueue(number, "Hello").id for number in phones(20)]
        wait_for(lambda: len(vendor.requests) >= 10, every=0.005)
        stack.kill("worker", signal.SIGTERM)
        states = Counter(services.get(id).state for id in messages)
        assert set(states) <= {State.SENT, State.QUEUED}
        assert states[State.SENT] == len(vendor.requests)


@pytest.mark.slow(20)
def test_who_calls_nobody_is_asked_and_keeps_its_rate(stack, enqueue):
    """Beat wakes the worker, which asks: 5 s after the vendor took them, or later where its rate says so."""
    times: list[float] = []
    with gateway() as vendor:
        vendor.answer = lambda: (
            times.append(time.monotonic()) or response(200, '{"id": "m-1", "state": "Delivered"}')
        )
        url = f"main=android://user:password@127.0.0.1:{vendor.port}?rate=10"
        messages = [enqueue(number, "Hello").id for number in phones(30)]
        stack.start("worker", "beat", SMS_PROVIDERS=url)
        wait_for(lambda: all(services.get(id).state is State.DELIVERED for id in messages), 60, every=0.2)
    asked = [at for at, (path, *_) in zip(times, vendor.requests, strict=True) if path == "/messages/m-1"]
    assert len(asked) == 30
    assert asked[0] - times[0] >= 5
    assert max(sum(begin <= at < begin + 1 for at in times) for begin in times) <= 13


def test_a_rate_holds_when_beat_and_worker_stood_still(stack, enqueue):
    """All turns of some seconds are then taken at once."""
    times: list[float] = []
    with gateway() as vendor:
        vendor.answer = lambda: times.append(time.monotonic()) or response(201, '{"sid": "SM1"}')
        url = f"main=twilio://AC1:token@?from=x&base_url={vendor.url}&rate=10"
        stack.start("worker", SMS_PROVIDERS=url)
        for number in phones(60):
            enqueue(number, "Hello")
        wait_for(lambda: len(times) >= 10, every=0.005)
        worker = stack.processes["worker"]
        worker.send_signal(signal.SIGSTOP)
        time.sleep(3)
        worker.send_signal(signal.SIGCONT)
        stack.start("beat", SMS_PROVIDERS=url)
        wait_for(lambda: len(times) == 60)
        # 1.1 times the rate and one, and one that had its turn just before the worker stood still.
        assert max(sum(begin <= at < begin + 1 for at in times) for begin in times) <= 13
        assert times[-1] - times[0] < 3 + 60 / 10 + 3


@pytest.mark.slow(75 if IN_CI else 30)
@pytest.mark.timeout(240)  # 60 s are without a worker, and it has 120 for the rest
def test_a_backlog_is_not_multiplied_and_the_expired_are_not_sent(stack, server, enqueue, outbox, settings):
    """10,000 messages while no worker runs for 60 s (here: fewer and shorter, unless in CI)."""
    settings.SMS_LONGEST_WAIT = 0  # none is refused, however slowly they are written
    count, away = (10_000, 60) if IN_CI else (2_000, 20)
    redis = Redis.from_url(server.url)
    stack.start("beat")
    began = time.time()
    numbers = phones(count)
    short: list[str] = []
    long: list[str] = []
    for n, number in enumerate(numbers):
        expires_at = time.time() + (5 if n % 2 else 600)
        message = enqueue(number, "123456", queue="otp", expires_at=expires_at, resend_unknown=True)
        (short if n % 2 else long).append(message.id)
    time.sleep(max(0, began + away - time.time()))
    entries = sum(redis.llen(queue) for queue in ("otp", "bulk")) + redis.hlen("unacked")
    assert entries <= 1.1 * count
    stack.start("worker")
    wait_for(lambda: redis.zcard("sms:leases:otp") == 0, 120, every=0.5)
    assert states(redis, short) == {State.EXPIRED}
    assert states(redis, long) == {State.SENT}
    assert Counter(sms["id"] for sms in outbox()) == Counter(long)


def states(redis: Any, ids: list[str]) -> set[str]:
    """Those of their records, asked for all at once."""
    pipe = redis.pipeline(transaction=False)
    for id in ids:
        pipe.hget(names.RECORD + id, "state")
    return {(state or b"").decode() for state in pipe.execute()}


def test_ready_means_that_a_worker_and_beat_are_there(stack, server):
    stack.start("web")
    assert stack.call("GET", "/readyz")[1]["worker"] == "away"
    stack.start("worker")
    wait_for(lambda: stack.call("GET", "/readyz")[1]["worker"] == "ok")
    assert Redis.from_url(server.url).exists("sms:started:otp", "sms:started:bulk") == 2
    status, answer, _ = stack.call("GET", "/readyz")
    assert (status, answer["beat"]) == (503, "away")  # what is lost would stay lost
    stack.start("beat")
    wait_for(lambda: stack.call("GET", "/readyz")[0] == 200)
    wait_for(lambda: stack.call("GET", "/readyz")[1]["last_sweep"])
    answer = stack.call("GET", "/readyz")[1]
    assert abs(seconds(answer.pop("last_sweep")) - time.time()) < 5
    assert answer == {
        "status": "ok",
        "redis": "ok",
        "broker": "ok",
        "worker": "ok",
        "beat": "ok",
        "sweep": "ok",
        "since": {},
    }
    stack.kill("beat")
    redis: Any = Redis.from_url(server.url)
    long_ago = int(redis.get(names.key(names.BEAT))) - 20_000
    redis.set(names.key(names.BEAT), long_ago)
    wait_for(lambda: stack.call("GET", "/readyz")[1]["beat"] == "away")
    assert seconds(stack.call("GET", "/readyz")[1]["since"]["beat"]) == long_ago // 1000
    stack.start("beat")
    wait_for(lambda: stack.call("GET", "/readyz")[0] == 200)
    killed = time.time()
    stack.kill("worker")
    wait_for(lambda: stack.call("GET", "/readyz")[1]["worker"] == "away")
    since = stack.call("GET", "/readyz")[1]["since"]
    assert killed - 5 < seconds(since["worker"]) <= time.time()
    stack.kill("web")
    stack.start("web")
    assert stack.call("GET", "/readyz")[1]["since"] == since


def test_a_worker_that_runs_no_sweep_of_a_queue_shows(stack, server, monkeypatch):
    """It answers, and beat asks: only what is lost would stay lost."""
    monkeypatch.setitem(PROGRAMS, "worker", ["-m", "celery", "-A", "config", "worker", "-Q", "otp"])
    stack.start("web", "worker", "beat")
    wait_for(lambda: stack.call("GET", "/readyz")[0] == 200)
    redis: Any = Redis.from_url(server.url)
    name = names.key(names.UNSWEPT + "bulk")
    wait_for(lambda: redis.exists(name))
    long_ago = int(redis.get(name)) - 40_000
    redis.set(name, long_ago)
    wait_for(lambda: stack.call("GET", "/readyz")[1]["sweep"] == "away")
    status, answer, _ = stack.call("GET", "/readyz")
    assert (status, answer["worker"], answer["beat"]) == (503, "ok", "ok")
    assert seconds(answer["since"]["sweep"]) == long_ago // 1000
    assert abs(seconds(answer["last_sweep"]) - time.time()) < 5  # of the other queue


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_what_is_full_is_the_server_and_no_worker(stack, server):
    """A question to the workers goes through the broker, here the same Redis."""
    stack.start("web")
    Redis.from_url(server.url).config_set("maxmemory", "1")
    answer = stack.call("GET", "/readyz")[1]
    assert answer == {
        "status": "unready",
        "redis": "full",
        "broker": "full",
        "worker": "unknown",
        "beat": "unknown",
        "sweep": "unknown",
        "since": answer["since"],
        "last_sweep": None,
    }
    assert answer["since"].keys() == {"redis", "broker"}


def test_logs_of_the_run_are_json(stack, tmp_path: Path):
    stack.start("web")
    stack.call("POST", "/v1/verifications", {"phone": "+12025550123"})
    events = [json.loads(line)["event"] for line in stack.log("web").splitlines()]
    assert "code_issued" in events


#: The user that docs/readiness.md names for an ACL.
ACL = "allkeys allchannels +@read +@write +@scripting +@connection +@transaction +@pubsub +time +info"


def test_a_broker_whose_queues_we_may_not_write_to_is_noticed(stack, server):
    """Accepted messages would never arrive: PING is allowed to everybody."""
    redis = Redis.from_url(server.url)
    redis.execute_command("ACL", "SETUSER", "limited", "on", ">p", "allkeys", "allchannels", "+@all")
    url = server.url.replace("redis://", "redis://limited:p@")
    stack.start("web", REDIS_URL=url, CELERY_BROKER_URL=url, GUARD_MODE="off")
    ours = [f"~otp:{name}*" for name in ("probe", "verification:", "phone:", "failures:", "limit:")]
    redis.execute_command("ACL", "SETUSER", "limited", "resetkeys", "~sms:*", "~http:*", *ours)
    assert stack.call("GET", "/readyz")[1]["broker"] == "forbidden_keys"
    assert stack.call("POST", "/v1/verifications", {"phone": "+12025550123"})[0] == 503
    assert not redis.keys("otp:verification:*")


def test_the_rights_that_the_docs_name_are_enough(stack, server, outbox):
    assert ACL in (Path(__file__).parents[2] / "docs" / "readiness.md").read_text()
    Redis.from_url(server.url).execute_command("ACL", "SETUSER", "otpost", "on", ">p", *ACL.split())
    url = server.url.replace("redis://", "redis://otpost:p@")
    stack.start("web", "worker", "beat", REDIS_URL=url, CELERY_BROKER_URL=url)
    wait_for(lambda: stack.call("GET", "/readyz")[0] == 200)
    assert stack.call("POST", "/v1/verifications", {"phone": "+12025550123"})[0] == 202
    wait_for(lambda: len(outbox()) == 1)
    assert "NOPERM" not in stack.log("worker") + stack.log("beat") + stack.log("web")
