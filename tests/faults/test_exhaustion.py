"""A worker to which the system gives no more threads or descriptors says so, ends, and is started again."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.demo.embedded import EmbeddedServer
from tests.config.observe import children
from tests.faults.load import phone
from tests.faults.stack import PROGRAMS, Stack, wait_for
from tests.faults.test_pipeline import Outbox
from tests.settings import API_KEY
from tests.starts import GOOD, ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this system cannot limit another process"),
]

#: Seconds within which it must have noticed and ended.
SOON = 10

#: Messages that wait for the worker; it has as many threads as it has needed at once so far.
MANY = 40


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
        # All at once, so that they need more threads than there are; glibc keeps the stacks of some.
        worker.send_signal(signal.SIGSTOP)
        for number in range(MANY):
            assert stack.call("POST", "/v1/verifications", {"phone": phone(number)})[0] == 202
        worker.send_signal(signal.SIGCONT)
        assert worker.wait(SOON) not in (0, None)
        (line,) = [line for line in stack.log("worker").splitlines() if "worker_gives_up" in line]
        assert '"level": "critical"' in line
        assert {"descriptors": "no descriptors are left", "threads": "no thread can be started"}[kind] in line
        stack.start("worker")
        wait_for(lambda: len(outbox()) == MANY, SOON)


@pytest.mark.parametrize("used", [False, True])
def test_a_web_without_descriptors_says_that_it_is_away(tmp_path, server, used):
    """Whether it has to open a file for the first time or a connection once more: 503, and no 500."""
    with Stack(tmp_path, REDIS_URL=server.url, CELERY_BROKER_URL="", SMS_PROVIDERS="main=memory://") as stack:
        stack.start("web")
        if used:
            assert stack.call("POST", "/v1/verifications", {"phone": phone(0)})[0] == 202
            server.kill()
            server.start()
        connection = http.client.HTTPConnection("127.0.0.1", stack.web_port, timeout=10)
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        web = stack.processes["web"].pid
        for pid in (web, *children(web)):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, 8))
        headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/verifications", json.dumps({"phone": phone(1)}), headers)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (503, "unavailable")
        assert answer.getheader("Retry-After")


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
    assert "WORKER_CONCURRENCY=80 needs 288 descriptors, but may have 64" in said
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
