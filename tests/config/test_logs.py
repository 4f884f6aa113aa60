"""Logs: JSON lines, the ids from the request to the message, no number, no code."""

from __future__ import annotations

import errno
import io
import json
import logging
import logging.config
import time
from typing import Any

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from structlog.stdlib import ProcessorFormatter

from config.logs import logging_config
from config.middleware import AnswerMiddleware, RequestMiddleware
from otp.api import access
from otp.api.auth import keeper
from sms import readiness
from sms.testing import code_in, outbox
from tests import logs
from tests.settings import API_KEY

PHONE = "+12025550123"


@pytest.fixture(params=[True])
def written(request):
    """The product's log, in production or in development."""
    written = io.StringIO()
    with logs.kept():
        config = logging_config(json=request.param, level="INFO")
    config["handlers"]["console"]["stream"] = written
    logging.config.dictConfig(config)
    yield written
    logging.getLogger().handlers.clear()


@pytest.fixture
def lines(written):
    """Its log in production, as objects."""
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


def test_each_line_of_a_request_names_its_key_and_no_line_of_the_next(api, lines, settings):
    response = api.post("/v1/verifications", {"phone": PHONE})
    without_redis(settings)
    assert api.get(f"/v1/verifications/{response.json()['id']}").status_code == 503
    begun = len(lines())
    assert {line["api_key"] for line in lines()} == {"tests"}
    assert {"code_issued", "message_sent", "unavailable"} < {line["event"] for line in lines()}
    assert api.client.post("/", {"phone": PHONE}).status_code == 503
    assert len(lines()) > begun
    assert not any("api_key" in line for line in lines()[begun:])


def test_a_request_that_is_given_up_leaves_no_key_behind():
    """As if its body is not there yet: then another thread begins the request anew."""

    class GivenUp(BaseException):
        pass

    def ask_for_the_key(request: HttpRequest) -> HttpResponse:
        assert keeper.holder(request, API_KEY, ["verify"])
        assert structlog.contextvars.get_contextvars()["api_key"] == "tests"
        raise GivenUp

    with pytest.raises(GivenUp):
        RequestMiddleware(ask_for_the_key)(RequestFactory().get("/"))
    assert structlog.contextvars.get_contextvars() == {}


def test_in_a_project_too_the_next_request_has_no_key(settings, lines):
    settings.MIDDLEWARE = []
    client = Client(headers={"Authorization": f"Bearer {API_KEY}"})
    assert client.post("/v1/verifications", {"phone": PHONE}, "application/json").status_code == 202
    assert {line["api_key"] for line in lines()} == {"tests"}
    assert structlog.contextvars.get_contextvars() == {}


def test_a_key_that_may_not_is_named_too(api, lines, settings):
    settings.API_ACCESS = access.parse("tests=read")
    assert api.post("/v1/verifications", {"phone": PHONE}).status_code == 403
    assert [line["api_key"] for line in lines()] == ["tests"]


def without_redis(settings: Any) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9/0"}}


@pytest.mark.parametrize("path", ["/", "/v1/verifications", "/v1/messages"])
def test_a_503_names_its_cause_under_the_id_of_its_request(api, lines, settings, path):
    without_redis(settings)
    if path == "/":
        response = api.client.post(path, {"phone": PHONE})
    else:
        body = {"phone": PHONE} if "verif" in path else {"to": PHONE, "body": "Hello"}
        response = api.post(path, body)
    assert response.status_code == 503
    assert {line["request_id"] for line in lines()} == {response["X-Request-ID"]}
    causes = [line["reason"] for line in lines() if line["event"] == "unavailable"]
    assert set(causes) == {"Redis does not answer."}
    answered = lines()[-1]
    assert (answered["event"], answered["path"]) == (f"Service Unavailable: {path}", path)


def test_an_error_of_a_page_has_its_cause_its_path_and_the_id(api, lines, settings, tmp_path):
    (tmp_path / "otp").mkdir()
    (tmp_path / "otp" / "phone.html").write_text("{{ site|no_such_filter }}")
    (tmp_path / "500.html").write_text("")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    response = api.client.post("/", {"phone": "1"})
    assert response.status_code == 500
    (line,) = lines()
    assert (line["level"], line["path"]) == ("error", "/")
    assert line["request_id"] == response["X-Request-ID"]
    assert "Invalid filter: 'no_such_filter'" in line["exception"]


@pytest.mark.parametrize(
    "address",
    [
        "/v1/messages?to=%2B12025550123",
        "/v1/messages?to=%2b12025550123&x=1",
        "/v1/messages?x=1&to=12025550123",
        "/v1/messages?to=+1%20202%20555-0123",
        "/v2/Attempts?Status=converted&ChannelData.To=12025550123",
        "/v2/Services/VA0/Verifications/12025550123",
        "/v2/Services/VA0/Verifications/jane0123@example.com",
    ],
)
@pytest.mark.parametrize("written", [True, False], ids=["JSON", "readable"], indirect=True)
def test_a_number_in_an_address_is_masked(address, written):
    """As a server that logs each request would show it: Django's own does."""
    logging.getLogger("django.server").info('"GET %s HTTP/1.1" 200', address)
    text = written.getvalue()
    assert "+•••" in text
    assert "0123" not in text
    assert text.count("HTTP/1.1") == 1
    if text.startswith("{"):
        json.loads(text)


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
    without_redis(settings)
    assert api.client.get("/readyz").status_code == 503
    assert [(line["level"], line["event"]) for line in lines()] == [
        ("warning", "Service Unavailable: /readyz")
    ]


def test_what_breaks_here_is_an_error(api, lines, monkeypatch):
    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(readiness.Questions, "answer", breaks)
    response = api.client.get("/readyz")
    assert response.status_code == 500
    (line,) = lines()
    assert (line["level"], line["path"]) == ("error", "/readyz")
    assert line["request_id"] == response["X-Request-ID"]
    assert "ZeroDivisionError" in line["exception"]


@pytest.mark.parametrize(("path", "code"), [("/v1/verifications/x", "unavailable"), ("/v2/Services", 20503)])
def test_what_this_process_has_run_out_of_is_named(lines, path, code):
    request = RequestFactory().get(path)
    with structlog.contextvars.bound_contextvars(request_id="1"):
        error = OSError(errno.EMFILE, "Too many open files")
        answer = AnswerMiddleware(lambda _: HttpResponse()).process_exception(request, error)
    assert answer is not None
    assert (answer.status_code, json.loads(answer.content)["code"]) == (503, code)
    assert answer["Retry-After"]
    (line,) = lines()
    assert (line["event"], line["level"], line["request_id"]) == ("ran_out", "error", "1")
    assert "no descriptors are left" in line["reason"]


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
    """The handler that writes the log."""
    handlers = logging.getLogger().handlers
    return next(one for one in handlers if isinstance(one.formatter, ProcessorFormatter))


@pytest.fixture
def records(console):
    """The records that the handler gets."""
    found: list[logging.LogRecord] = []
    console.addFilter(lambda record: found.append(record) or True)
    return found


def test_a_line_of_ours_is_written_as_structlog_would(written, console, records):
    """The shortcut without a copy of each record and a new encoder gives the same line."""
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
