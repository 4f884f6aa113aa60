"""`make demo` as a newcomer meets it: everything real, and everything gone afterwards."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from config.demo.ports import free_port, is_free
from sms.testing import code_in
from tests.config.observe import alive, children, eventually

pytestmark = pytest.mark.first

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def demo(*options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A running demo. It does not get the tests' own settings of Otpost."""
    kept = ("HOME", "LANG", "PATH", "TMPDIR", "VIRTUAL_ENV")
    process = subprocess.Popen(
        [sys.executable, "-m", "config.demo", *options],
        cwd=ROOT,
        env={name: os.environ[name] for name in kept if name in os.environ} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and everything printed, on both channels."""
    output, errors = process.communicate(timeout=30)
    return process.returncode, output + errors


def fetch(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of an answer; status 0 if there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()


def messages(port: int) -> Any:
    """The messages on the virtual phone."""
    return json.loads(fetch(port, "/phone/messages")[1])["messages"]


def ask_for_a_code(port: int, api_key: str) -> None:
    """What the printed curl command does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/verifications", b'{"phone": "+12025550123"}', headers)
    assert connection.getresponse().status == 202
    connection.close()


def shell(command: str) -> Any:
    """The JSON that a command prints."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=True, timeout=10)
    return json.loads(done.stdout)


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """The demo's standard output, up to the line with these words."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if words in line:
            return text
    raise AssertionError(f"ended without {words!r}: {text}{finish(process)}")


def test_what_it_prints_works_when_pasted_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    """A code reaches the virtual phone and is accepted. Each printed address works. Nothing is left."""
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    port = free_port()
    with demo(PORT=str(port), TMPDIR=str(tmp_path)) as process:
        text = read_until(process, "Ctrl-C")
        addresses = re.findall(rf"  http://localhost:{port}(/\S*)$", text, re.MULTILINE)
        assert addresses == ["/", "/v1/docs", "/dashboard/"]
        assert [fetch(port, path)[0] for path in addresses] == [200, 200, 303], "asks for the key"
        start, check = re.findall(r"^  curl .+?'\n$", text, re.MULTILINE | re.DOTALL)
        begun = shell(start)
        assert begun["status"] == "pending"

        assert eventually(lambda: messages(port))
        (message,) = messages(port)
        assert message["to"] == "+12025550123"
        given = check.replace("/ID/", f"/{begun['id']}/").replace("123456", code_in(message["body"]))
        assert shell(given)["status"] == "valid"

        groups = children(process.pid)
        assert len(groups) == 5, "redis, worker, beat, web, and what removes the directory of redis"
        process.send_signal(signal.SIGINT)
        code, rest = finish(process)
        assert code == 0, rest
        assert "Traceback" not in rest
        assert rest.endswith("Stopping ...\n"), "nothing follows that reads like trouble"
        assert not alive(groups)
        assert not list(tmp_path.iterdir())


def test_a_killed_worker_comes_back_and_kill_9_leaves_nothing(tmp_path: Path) -> None:
    port = free_port()
    with demo("--json", "--port", str(port), TMPDIR=str(tmp_path)) as process:
        facts = json.loads(read_until(process, "{"))
        pids = facts["pids"]
        assert facts["url"] == f"http://localhost:{port}"
        assert set(pids) == {"demo", "redis", "worker", "beat", "web"}
        assert len(alive([pids["web"]])) == 3, "granian forks the process that does the work; one watches"
        assert not is_free(facts["redis_port"])

        before = set(children(process.pid))
        os.kill(pids["worker"], signal.SIGKILL)
        assert eventually(lambda: set(children(process.pid)) - before)
        assert not alive([pids["worker"]])
        ask_for_a_code(port, facts["api_key"])
        assert eventually(lambda: messages(port), seconds=20), "the new worker works"

        groups = children(process.pid)
        assert set(groups) > {pid for name, pid in pids.items() if name not in ("demo", "worker")}

        process.kill()
        assert eventually(lambda: not alive(groups))
        assert eventually(lambda: not list(tmp_path.iterdir()))


def test_a_signal_while_it_starts_ends_it_too(tmp_path: Path) -> None:
    with demo(PORT=str(free_port()), TMPDIR=str(tmp_path)) as process:
        read_until(process, "Starting")
        groups = children(process.pid)
        process.send_signal(signal.SIGTERM)
        code, rest = finish(process)
        assert (code, rest) == (0, "")
        assert not alive(groups)
        assert not list(tmp_path.iterdir())


def test_a_start_that_fails_shows_why() -> None:
    """The lines of the process which failed, and an exit code that a script can see."""
    with demo(PORT=str(free_port()), SMS_PROVIDERS="phone=nonsense://") as process:
        code, text = finish(process)
    assert code == 1
    assert "before the demo was ready" in text
    assert "nonsense" in text


@pytest.mark.parametrize("given", ["option", "environment"])
def test_a_taken_port_is_named_with_the_mend(given: str) -> None:
    port = str(free_port())
    asked = demo("--port", port) if given == "option" else demo(PORT=port)
    with socket.create_server(("127.0.0.1", int(port))), asked as process:
        code, text = finish(process)
    assert code == 2
    assert f"Port {port} is taken" in text
    assert "make demo PORT=" in text
    assert "--port" in text


def test_what_is_no_port_is_refused() -> None:
    with demo(PORT="eight") as process:
        code, text = finish(process)
    assert code == 2
    assert "'eight' is not a port number" in text


def test_a_redis_that_does_not_answer_is_named_without_its_password() -> None:
    port = free_port()
    with demo(REDIS_URL=f"redis://:sesame@127.0.0.1:{port}/0", PORT=str(free_port())) as process:
        code, text = finish(process)
    assert code == 2
    assert f"REDIS_URL points to redis://127.0.0.1:{port}/0, which does not answer" in text
    assert "sesame" not in text


def test_help_names_every_option() -> None:
    with demo("--help") as process:
        code, text = finish(process)
    assert code == 0
    for word in ("--port", "--json", "PORT", "REDIS_URL", "SMS_PROVIDERS"):
        assert word in text


def test_a_given_redis_is_left_as_it_was(redis_server):
    redis = Redis.from_url(redis_server.url)
    redis.set("theirs", "1")
    with demo("--json", REDIS_URL=redis_server.url, PORT=str(free_port())) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        ask_for_a_code(int(facts["url"].rpartition(":")[2]), facts["api_key"])
        assert redis.keys("demo-*")
        process.send_signal(signal.SIGTERM)
        finish(process)
    assert redis.keys() == [b"theirs"]
