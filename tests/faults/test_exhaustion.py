"""A worker to which the system gives no more threads or descriptors says so, ends, and is started again."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded import EmbeddedServer
from tests.config.test_settings import GOOD
from tests.faults.load import phone
from tests.faults.stack import PROGRAMS, ROOT, Stack, wait_for
from tests.faults.test_pipeline import Outbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this system cannot limit another process"),
]

#: Seconds within which it must have noticed and ended.
SOON = 10


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as found:
        yield found


def open_descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid: int) -> int:
    """Bytes of its address space."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


@pytest.mark.parametrize("kind", ["descriptors", "threads"])
def test_a_worker_without_any_left_ends_and_says_why(tmp_path, server, kind):
    """Its messages are with a provider as soon as a supervisor has started another."""
    outbox = Outbox(tmp_path / "outbox.jsonl")
    with Stack(tmp_path, REDIS_URL=server.url, CELERY_BROKER_URL="", SMS_PROVIDERS=outbox.url) as stack:
        stack.start("web", "worker", "beat")
        worker = stack.processes["worker"]
        if kind == "descriptors":
            resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (open_descriptors(worker.pid),) * 2)
        else:
            # The limit on a user's processes does not hold for root. A thread wants 8 MB for its stack.
            resource.prlimit(worker.pid, resource.RLIMIT_AS, (memory(worker.pid) + 2**20,) * 2)
        for number in range(5):
            assert stack.call("POST", "/v1/verifications", {"phone": phone(number)})[0] == 202
        assert worker.wait(SOON) not in (0, None)
        (line,) = [line for line in stack.log("worker").splitlines() if "worker_gives_up" in line]
        assert '"level": "critical"' in line
        assert {"descriptors": "no descriptors are left", "threads": "no thread can be started"}[kind] in line
        stack.start("worker")
        wait_for(lambda: len(outbox()) == 5, SOON)


def worker_with(server: EmbeddedServer, soft: int, hard: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            "sh",
            "-c",
            f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"',
            "sh",
            sys.executable,
            *PROGRAMS["worker"],
        ],
        env=os.environ | GOOD | {"REDIS_URL": server.url, "DJANGO_SETTINGS_MODULE": "config.settings"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_too_few_descriptors_from_the_start_are_refused(server):
    worker = worker_with(server, 64, 64)
    said = worker.communicate(timeout=30)[0].decode()
    assert worker.returncode == 1
    assert "WORKER_CONCURRENCY=80 needs 288 descriptors and may have 64" in said
    assert "Traceback" not in said


def test_a_soft_limit_is_raised_by_the_worker_itself(server):
    worker = worker_with(server, 64, 4096)
    try:
        assert worker.stdout is not None
        for line in worker.stdout:
            if b" ready." in line:
                break
        assert resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)[0] == 288
    finally:
        worker.kill()
        worker.wait()
