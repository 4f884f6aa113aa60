"""Redis behind Sentinel: the master dies, the replica takes over, and nothing is started anew."""

from __future__ import annotations

import time
from typing import Any

import pytest

from config.demo.embedded import EmbeddedServer
from config.servers import cache
from otp.errors import StoreUnavailable
from otp.handler import OTPHandler
from tests.faults.sentinels import PASSWORD, SENTINEL_PASSWORD, Sentinels
from tests.faults.stack import Stack, wait_for
from tests.faults.test_pipeline import Outbox, phones

pytestmark = pytest.mark.slow

#: Seconds: 1 until the sentinels miss the master, their election and the move, and room.
FAILOVER = 15


@pytest.fixture
def sentinels(tmp_path):
    with Sentinels(tmp_path) as found:
        yield found


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path / "outbox.jsonl")


@pytest.fixture
def stack(tmp_path, sentinels, outbox):
    # CELERY_BROKER_URL is left to its default, which is REDIS_URL.
    with Stack(tmp_path, REDIS_URL=sentinels.url, CELERY_BROKER_URL="", SMS_PROVIDERS=outbox.url) as found:
        yield found


def start(stack: Stack, number: str) -> str:
    status, body, _ = stack.call("POST", "/v1/verifications", {"phone": number})
    assert status == 202, body
    return str(body["id"])


def check(stack: Stack, id: str, outbox: Outbox, number: str) -> str:
    (code,) = (sms["body"][-6:] for sms in outbox() if sms["to"] == number)
    answer = stack.call("POST", f"/v1/verifications/{id}/check", {"code": code})[1]
    return str(answer["status"])


def supervise(stack: Stack) -> None:
    """The work of a supervisor: a worker with tasks in hand may end when its broker dies."""
    if stack.processes["worker"].poll() is not None:
        stack.start("worker")


def test_a_code_survives_its_master(stack, sentinels, outbox):
    numbers = phones(4)
    stack.start("web", "worker", "beat")
    first = start(stack, numbers[0])
    wait_for(lambda: len(outbox()) == 1)
    assert check(stack, first, outbox, numbers[0]) == "valid"

    # One code is sent but not yet checked. One waits in a queue without a worker.
    delivered = start(stack, numbers[1])
    wait_for(lambda: len(outbox()) == 2)
    stack.kill("worker")
    waiting = start(stack, numbers[2])
    sentinels.wait_for_the_replica()
    stack.start("worker")
    sentinels.master.kill()
    killed_at = time.monotonic()

    def again() -> Any:
        status, body, seconds = stack.call("POST", "/v1/verifications", {"phone": numbers[3]})
        assert status in (202, 503), body
        assert seconds < 3
        return body["id"] if status == 202 else None

    later = wait_for(again, FAILOVER)
    supervise(stack)
    wait_for(lambda: len(outbox()) >= 4, 60)
    assert check(stack, delivered, outbox, numbers[1]) == "valid"
    assert check(stack, waiting, outbox, numbers[2]) == "valid"
    assert check(stack, later, outbox, numbers[3]) == "valid"
    assert len(outbox()) == 4
    wait_for(lambda: stack.call("GET", "/readyz")[0] == 200)
    print(f"everything again {time.monotonic() - killed_at:.1f} s after the kill")
    for name in stack.processes:
        assert PASSWORD not in stack.log(name)
        assert SENTINEL_PASSWORD not in stack.log(name)


def test_a_planned_failover(stack, sentinels, outbox):
    """The old master lives on as a replica; whoever comes back to it would be refused every write."""
    numbers = phones(2)
    stack.start("web", "worker", "beat")
    start(stack, numbers[0])
    wait_for(lambda: len(outbox()) == 1)
    sentinels.wait_for_the_replica()
    sentinels.fail_over()
    assert sentinels.client(sentinels.replica).info("replication")["role"] == "slave"

    def again() -> Any:
        status, body, seconds = stack.call("POST", "/v1/verifications", {"phone": numbers[1]})
        assert status in (202, 503), body
        assert seconds < 3
        return status == 202

    wait_for(again, FAILOVER, every=0.3)
    supervise(stack)
    wait_for(lambda: len(outbox()) == 2, 60)


def test_a_master_without_its_replica_takes_nothing(tmp_path, outbox):
    """`min-replicas-to-write`, which bounds what a failover can lose, is answered as Redis away."""
    with (
        EmbeddedServer(config={"min-replicas-to-write": "1"}) as server,
        Stack(tmp_path, REDIS_URL=server.url, CELERY_BROKER_URL="", SMS_PROVIDERS=outbox.url) as stack,
    ):
        stack.start("web")
        status, problem, _ = stack.call("POST", "/v1/verifications", {"phone": phones(1)[0]})
    assert (status, problem["code"]) == (503, "unavailable")


def test_an_answer_that_comes_too_late_is_nobody_elses(sentinels, settings):
    """A wrong code must not be taken for right because a right one before it timed out."""
    settings.CACHES = {"default": cache(sentinels.url, connections=4)}
    numbers = phones(2)
    right, other = (OTPHandler.generate_otp(number).code for number in numbers)
    sentinels.client(sentinels.master).client_pause(1500, all=False)  # longer than a script may take
    with pytest.raises(StoreUnavailable):
        OTPHandler.verify_otp(numbers[0], right)
    checked = OTPHandler.verify_otp(numbers[1], "0" * 6 if other != "0" * 6 else "1" * 6)
    assert (checked.status, checked.attempts_left) == ("invalid", 2)
    assert OTPHandler.verify_otp(numbers[1], other).status == "valid"


def test_two_of_three_sentinels_are_enough(stack, sentinels, outbox):
    sentinels.kill_sentinel(0)
    stack.start("web", "worker")
    start(stack, phones(1)[0])
    wait_for(lambda: len(outbox()) == 1)


def test_without_sentinels_starts_are_refused_in_time(stack, sentinels):
    """Though each of them is asked."""
    for number in range(3):
        sentinels.kill_sentinel(number)
    stack.start("web")
    status, problem, seconds = stack.call("POST", "/v1/verifications", {"phone": phones(1)[0]})
    assert (status, problem["code"]) == (503, "unavailable")
    assert seconds < 3
