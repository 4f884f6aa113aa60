"""A worker as in production: what it cannot do it drops, and where it could not go on it ends."""

from __future__ import annotations

import json
import os
import resource

import pytest

from tests.faults.junk import MARK, entries
from tests.faults.stack import Stack, wait_for

pytestmark = [pytest.mark.together, pytest.mark.one_server]


@pytest.fixture(scope="module")
def stack(tmp_path_factory, redis_server):
    with Stack(
        tmp_path_factory.mktemp("worker"),
        REDIS_URL=redis_server.url,
        CELERY_BROKER_URL="",
        SMS_PROVIDERS="a=memory://",
    ) as found:
        found.start("worker")
        yield found


def test_of_what_is_no_task_nothing_stays_with_the_broker(stack, redis):
    """Each kind is logged, and is not kept for another delivery."""
    for entry in entries("otp"):
        if len(entry) < 1000:
            redis.lpush("otp", entry)
    wait_for(lambda: not redis.llen("otp") and not redis.hlen("unacked"))
    log = stack.log("worker")
    assert MARK not in log
    told = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert {"no task", "unknown task"} <= {one["error"] for one in told if one["event"] == "entry_dropped"}


def test_who_takes_both_queues_is_told_nothing(stack):
    """At its start, a worker that does not take codes says that nobody sends them."""
    assert "no_codes_here" not in stack.log("worker")


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux can limit another process")
def test_without_descriptors_it_ends_although_nothing_is_to_be_sent(stack):
    """The last of these tests, as no worker is left."""
    worker = stack.processes["worker"]
    used = len(os.listdir(f"/proc/{worker.pid}/fd"))
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (used, used))
    assert worker.wait(30) not in (0, None)
    assert "no descriptors are left" in stack.log("worker")
