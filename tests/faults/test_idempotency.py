"""A web process that is killed while it works on a request with an ``Idempotency-Key``."""

from __future__ import annotations

import http.client
import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from config.demo.embedded import EmbeddedServer
from tests.faults.stack import Stack, wait_for
from tests.settings import API_KEY

pytestmark = pytest.mark.slow


def send(stack: Stack) -> tuple[int, Any, bool]:
    """Send the same request once more. Returns status, JSON, and whether the answer was a kept one."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.web_port, timeout=10)
    headers = {
        "Authorization": f"Bearer {API_KEY}",
        "Content-Type": "application/json",
        "Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324",
    }
    try:
        connection.request("POST", "/v1/messages", json.dumps({"to": "+12025550123", "body": "Hi"}), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.getheader("Idempotency-Replayed") == "true"
    finally:
        connection.close()


def test_a_web_process_killed_in_the_middle_holds_its_key_for_a_lease(tmp_path: Path):
    with (
        EmbeddedServer() as store,
        EmbeddedServer() as broker,
        Stack(
            tmp_path,
            REDIS_URL=store.url,
            CELERY_BROKER_URL=broker.url,
            SMS_PROVIDERS=f"main=file://{tmp_path / 'outbox'}?clear=yes",
        ) as stack,
        ThreadPoolExecutor(1) as pool,
    ):
        redis: Any = Redis.from_url(store.url)
        stack.start("web")
        broker.process.send_signal(signal.SIGSTOP)  # so that the request hangs before its answer
        running = pool.submit(send, stack)
        wait_for(lambda: redis.keys("sms:message:*"), 5, every=0.005)
        (record,) = redis.keys("http:idempotency:*")
        stack.kill("web")
        assert isinstance(running.exception(10), (OSError, http.client.HTTPException))
        broker.process.send_signal(signal.SIGCONT)

        stack.start("web")
        status, body, _ = send(stack)
        assert (status, body["code"]) == (409, "idempotency_in_progress")
        assert 0 < redis.pttl(record) <= 30_000
        redis.pexpire(record, 1)  # the lease is over
        wait_for(lambda: not redis.exists(record), 5)
        status, body, repeated = send(stack)
        assert (status, repeated) == (202, False)
        assert send(stack) == (202, body, True)
        assert len(redis.keys("sms:message:*")) == 2  # the killed one's was accepted, which nobody can know

        # The answer is kept by Redis, not by the process.
        stack.kill("web")
        stack.start("web")
        assert send(stack) == (202, body, True)
