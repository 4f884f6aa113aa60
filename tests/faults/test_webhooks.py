"""Events of real processes: none is lost, whatever dies."""

from __future__ import annotations

import signal

import pytest
from redis import Redis

from config.demo.embedded import EmbeddedServer
from sms import names
from tests.faults.hooks import ToldStack
from tests.faults.load import phone
from tests.faults.stack import PROGRAMS, wait_for
from tests.sms.providers.gateway import gateway, response

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path):
    with EmbeddedServer(directory=tmp_path) as found:
        yield found


@pytest.fixture
def stack(tmp_path, server):
    with (
        ToldStack(tmp_path, REDIS_URL=server.url, CELERY_BROKER_URL=server.url) as found,
        gateway() as vendor,
    ):
        vendor.answer = lambda: response(201, '{"sid": "SM1"}')
        found.environment["SMS_PROVIDERS"] = f"main=twilio://AC1:token@?from=x&base_url={vendor.url}"
        yield found


def start(stack: ToldStack, count: int, begin: int = 0) -> set[str]:
    """The ids of so many verifications."""
    answers = [stack.call("POST", "/v1/verifications", {"phone": phone(begin + n)}) for n in range(count)]
    assert {status for status, _, _ in answers} == {202}
    return {body["id"] for _, body, _ in answers}


def told(stack: ToldStack) -> set[str]:
    return {got.data["verification_id"] for got in stack.receiver.got if got.type == "message.sent"}


@pytest.mark.slow(32)
def test_a_worker_that_is_killed_in_its_calls_loses_no_event(stack, server):
    """They are sent again when their claims have run out, under the same ids."""
    receiver = stack.receiver
    receiver.forgets = False
    receiver.hangs.set()
    stack.begin()
    ids = start(stack, 20)
    wait_for(lambda: receiver.in_hand >= 8)
    stack.kill("worker")
    receiver.hangs.clear()  # what the dead one had sent is answered, to nobody
    wait_for(lambda: receiver.in_hand == 0)
    before = {got.id for got in receiver.got}
    assert len(before) >= 8
    stack.start("worker")
    with Redis.from_url(server.url) as redis:
        wait_for(lambda: redis.zcard(names.WEBHOOKS_DUE + "shop") == 0, 60)
    assert told(stack) == ids
    assert not receiver.forged
    again = [got.id for got in receiver.got if got.id in before]
    assert len(again) > len(before)
    assert len({got.id for got in receiver.got}) == len(ids)


@pytest.mark.parametrize("namespace", ["", "shop"])
def test_a_worker_for_events_alone_and_one_without(stack, server, monkeypatch, namespace):
    """The one sends no code, the other no event. SIGTERM ends both, with what they have in hand."""
    stack.environment["OTPOST_NAMESPACE"] = namespace
    due = f"{namespace}:" * bool(namespace) + names.WEBHOOKS_DUE + "shop"
    queues = {"worker-2": "events", "worker-3": "otp,bulk"}
    stack.start("web")
    stack.spawn("beat")
    for name, taken in queues.items():
        monkeypatch.setitem(PROGRAMS, "worker", [*PROGRAMS["worker"][:-1], taken])
        stack.spawn(name)
    ids = start(stack, 5)
    wait_for(lambda: told(stack) == ids)
    codes = [line for line in stack.log("worker-2").splitlines() if '"message_sent"' in line]
    assert codes == []
    stack.kill("worker-2", signal.SIGTERM)
    count = len(stack.receiver.got)
    more = start(stack, 5, begin=5)
    with Redis.from_url(server.url) as redis:
        wait_for(lambda: redis.zcard(due) >= len(more))
    assert len(stack.receiver.got) == count
