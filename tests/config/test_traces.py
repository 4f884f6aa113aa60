"""Traces of the service: where they go, and one that leads through real processes."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import signal
import sys
from typing import Any
from urllib.parse import urlencode

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from config import traces
from config.demo.embedded import EmbeddedServer
from tests.faults.stack import Stack, wait_for
from tests.settings import API_KEY
from tests.sms.house import PHONE
from tests.sms.providers.gateway import gateway, response
from tests.starts import python

EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
WITHOUT = f"""
import runpy, sys
sys.modules["{EXPORTER}"] = None
sys.argv = ["manage.py", "check"]
runpy.run_path("manage.py", run_name="__main__")
"""
KEY, SECRET = "6F7A-key-of-the-account", "secret-of-the-receipts"


@pytest.mark.parametrize(
    ("changes", "asked_for"),
    [
        ({}, ""),
        ({ENDPOINT: "http://collector:4318"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({ENDPOINT: "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, ""),
        ({ENDPOINT: "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, ""),
    ],
)
def test_traces_are_asked_for_by_opentelemetrys_variables(monkeypatch, changes, asked_for):
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    assert traces.asked_for() == asked_for


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({ENDPOINT: "http://collector:4318"}, "pip install 'otpost[otel]'"),
        ({ENDPOINT: "collector:4317"}, f"{ENDPOINT} must look like http://"),
        ({ENDPOINT: "http://c:4318    # the collector"}, f"{ENDPOINT} must look like http://"),
        ({ENDPOINT: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "must be http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, "OTEL_TRACES_EXPORTER must be otlp, console or none."),
    ],
)
def test_nothing_starts_where_traces_cannot_be_sent(monkeypatch, changes, what):
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, EXPORTER, None)  # as without the extra
    assert any(what in text for text in traces.faults())
    found = python("-c", WITHOUT, **changes)
    assert found.returncode == 1
    assert "config.E002" in found.stderr


def test_the_product_does_without_opentelemetry():
    found = python(
        "-c",
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import django; django.setup()\n"
        "from sms import traces\n"
        "print(traces.tracer(), repr(traces.here()))\n",
        DJANGO_SETTINGS_MODULE="config.settings",
    )
    assert (found.stdout, found.returncode) == ("None ''\n", 0)


def spans_in(log: str):
    """What the exporter `console` has written between the lines of the log."""
    decoder = json.JSONDecoder()
    return [decoder.raw_decode(log, found.start())[0] for found in re.finditer(r'^\{\n    "name"', log, re.M)]


@pytest.mark.first
def test_one_trace_leads_through_web_queue_worker_provider_and_receipt(tmp_path):
    """And all of it has left when a process ends by SIGTERM, long before the next batch was due."""
    with EmbeddedServer(directory=tmp_path) as server, gateway() as vendor:
        vendor.answer = lambda: response(
            200, json.dumps({"return": {"status": 200}, "entries": [{"messageid": 8792343, "status": 1}]})
        )
        url = f"kavenegar://:{KEY}@?template=otp&only=codes&receipt_secret={SECRET}&base_url={vendor.url}"
        with Stack(
            tmp_path,
            REDIS_URL=server.url,
            CELERY_BROKER_URL=server.url,
            SMS_PROVIDERS=f"main={url}",
            OTEL_TRACES_EXPORTER="console",
            OTEL_BSP_SCHEDULE_DELAY="60000",
        ) as stack:
            stack.start("worker", "web")
            assert stack.call("POST", "/v1/verifications", {"phone": PHONE})[0] == 202
            wait_for(lambda: "message_sent" in stack.log("worker"))
            token = hmac.new(SECRET.encode(), b"receipt:", hashlib.sha256).hexdigest()
            told = urlencode({"token": token, "messageid": "8792343", "status": "10"})
            assert stack.call("GET", f"/v1/receipts/main?{told}")[0] == 204
            for name in ("web", "worker"):
                stack.kill(name, signal.SIGTERM)
            spans = [span for name in ("web", "worker") for span in spans_in(stack.log(name))]
    by_name = {span["name"]: span for span in spans}
    request = by_name["POST /v1/verifications"]
    of_trace = {
        span["name"] for span in spans if span["context"]["trace_id"] == request["context"]["trace_id"]
    }
    assert of_trace == {
        *("POST /v1/verifications", "EVALSHA start", "deliver otp", "send main", "EVALSHA move"),
        "receipt main",
    }
    for name in ("EVALSHA start", "deliver otp", "receipt main"):
        assert by_name[name]["parent_id"] == request["context"]["span_id"]
    assert by_name["send main"]["parent_id"] == by_name["deliver otp"]["context"]["span_id"]
    assert request["resource"]["attributes"]["service.name"] == "otpost"
    ((path, _, fields),) = vendor.requests
    assert KEY in path
    written = json.dumps([{**span, "context": "", "start_time": "", "end_time": ""} for span in spans])
    for secret in (KEY, SECRET, token, API_KEY, PHONE[1:], "8792343", fields["token"]):
        assert secret not in written


@pytest.mark.first
def test_a_collector_gets_the_spans_by_otlp_over_http(tmp_path):
    """Each process sends what it has, and says who it is and with which key."""
    with EmbeddedServer(directory=tmp_path) as server, gateway() as collector:
        collector.before["/v1/traces"] = response(200, b"")
        with Stack(
            tmp_path,
            REDIS_URL=server.url,
            CELERY_BROKER_URL=server.url,
            SMS_PROVIDERS=f"main=file://{tmp_path}/sms?clear=yes",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_HEADERS="x-key=of-the-collector",
            OTEL_SERVICE_NAME="verify",
        ) as stack:
            stack.start("worker", "web")
            assert stack.call("POST", "/v1/verifications", {"phone": PHONE})[0] == 202
            wait_for(lambda: "message_sent" in stack.log("worker"))
            for name in ("web", "worker"):
                stack.kill(name, signal.SIGTERM)
    by_name: dict[str, Any] = {}
    services = set()
    for path, headers, body in collector.asked:
        assert (path, headers["x-key"]) == ("/v1/traces", "of-the-collector")
        assert headers["content-type"] == "application/x-protobuf"
        for found in ExportTraceServiceRequest.FromString(body).resource_spans:
            services |= {a.value.string_value for a in found.resource.attributes if a.key == "service.name"}
            by_name |= {span.name: span for scope in found.scope_spans for span in scope.spans}
    assert services == {"verify"}
    sent, request = by_name["send main"], by_name["POST /v1/verifications"]
    assert sent.trace_id == request.trace_id
    assert {a.key: a.value.string_value for a in sent.attributes}["otpost.outcome"] == "accepted"
    assert not any(PHONE[1:].encode() in body for _, _, body in collector.asked)
