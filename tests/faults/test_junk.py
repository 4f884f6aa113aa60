"""An entry of a queue that is not our task is dropped and logged, and the worker goes on."""

from __future__ import annotations

import itertools
import json
import time

import pytest
from redis import Redis

from config.demo.embedded import EmbeddedServer
from tests.faults.junk import MARK, entries
from tests.faults.load import phone
from tests.faults.stack import Stack, wait_for
from tests.faults.test_pipeline import Outbox

pytestmark = pytest.mark.slow

#: So many kept a worker down for minutes, when each ended it once.
MANY = 4_500


@pytest.mark.parametrize("queue", ["otp", "bulk"])
def test_whatever_stands_in_a_queue_ends_no_worker(tmp_path, queue):
    """Each kind, thousands of them, then a message: it arrives by the same process, and the log repeats
    nothing of what it dropped.
    """
    outbox = Outbox(tmp_path / "outbox.jsonl")
    with (
        EmbeddedServer() as server,
        Stack(
            tmp_path, REDIS_URL=server.url, CELERY_BROKER_URL=server.url, SMS_PROVIDERS=outbox.url
        ) as stack,
    ):
        redis = Redis.from_url(server.url)
        stack.start("web", "worker", "beat")
        worker = stack.processes["worker"]
        kinds = entries(queue)
        small = [entry for entry in kinds if len(entry) < 1000]
        for entry in itertools.chain(kinds, itertools.islice(itertools.cycle(small), MANY - len(kinds))):
            redis.lpush(queue, entry)
        began = time.monotonic()
        body = {"to": phone(1), "body": "Hello"}
        path = "/v1/verifications" if queue == "otp" else "/v1/messages"
        status, *_ = stack.call("POST", path, {"phone": phone(1)} if queue == "otp" else body)
        assert status == 202
        wait_for(outbox, 30)
        assert time.monotonic() - began < 15
        assert stack.processes["worker"] is worker
        assert worker.poll() is None
        log = stack.log("worker")
        assert MARK not in log
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        dropped = [line for line in lines if line["event"] == "entry_dropped"]
        # one line each; the rest are tasks for messages that do not exist
        assert MANY / 2 < len(dropped) <= MANY
        assert all(line["level"] == "error" for line in dropped)
