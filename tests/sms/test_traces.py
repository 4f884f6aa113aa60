"""One trace from a request to the receipt, without anything secret in it."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from otp import services as codes
from sms import cells, names, receipts, registry, traces
from sms.delivery import follow_up
from sms.delivery import run as delivery
from sms.errors import AccountFailure, OutcomeUnknown, PermanentFailure, TemporaryFailure
from sms.message import State
from tests.conftest import point_cache_at, server_with
from tests.settings import API_KEY
from tests.sms.house import PHONE
from tests.sms.providers.contract import contracts
from tests.sms.providers.gateway import gateway, response
from tests.sms.traced import CALLER, SAMPLED, TRACE_ID, UNSAMPLED, parent_of, traced


@pytest.fixture
def spans():
    with traced() as found:
        yield found


def attributes(span):
    return dict(span.attributes)


def in_a_worker(id: str) -> None:
    """Deliver it in a thread, whose context has nothing of the web's."""
    thread = threading.Thread(target=delivery.deliver, args=(id,))
    thread.start()
    thread.join(30)


def test_one_trace_from_the_request_to_the_receipt(spans, house, api):
    started = api.post("/v1/verifications", {"phone": PHONE}, HTTP_TRACEPARENT=SAMPLED)
    assert started.status_code == 202
    (id,) = [key.decode().removeprefix(names.RECORD) for key in house.redis.keys(names.RECORD + "*")]
    in_a_worker(id)
    assert api.client.post("/v1/receipts/a", f"{id} delivered", content_type="text/plain").status_code == 204

    request, receipt_request = spans.named("POST")
    start, delivered, call = spans.one("EVALSHA start"), spans.one("deliver"), spans.one("send")
    move, receipt = spans.one("EVALSHA move"), spans.one("receipt")
    mine = [request, start, delivered, call, move, receipt]
    assert {f"{span.context.trace_id:032x}" for span in mine} == {TRACE_ID}
    assert f"{parent_of(request):016x}" == CALLER
    assert parent_of(start) == parent_of(delivered) == parent_of(receipt) == request.context.span_id
    assert parent_of(call) == parent_of(move) == delivered.context.span_id
    # The vendor's own call is another trace. The receipt is linked to it.
    assert receipt_request.context.trace_id != receipt.context.trace_id
    assert [link.context.span_id for link in receipt.links] == [receipt_request.context.span_id]

    kinds = [SpanKind.SERVER, SpanKind.CLIENT, SpanKind.CONSUMER, SpanKind.CLIENT, SpanKind.CLIENT]
    assert [span.kind for span in mine] == [*kinds, SpanKind.CONSUMER]
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/v1/verifications",
        "http.response.status_code": 202,
    }
    assert request.name == "POST /v1/verifications"
    assert attributes(call) == {
        "otpost.alias": "a",
        "otpost.provider": "scripted",
        "otpost.attempt": 1,
        "otpost.queue": "otp",
        "otpost.country": "US",
        "otpost.outcome": "accepted",
    }
    assert (delivered.name, attributes(delivered)["messaging.message.id"]) == ("deliver otp", id)
    assert attributes(delivered)["otpost.state"] == "sent"
    assert attributes(receipt)["otpost.reported"] == "delivered"
    assert all(span.status.status_code is StatusCode.UNSET for span in mine)
    for secret in (PHONE[1:], house.providers["a"].calls[0].code, "is your", API_KEY, API_KEY[8:]):
        assert secret not in spans.text()


def test_failover_is_two_calls_of_one_delivery(spans, house):
    house.providers["a"].outcomes = [TemporaryFailure(f"{PHONE} is busy", code="busy")]
    house.deliver(house.code())
    first, second = spans.named("send ")
    delivered = spans.one("deliver")
    assert parent_of(first) == parent_of(second) == delivered.context.span_id
    assert [attributes(call)["otpost.attempt"] for call in (first, second)] == [1, 2]
    assert (attributes(first)["otpost.outcome"], attributes(first)["error.type"]) == ("temporary", "busy")
    assert first.status.status_code is StatusCode.ERROR
    assert attributes(second)["otpost.outcome"] == "accepted"
    (event,) = delivered.events
    assert (event.name, dict(event.attributes)) == ("failover", {"otpost.alias": "a", "error.type": "busy"})
    assert delivered.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("error", "outcome", "word"),
    [
        (TemporaryFailure("x", code="429"), "temporary", "429"),
        (AccountFailure("x", code="no funds left"), "account", "AccountFailure"),
        (PermanentFailure("x", code=PHONE), "refused", "PermanentFailure"),
        (OutcomeUnknown("x"), "unknown", "OutcomeUnknown"),
        (ValueError(PHONE), "unknown", "ValueError"),
    ],
)
def test_a_call_tells_how_it_ended(spans, house, error, outcome, word):
    """A vendor's word where it is one: a text, or a possible number, is not a word."""
    house.providers["a"].outcomes = [error]
    house.settings.SMS_ROUTES = {"default": "a"}
    house.deliver(house.send())
    call = spans.one("send")
    assert (attributes(call)["otpost.outcome"], attributes(call)["error.type"]) == (outcome, word)
    assert call.status.status_code is StatusCode.ERROR
    assert (call.status.description, call.events) == (None, ())


def test_a_message_that_failed_is_an_error_of_its_delivery(spans, house):
    house.providers["a"].always = PermanentFailure("x", code="no_such_number")
    house.deliver(house.send())
    delivered = spans.one("deliver")
    assert delivered.status.status_code is StatusCode.ERROR
    assert attributes(delivered)["otpost.state"] == "failed"
    assert attributes(delivered)["error.type"] == "no_such_number"


def test_a_message_that_expired_has_a_span(spans, house):
    id = house.send(expires_at=1)
    house.deliver(id)
    assert attributes(spans.one("deliver"))["otpost.state"] == "expired"


def test_waits_and_repeats_are_events(spans, house):
    a = house.providers["a"]
    a.repeats_safely, a.outcomes = True, [OutcomeUnknown("x", code="read_timeout")]
    house.deliver(house.send())
    assert [event.name for event in spans.one("deliver").events] == ["repeat"]
    assert [attributes(call)["otpost.attempt"] for call in spans.named("send ")] == [1, 2]
    for name in "ab":
        house.providers[name].always = TemporaryFailure("x", code="busy")
    house.deliver(house.send())
    events = spans.named("deliver")[1].events
    assert [event.name for event in events] == ["failover", "failover", "wait"]
    assert dict(events[-1].attributes) == {"otpost.seconds": 3.0}


def test_each_message_that_a_task_takes_has_its_own_trace(spans, house):
    """Also where the worker's own instrumentation has a span around all of them."""
    ids = [house.code(), house.code()]
    with trace.get_tracer_provider().get_tracer("celery").start_as_current_span("task") as task:
        for id in ids:
            house.deliver(id)
    roots, delivered = [span.context.trace_id for span in spans.named("accept")], spans.named("deliver")
    assert len({*roots}) == 2
    assert [span.context.trace_id for span in delivered] == roots
    assert [span.links[0].context for span in delivered] == [task.get_span_context()] * 2


def test_a_message_without_a_request_begins_a_trace(spans, house):
    house.deliver(codes.start(PHONE).message_id)
    start = spans.one("start")
    assert start.parent is None
    assert parent_of(spans.one("EVALSHA start")) == parent_of(spans.one("deliver")) == start.context.span_id
    assert len(spans.trace_ids()) == 1


def test_a_vendor_that_is_asked_is_called_in_the_trace_of_its_message(spans, house):
    house.providers["a"].reports_by_poll = True
    house.providers["a"].found = State.DELIVERED
    id = house.send()
    house.deliver(id)
    house.redis.zadd(names.POLLS + "a", {id: 1})
    follow_up.run("look_up", "a", cells.of_id(id))
    look = spans.one("look_up a")
    follow = spans.one("follow_up look_up")
    assert parent_of(look) == follow.context.span_id
    assert attributes(look)["otpost.outcome"] == "answered"
    assert spans.one("receipt a").context.trace_id == follow.context.trace_id
    assert len(spans.trace_ids()) == 1


def test_a_record_of_before_has_no_trace_and_works(spans, house):
    id = house.send()
    house.redis.hdel(names.RECORD + id, "trace")
    assert house.deliver(id).state == "sent"
    assert receipts.take("a", {}, f"{id} delivered".encode(), "/", "") == 1
    assert spans.one("deliver").parent is None
    assert spans.one("receipt").parent is None


@pytest.mark.parametrize(
    "word", ["", "x", "00-4bf92f-1-01", SAMPLED.replace("-", ""), f"00-{'0' * 32}-{CALLER}-01"]
)
def test_a_malformed_traceparent_is_ignored(spans, api, word):
    assert api.post("/v1/verifications", {"phone": PHONE}, HTTP_TRACEPARENT=word).status_code == 202
    request = spans.one("POST")
    assert request.parent is None
    assert spans.trace_ids() == {f"{request.context.trace_id:032x}"}


def test_a_record_with_a_malformed_trace_works(spans, house):
    id = house.send()
    house.redis.hset(names.RECORD + id, "trace", f"00-{PHONE}")
    assert house.deliver(id).state == "sent"
    assert spans.one("deliver").parent is None


def test_what_the_caller_does_not_sample_is_not_sampled(spans, house, api):
    assert api.post("/v1/verifications", {"phone": PHONE}, HTTP_TRACEPARENT=UNSAMPLED).status_code == 202
    (key,) = house.redis.keys(names.RECORD + "*")
    kept = house.redis.hget(key, "trace").decode()
    assert re.fullmatch(rf"00-{TRACE_ID}-[0-9a-f]{{16}}-00", kept)
    id = key.decode().removeprefix(names.RECORD)
    in_a_worker(id)
    receipts.take("a", {}, f"{id} delivered".encode(), "/", "")
    assert spans.all() == []


def test_a_request_that_begins_anew_has_one_span(spans):
    """config.rsgi ends it by a BaseException, once Django asks for a body that is not there yet."""

    class Awaited(BaseException):
        pass

    with suppress(Awaited), traces.request("POST", ""):
        raise Awaited
    assert spans.all() == []
    assert not trace.get_current_span().get_span_context().is_valid


def test_probes_and_files_have_no_span(spans, api):
    for path in ("/healthz", "/readyz", "/static/otp/pages.css"):
        api.client.get(path)
    assert spans.named("GET") == []


@pytest.mark.parametrize(
    "path", ["/v1/nowhere/+12025550123", "/v1/messages/+12025550123", "/v1/receipts/test?token=+12025550123"]
)
def test_a_request_shows_its_route_alone(spans, api, path):
    api.client.generic("GET\x20+12025550123", path)
    (request,) = spans.named("HTTP")
    assert PHONE[1:] not in request.to_json()
    assert attributes(request)["http.request.method"] == "_OTHER"


def test_an_error_of_ours_is_one_of_the_request(spans, settings, api):
    with server_with() as server:
        point_cache_at(settings, server.url)
    assert api.post("/v1/verifications", {"phone": PHONE}).status_code == 503
    request, start = spans.one("POST"), spans.one("EVALSHA admit" if cells.many() else "EVALSHA start")
    assert (attributes(request)["error.type"], request.status.status_code) == ("503", StatusCode.ERROR)
    assert (attributes(start)["error.type"], start.events) == ("Unavailable", ())


#: The options of a provider's URL that no one else may read.
SECRET = re.compile("key|secret|token|password")

#: The secrets in the URLs of the gateways in test_http.py.
OF_GATEWAYS = {"pass word", "pass%20word", "K+1", "K%201", "k;1", "shared-with-the-gateway"}


def secrets_of(url: str) -> set[str]:
    """The secrets in a provider's URL, plain and as URLs encode them."""
    parts = urlsplit(url)
    values = [parts.username, parts.password]
    values += [value for name, value in parse_qsl(parts.query) if SECRET.search(name)]
    return {form for value in values if value for form in (value, unquote(value)) if len(form) > 3}


@pytest.mark.parametrize("vendor", contracts())
def test_no_span_of_a_call_holds_a_secret(spans, house, vendor):
    """For any answer of the vendor, even one that repeats the request: its line with the key, its body."""
    contract = contracts()[vendor]()
    with gateway() as found:
        provider = contract.provider(found.url)
        secrets = OF_GATEWAYS if hasattr(contract, "options") else secrets_of(contract.url)
        assert secrets
        house.aliases |= {"main": registry.Alias(provider, slots=house.slots, share=registry.SHARE)}
        house.settings.SMS_PROVIDERS = {"main": "memory://"}
        house.settings.SMS_ROUTES = {"default": "main"}

        def echo() -> bytes:
            (path, headers, _), body = found.requests[-1], found.bodies[-1]
            return response(400, f"{path} {headers} {body.decode()}")

        answers = (
            contract.accepted,
            contract.refused_number,
            contract.refused_credentials,
            contract.throttled,
        )
        for answer in (*(lambda a=a: response(*a) for a in answers), echo, lambda: None):
            found.answer = answer
            house.redis.flushall()
            codes.start(PHONE)
            (key,) = house.redis.keys(names.RECORD + "*")
            in_a_worker(key.decode().removeprefix(names.RECORD))
    calls = spans.named("send main")
    assert len(calls) >= 6
    assert all(attributes(call)["server.address"] == "127.0.0.1" for call in calls)
    told = spans.text()
    sent = "".join(body.decode() for body in found.bodies)
    texts = set(re.findall(r"(?<!\d)\d{6}(?!\d)", unquote(sent))) | {PHONE[1:], PHONE[3:], "is your"}
    for secret in texts | secrets:
        assert secret not in told, secret
