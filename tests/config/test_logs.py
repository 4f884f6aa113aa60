"""Logs: JSON lines, the ids from the request to the message, no number, no code."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import time
from typing import Any

import pytest
import structlog
from structlog.stdlib import ProcessorFormatter

from config.logs import logging_config
from sms import readiness
from sms.testing import code_in, outbox

PHONE = "+12025550123"


@pytest.fixture(params=[True])
def written(request):
    """What the product's logging writes, in production or in development."""
    written = io.StringIO()
    config = logging_config(json=request.param, level="INFO")
    config["handlers"]["console"]["stream"] = written
    logging.config.dictConfig(config)
    yield written
    logging.getLogger().handlers.clear()


@pytest.fixture
def lines(written):
    """What it writes in production, as objects."""
    return lambda: [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_request_can_be_followed_to_its_message(api, lines):
    response = api.post("/v1/verifications", {"phone": PHONE})
    written = {line["event"]: line for line in lines()}
    issued, sent = written["code_issued"], written["message_sent"]
    assert issued["request_id"] == sent["request_id"] == response["X-Request-ID"]
    assert issued["verification_id"] == sent["verification_id"] == response.json()["id"]
    assert issued["message_id"] == sent["message_id"]
    everything = json.dumps(written)
    assert "2025550123" not in everything
    assert code_in(outbox[-1].body) not in everything.replace(issued["timestamp"], "")


@pytest.mark.parametrize(
    "value", [[PHONE], {"to": {PHONE: (PHONE,)}}, {PHONE}, RuntimeError(PHONE), PHONE.encode()]
)
@pytest.mark.parametrize("written", [True, False], ids=["JSON", "readable"], indirect=True)
def test_a_number_is_masked_however_deep_it_stands(value, written):
    structlog.get_logger("other").warning("trouble", value=value, **{PHONE: 1})
    text = written.getvalue()
    assert "trouble" in text
    assert text.count("+•••") == 2 + (type(value) is dict)
    assert "2025550123" not in text


def test_a_host_that_is_not_ours_is_one_line_and_no_error(api, lines):
    assert api.client.get("/", headers={"host": "scanner.example"}).status_code == 400
    (line,) = lines()
    assert (line["level"], line["logger"]) == ("warning", "django.security.DisallowedHost")
    assert "You may need to add 'scanner.example' to ALLOWED_HOSTS" in line["event"]
    assert "exception" not in line


def test_not_to_be_ready_is_no_error(api, lines, settings, monkeypatch):
    monkeypatch.setattr(readiness, "_questions", readiness.Questions())
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9/0"}}
    assert api.client.get("/readyz").status_code == 503
    assert [(line["level"], line["event"]) for line in lines()] == [
        ("warning", "Service Unavailable: /readyz")
    ]


def test_what_breaks_here_is_an_error(api, lines, monkeypatch):
    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(readiness.Questions, "answer", breaks)
    assert api.client.get("/readyz").status_code == 500
    (line,) = lines()
    assert line["level"] == "error"
    assert "ZeroDivisionError" in line["exception"]


def test_a_number_in_a_librarys_error_is_masked(lines):
    try:
        raise RuntimeError(f"cannot send to {PHONE}")
    except RuntimeError:
        logging.getLogger("other").exception("trouble with %s", PHONE)
    (line,) = lines()
    assert "2025550123" not in json.dumps(line)
    assert "cannot send to +•••" in line["exception"]


@pytest.fixture
def console(written):
    """The handler that writes it."""
    handlers = logging.getLogger().handlers
    return next(one for one in handlers if isinstance(one.formatter, ProcessorFormatter))


@pytest.fixture
def records(console):
    """What it gets to write."""
    found: list[logging.LogRecord] = []
    console.addFilter(lambda record: found.append(record) or True)
    return found


def test_a_line_of_ours_is_written_as_structlog_would(written, console, records):
    """What spares a copy of each record, and a new encoder, keeps the line."""
    deep = {"a": [1.5, None, True], 2: "\ud800", "b": RuntimeError("x")}
    structlog.get_logger("other").info("said", to=PHONE, value={1, 2}, text="é", deep=deep)
    theirs: Any = ProcessorFormatter.format
    assert written.getvalue().splitlines() == [theirs(console.formatter, record) for record in records]


@pytest.mark.parametrize("written", [True, False], ids=["JSON", "readable"], indirect=True)
@pytest.mark.parametrize("name", ["info", "warning", "error", "critical", "exception"])
def test_any_handler_finds_level_logger_and_time_in_a_record_of_ours(name, written, records):
    before = time.time()
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        getattr(structlog.get_logger("other"), name)("said", number=1)
    (record,) = records
    level = "ERROR" if name == "exception" else name.upper()
    assert (record.levelno, record.levelname, record.name) == (getattr(logging, level), level, "other")
    assert before <= record.created <= time.time()
    assert "'number': 1" in logging.Formatter(logging.BASIC_FORMAT + "%(filename)s%(thread)s").format(record)
    assert ("ZeroDivisionError" in written.getvalue()) is (name == "exception")


def test_what_is_below_its_loggers_level_is_not_written(written):
    log = structlog.get_logger("other")
    log.debug("unsaid")
    logging.getLogger("other").setLevel("ERROR")
    try:
        log.warning("unsaid")
    finally:
        logging.getLogger("other").setLevel("NOTSET")
    assert written.getvalue() == ""
