"""Standard error in production: JSON lines from the first to the last, whatever happens to a process."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from config.demo.embedded import EmbeddedServer
from config.demo.ports import free_port
from tests.faults.stack import Stack, wait_for
from tests.starts import manage, python

PROGRAMS = {
    "web": ["config.web"],
    "worker": ["celery", "-A", "config", "worker", "-Q", "otp,bulk"],
    "beat": ["celery", "-A", "config", "beat"],
}

#: Settings that make a process do everything that writes to standard error past the loggers.
ODD = """
import logging, sys, threading, warnings
from config.settings import *

class Odd:
    def __del__(self):
        raise ValueError("in a destructor")

def fail():
    raise ValueError("in a thread, for +12025550123")

warnings.warn("while the settings are read")
print("printed in\\nlines", file=sys.stderr)
print("without an end", end="", file=sys.stderr, flush=True)
logging.getLogger("odd").warning("%d", "no number")
Odd()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
"""


@pytest.fixture
def server():
    with EmbeddedServer() as found:
        yield found


def parsed(text: str) -> list[dict[str, Any]]:
    """All of what a process has written."""
    found = [json.loads(line) for line in text.splitlines()]
    assert all(line.keys() >= {"event", "level", "logger", "timestamp"} for line in found)
    return found


def test_every_line_of_web_worker_and_beat_is_json(tmp_path, server):
    (tmp_path / "odd_settings.py").write_text(ODD)
    odd = {"DJANGO_SETTINGS_MODULE": "odd_settings", "PYTHONPATH": str(tmp_path)}
    odd["SMS_PROVIDERS"] = f"main=file://{tmp_path}/outbox.jsonl?clear=yes"  # of which a check warns
    with Stack(tmp_path, REDIS_URL=server.url, CELERY_BROKER_URL=server.url) as stack:
        stack.start("web", "worker", **odd)
        server.kill()
        stack.start("beat", **odd)
        assert stack.call("POST", "/v1/verifications", {"phone": "+12025550123"})[0] == 503
        wait_for(lambda: "Trying again" in stack.log("worker"))
        wait_for(lambda: '"error"' in stack.log("beat"))
        server.start()
        wait_for(lambda: stack.call("GET", "/readyz")[0] == 200)
        stack.processes["worker"].send_signal(signal.SIGUSR1)  # tells what its threads do
        wait_for(lambda: "MainThread\\n" in stack.log("worker"))
        ends = {"web": signal.SIGTERM, "worker": signal.SIGQUIT, "beat": signal.SIGTERM}
        for name, number in ends.items():
            stack.processes[name].send_signal(number)
            assert stack.processes[name].wait(30) == 0
        logs = {name: parsed(stack.log(name)) for name in PROGRAMS}
    for lines in logs.values():
        levels = {line["event"]: line["level"] for line in lines}
        for words in ("UserWarning: while the settings are read", "(sms.W005) SMS_PROVIDERS: main has clear"):
            assert [level for event, level in levels.items() if words in event] == ["warning"]
        assert levels["printed in\nlines"] == levels["without an end"] == "error"
        assert "TypeError: %d format: a real number is required, not str" in levels
        raised = {line["event"]: line["exception"] for line in lines if "exception" in line}
        assert "ValueError: in a destructor" in raised["unraisable"]
        assert "ValueError: in a thread, for +•••" in raised["uncaught"]
    said = {name: [line["event"] for line in lines] for name, lines in logs.items()}
    assert "Granian shutdown completed, see ya!" in said["web"]
    assert {"worker_started", "worker: Cold shutdown (MainProcess)"} < {*said["worker"]}
    assert "beat_started" in said["beat"]
    assert "LOCAL VARIABLES" not in str(logs["worker"])


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SECRET_KEY", "weak", "SECRET_KEY is too weak"),
        ("DEBUG", "maybe", "DEBUG must be true or false."),
        ("SMS_PROVIDERS", "main=pigeon://", "(sms.E002) SMS_PROVIDERS: main: pigeon is not a provider."),
    ],
)
def test_a_start_that_is_refused_is_one_line(program, name, value, words):
    changes = {name: value, "GRANIAN_PORT": str(free_port()), "GRANIAN_WORKERS": "1"}
    done = python("-m", *PROGRAMS[program], **changes)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = [line for line in parsed(done.stderr) if words in line["event"]]
    assert line["level"] == "critical"


@pytest.mark.parametrize("program", PROGRAMS)
def test_so_is_what_a_command_line_does_not_know(program):
    done = python("-m", *PROGRAMS[program], "--nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such option '--nonsense'" in parsed(done.stderr)[-1]["event"]


def test_and_a_traceback():
    done = python("-m", "config.web", "--port", "80000")
    assert done.returncode == 1
    assert "OverflowError" in parsed(done.stderr)[-1]["exception"]


def test_what_people_type_answers_in_plain_text():
    done = python("-m", "celery", "-A", "config", "inspect", "ping", SECRET_KEY="weak")
    assert done.returncode == 1
    assert done.stderr.startswith("SECRET_KEY is too weak")
    assert "Error: No such option" in python("-m", "celery", "-A", "config", "report", "--nonsense").stderr


def test_what_a_command_logs_is_json_beside_what_it_tells_a_person(server):
    done = manage("guard", "--block", "GN", GUARD_MODE="shadow", REDIS_URL=server.url)
    assert done.returncode == 0
    (logged,) = done.stderr.splitlines()
    assert json.loads(logged)["event"] == "guard_rule_set"
    assert "GUARD_MODE is shadow" in done.stdout


def test_development_is_readable(tmp_path: Path, server):
    with Stack(tmp_path, REDIS_URL=server.url, CELERY_BROKER_URL=server.url, DEBUG="1") as stack:
        stack.start("web", "worker", "beat")
        wait_for(lambda: "beat_started" in stack.log("beat"))
        assert "[INFO] Starting granian" in stack.log("web")
        assert ".> concurrency: 50 (thread)" in stack.log("worker")
        assert "celery beat v" in stack.log("beat")
        assert not any(line.startswith("{") for name in PROGRAMS for line in stack.log(name).splitlines())
