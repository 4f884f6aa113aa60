"""The web server's start: one place has its options, and every start command leads there."""

from __future__ import annotations

import json
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from redis import Redis

from config import web
from config.demo.embedded import EmbeddedServer
from tests.faults.stack import Stack, wait_for
from tests.starts import ROOT, python

#: What starts a web server, or shows how to, and how often it does.
STARTS = {
    "docs/production.md": 1,
    "Dockerfile": 1,
    "docs/systemd/otpost-web@.service": 1,
    ".ci/run": 1,
    "config/demo/__main__.py": 1,
    "tests/faults/stack.py": 1,
    "tests/otp/test_caller.py": 1,
    "tests/bench/http_speed.py": 1,
    "tests/bench/http_start.py": 1,
    "tests/bench/scrape.py": 1,
    "tests/bench/uniform.py": 1,
}

#: A command or a list of its words, but no sentence about granian.
_GRANIAN = re.compile(r"granian[\"', ]+--|[\"']granian[\"']|\bgranian (-|config\.)")
_WEB = re.compile(r"-m[\"', ]+config\.web[\"' ]+,? ?[\"']?--host|\"config\.web(\", \"| )--host")


def files() -> list[Path]:
    """Every text of the project that could hold a start command."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    kinds = (".md", ".py", ".yaml", ".yml", ".service", "Dockerfile", "Makefile", "run", ".example", ".toml")
    return [ROOT / name for name in listed.split() if name.endswith(kinds) and (ROOT / name).is_file()]


def test_every_start_command_has_the_same_options():
    found = {str(path.relative_to(ROOT)): path.read_text() for path in files()}
    counts = {name: len(_WEB.findall(text)) for name, text in found.items() if _WEB.search(text)}
    assert counts == STARTS
    # The former command. A page and a module mention it, and two tests start it. So does another project.
    del found["tests/config/test_web.py"]
    past = {name for name, text in found.items() if _GRANIAN.search(text)}
    tests = {
        "tests/config/test_settings.py",
        "tests/attack/test_proxies.py",
        "tests/e2e/test_in_a_project.py",
    }
    # granian is one of those that they list
    packages = {".ci/check_wheel.py", ".ci/supply_chain.py", "config/installed.py"}
    pages = {"docs/processes.md", "CHANGELOG.md"}
    assert past <= {"config/web.py", "config/wsgi.py"} | pages | packages | tests
    for name in ("docker-compose.yml", "docs/kubernetes/templates/web.yaml"):  # they leave it to the image
        text = found[name]
        assert "granian" not in text.replace("# ", "")
        assert "config.web" not in re.sub("#.*", "", text)


def test_what_the_environment_says_goes_first():
    given = {"GRANIAN_WORKERS": "5", "GRANIAN_HTTP1_HEADER_READ_TIMEOUT": "2000", "PATH": "/bin"}
    made = web.prepared({**given})
    assert given.items() <= made.items()
    assert web.prepared({"GRANIAN_HTTP": ""})["GRANIAN_HTTP"] == "1"
    assert (made["GRANIAN_HTTP"], made["GRANIAN_BLOCKING_THREADS"]) == ("1", "32")


@pytest.mark.parametrize("name", ["GRANIAN_WORKERS", "GRANIAN_BLOCKING_THREADS"])
@pytest.mark.parametrize("value", ["0", "many", "-1"])
def test_what_is_no_number_is_named(name, value):
    done = python("-m", "config.web", "--port", "1", **{name: value})
    example = web.OPTIONS[name]
    assert (done.returncode, done.stdout) == (1, "")
    said = json.loads(done.stderr)["event"]
    assert said == f"{name} must be a whole number, 1 or more, such as {example}."


def test_connections_leave_files_for_redis_and_the_broker():
    """A process that may open 1,024 files, as under systemd, holds fewer connections than that."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}));"
        "from config.web import prepared; print(prepared({{}})['GRANIAN_BACKPRESSURE'],"
        "resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )

    def said(hard: int) -> str:
        words = [sys.executable, "-c", code.format(hard=hard)]
        return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()

    assert said(1024) == "512 1024"
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 8192:
        assert said(8192) == "4096 4608"


def test_a_request_in_hand_is_answered_before_the_process_ends(tmp_path):
    """On SIGTERM, as when a container stops: here /readyz waits a second for a worker that is not there."""
    with EmbeddedServer() as server, Stack(tmp_path, REDIS_URL=server.url) as stack:
        stack.start("web")
        redis = Redis.from_url(server.url)
        redis.config_resetstat()
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(stack.call("GET", "/readyz")[0]))
        asking.start()
        wait_for(lambda: "cmdstat_publish" in redis.info("commandstats"), every=0.005)  # it asks for workers
        stack.processes["web"].send_signal(signal.SIGTERM)
        assert stack.processes["web"].wait(20) == 0
        asking.join(30)
        assert answers == [503]


def test_a_large_file_is_sent_however_slowly_it_is_read(tmp_path):
    """Readers that stop reading hold no thread: as many as there are threads, and one more who is served."""
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "large.bin").write_bytes(bytes(range(256)) * 8192)  # 2 MiB
    with EmbeddedServer() as server, Stack(tmp_path, REDIS_URL=server.url) as stack:
        stack.start(
            "web",
            GRANIAN_BLOCKING_THREADS="2",
            DJANGO_SETTINGS_MODULE="tests.config.static_settings",
            STATIC_FOLDER=str(tmp_path / "static"),
        )
        path = "/static/large.bin"
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        readers = []
        for _ in range(8):
            reader = socket.socket()
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", stack.web_port))
            reader.sendall(request)
            readers.append(reader)
        wait_for(lambda: stack.call("GET", "/healthz")[0] == 200)
        with readers[0] as slow:
            slow.settimeout(20)
            got = b""
            while b"\r\n\r\n" not in got:
                got += slow.recv(65536)
            head, _, body = got.partition(b"\r\n\r\n")
            found = re.search(rb"content-length: (\d+)", head.lower())
            assert found
            length = int(found[1])
            while len(body) < length:
                body += slow.recv(65536)
            assert (head[9:12], len(body)) == (b"200", length)
        part = b"GET %s HTTP/1.1\r\nHost: localhost\r\nRange: bytes=10-19\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", stack.web_port), 10) as some:
            some.sendall(part % path.encode())
            said = b""
            while piece := some.recv(65536):
                said += piece
        assert said.startswith(b"HTTP/1.1 206")
        assert said.partition(b"\r\n\r\n")[2] == body[10:20]
        for reader in readers:
            reader.close()
