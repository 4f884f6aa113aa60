"""Logs: JSON lines, the ids from the request to the message, no number, no code."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from typing import Any

import pytest
import structlog

from config.logs import Lines, logging_config
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


def test_a_line_of_ours_is_written_as_structlog_would(written):
    """What spares the copy of each record keeps the line."""
    records: list[logging.LogRecord] = []
    (console,) = (one for one in logging.getLogger().handlers if isinstance(one.formatter, Lines))
    console.addFilter(lambda record: records.append(record) or True)
    structlog.get_logger("other").info("said", to=PHONE, value={1, 2}, text="é")
    theirs: Any = structlog.stdlib.ProcessorFormatter.format
    assert written.getvalue().splitlines() == [theirs(console.formatter, record) for record in records]
