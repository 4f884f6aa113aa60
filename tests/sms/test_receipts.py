"""Delivery reports over HTTP: genuine ones move a message forward, the rest changes nothing."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from django.test import Client
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from sms import broker, names, optouts, registry, services, signals, store, tally
from sms.delivery import run as delivery
from sms.errors import OptedOut
from sms.message import State
from tests.commands import commands
from tests.conftest import point_cache_at, server_with
from tests.sms.house import lease_ends
from tests.sms.providers.gateway import gateway, response
from tests.spoilt import SPOILT

PUBLIC = "https://verify.example.com"
TOKEN = "token-of-the-account"
PHONE = "+12025550123"


@pytest.fixture(autouse=True)
def twilio(settings, monkeypatch):
    settings.PUBLIC_URL = PUBLIC
    settings.SMS_PROVIDERS = {"main": f"twilio://AC1:{TOKEN}@?from=x"}
    monkeypatch.setattr(broker, "publish", lambda message_id, queue: True)


def sent_message() -> str:
    message = services.send(PHONE, "Hello")
    store.claim(message.id)
    store.finish(message.id, State.SENT, alias="main", provider_message_id="SM1")
    return message.id


def report(
    reference: str, word: str, *, public: str = PUBLIC, alias: str = "main", token: str = TOKEN, **fields: str
):
    """The vendor calls the public address; the proxy hands it on to ours, by plain HTTP."""
    path = f"/v1/receipts/{alias}?reference={reference}"
    form = {"MessageSid": "SM1", "MessageStatus": word, "To": PHONE} | fields
    signature = RequestValidator(token).compute_signature(public + path, form)
    return Client().post(
        path,
        urlencode(form),
        "application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature},
    )


def test_a_genuine_receipt_behind_a_proxy():
    id = sent_message()
    assert report(id, "delivered").status_code == 204
    record = services.get(id)
    assert (record.state, record.reported) == (State.DELIVERED, "delivered")


def test_states_only_go_forward():
    id = sent_message()
    for word, state in [
        ("sent", State.SENT),
        ("teleported", State.UNKNOWN),
        ("delivered", State.DELIVERED),
        ("sent", State.DELIVERED),
        ("undelivered", State.DELIVERED),
        ("teleported", State.DELIVERED),
    ]:
        assert report(id, word).status_code == 204
        assert services.get(id).state is state


def test_a_failure_after_the_delivery_counts_for_nothing():
    id = sent_message()
    for word in ("delivered", "undelivered", "failed"):
        assert report(id, word).status_code == 204
    (counted,) = tally.read("counts")
    assert {name: n for name, n in counted.items() if name.startswith("receipts|")} == {
        "receipts|delivered|main|US": 1
    }


def test_a_failure_keeps_the_vendors_code():
    id = sent_message()
    report(id, "undelivered", ErrorCode="30005")
    record = services.get(id)
    assert (record.state, record.error) == (State.FAILED, "30005")


def test_a_receipt_may_overtake_the_answer_of_the_call(redis):
    message = services.send(PHONE, "Hello")
    store.claim(message.id)
    redis.hset(names.RECORD + message.id, mapping={"calling": "main", "asked": "main"})
    report(message.id, "delivered")
    moved, record, *_ = store.finish(message.id, State.SENT, provider_message_id="SM1")
    assert (moved, record.state, record.alias) == (False, State.DELIVERED, "main")


def test_a_receipt_saves_a_code_whose_outcome_was_unknown_from_a_second_sms():
    message = services.send(PHONE, "123456", resend_unknown=True)
    store.claim(message.id)
    store.finish(message.id, State.QUEUED, "unknown", retry_in=3.0, alias="main", avoid="main")
    report(message.id, "sent")
    assert services.get(message.id).state is State.SENT
    assert store.claim(message.id)[0] == "done"


def test_a_failure_because_of_an_opt_out_puts_the_number_on_the_list():
    id = sent_message()
    with capture_logs() as logs:
        assert report(id, "failed", ErrorCode="21610").status_code == 204
    assert services.get(id).state is State.FAILED
    assert optouts.counts() == {"main": (1, 0)}
    assert [line["message_id"] for line in logs if line["event"] == "opted_out"] == [id]
    assert PHONE[1:] not in str(logs)
    with pytest.raises(OptedOut):
        services.send(PHONE, "Hello")


@pytest.mark.parametrize(
    ("reference", "fields"),
    [
        ("", {"To": "+12025550199"}),  # of another number than the message's
        ("", {"To": "Shop"}),
        ("", {"To": ""}),
        ("", {"ErrorCode": "30005"}),
        ("never-was", {}),
    ],
)
def test_no_other_number_gets_there(reference, fields):
    id = sent_message()
    assert report(reference or id, "failed", **{"ErrorCode": "21610"} | fields).status_code == 204
    assert optouts.counts() == {}


class TestAnOptOutThatOvertakesTheAnswer:
    """The receipt of a failure because of an opt-out comes while the call is under way."""

    def test_of_a_vendor_that_names_our_id(self, redis):
        id = services.send(PHONE, "Hello").id
        store.claim(id)
        redis.hset(names.RECORD + id, mapping={"calling": "main", "asked": "main"})
        report(id, "failed", ErrorCode="21610")
        assert optouts.counts() == {"main": (1, 0)}

    @pytest.fixture(params=["before the answer", "no answer"])
    def own_id(self, request, settings):
        """A vendor that names only its own id. It reports on a message, then answers its call, or not."""
        with gateway() as vendor:
            secret = "secret-of-the-receipts"
            settings.SMS_PROVIDERS = {
                "main": f"bulksms://id:x@?from=x&receipt_secret={secret}&base_url={vendor.url}"
            }
            answer = json.dumps([{"id": "B1", "status": {"type": "ACCEPTED"}}])

            def send(to: str) -> str:
                def reports() -> bytes | None:
                    status = {"type": "FAILED", "subtype": "BLOCKED"}
                    receipt = {"id": "B1", "type": "SENT", "to": to, "status": status}
                    path = registry.providers()["main"].panel_address("/v1/receipts/main")
                    assert Client().post(path, json.dumps([receipt]), "application/json").status_code == 204
                    return response(201, answer) if request.param == "before the answer" else None

                vendor.answer = reports
                id = services.send(PHONE, "Hello").id
                delivery.deliver(id)
                return id

            yield send

    def test_of_a_vendor_that_names_its_own_id(self, own_id, redis):
        with capture_logs() as logs:
            own_id(PHONE[1:])
        assert optouts.counts() == {"main": (1, 0)}
        assert [line["alias"] for line in logs if line["event"] == "opted_out"] == ["main"]
        assert PHONE[1:] not in str(logs)
        kept = str([(key, redis.dump(key)) for key in redis.scan_iter()])
        assert PHONE[1:] not in kept
        with pytest.raises(OptedOut):
            services.send(PHONE, "Hello")

    @pytest.mark.parametrize("odd", ["", "Shop", "123"])
    def test_what_is_no_number_gets_nowhere(self, own_id, odd):
        own_id(odd)
        assert optouts.counts() == {}


@pytest.mark.parametrize("forged", [{"token": "wrong"}, {"public": "https://evil.example.com"}])
def test_forged_receipts_are_refused(forged):
    id = sent_message()
    response = report(id, "delivered", **forged)
    assert (response.status_code, response.json()["code"]) == (403, "receipt_rejected")
    assert services.get(id).state is State.SENT


def test_a_flood_of_forged_receipts_costs_no_lookup():
    id = sent_message()
    with commands() as sent:
        for n in range(50):
            assert report(f"{id}{n}", "delivered", token="wrong").status_code == 403
    assert sent == []


def test_unknown_references_and_aliases():
    with capture_logs() as logs:
        assert report("never-was", "delivered").status_code == 204
    assert [line["event"] for line in logs if line["event"].startswith("receipt")] == [
        "receipt_without_message"
    ]
    response = Client().post("/v1/receipts/other", "x", "text/plain")
    assert (response.status_code, response.json()["code"]) == (404, "alias_unknown")


def test_a_provider_without_receipts_refuses_them(settings):
    settings.SMS_PROVIDERS = {"main": "memory://"}
    assert report("x", "delivered").status_code == 403


def test_a_receipt_over_16_kib_is_refused():
    response = Client().post(
        "/v1/receipts/main", "x" * 17_000, "text/plain", headers={"X-Twilio-Signature": "x"}
    )
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


def test_forged_reports_are_told_once_a_minute_with_a_count(alarm_clock):
    """A stranger who finds the address can send thousands a second. The log must not grow with them."""
    id, told = sent_message(), []

    def tell(sender, *, alias, error, count, **_):
        told.append((alias, count))

    signals.receipt_rejected.connect(tell)
    try:
        with capture_logs() as logs:
            for _ in range(50):
                assert report(id, "delivered", token="wrong").status_code == 403
            alarm_clock.advance(61)
            assert report(id, "delivered", token="wrong").status_code == 403
    finally:
        signals.receipt_rejected.disconnect(tell)
    assert told == [("main", 1), ("main", 50)]
    assert [line["count"] for line in logs if line["event"] == "receipt_rejected"] == [1, 50]


@pytest.mark.parametrize("name", SPOILT)
def test_a_provider_reports_again_where_redis_cannot_take_it(settings, name):
    """503: it comes back with the report."""
    with server_with(lua_time_limit="50") as server:
        point_cache_at(settings, server.url)
        id = sent_message()
        with SPOILT[name](server, settings):
            assert report(id, "delivered").status_code == 503
        point_cache_at(settings, server.url)
        assert report(id, "delivered").status_code == 204


GATEWAY = (
    'https://gateway.example/?json={"to":"{to}"%2C"text":"{body}"}&id=id'
    "&receipt_secret=shared-with-the-gateway&receipt_reference=ref&receipt_state=word&delivered=DELIVRD"
    "&receipt_id=id&receipt_error=error"
)


def from_the_gateway(content: object):
    return Client().post(
        "/v1/receipts/main",
        json.dumps(content),
        "application/json",
        headers={"Authorization": "Bearer shared-with-the-gateway"},
    )


@pytest.mark.parametrize("odd", ["\ud83d", "a\x00\n", "x" * 6_000, 10**4000, ["x"], {"x": ["y"]}])
def test_a_genuine_receipt_may_hold_odd_words(settings, odd):
    """The vendor would send it again and again where we answered with an error of ours."""
    settings.SMS_PROVIDERS = {"main": GATEWAY}
    id = sent_message()
    assert from_the_gateway({"ref": odd, "word": "DELIVRD"}).status_code == 204
    assert from_the_gateway({"ref": id, "word": odd}).status_code == 204
    assert from_the_gateway({"ref": id, "word": "DELIVRD", "id": odd, "error": odd}).status_code == 204
    record = services.get(id)
    assert record.state is State.DELIVERED
    assert record.error.isprintable()
    assert len(record.error) <= 210


def test_a_report_on_which_the_module_fails_is_refused_and_named(monkeypatch):
    """The log says where, and nothing of what the report holds."""
    id = sent_message()

    def fail(*_):
        raise KeyError(PHONE)

    monkeypatch.setattr(registry.providers()["main"], "parse_receipts", fail)
    with capture_logs() as logs:
        assert report(id, "delivered").json()["code"] == "receipt_rejected"
    (line,) = [line for line in logs if line["event"] == "receipt_unreadable"]
    assert (line["log_level"], line["error"]) == ("error", "KeyError")
    assert "test_receipts.py:" in line["place"]
    assert PHONE[1:] not in str(logs)


@pytest.mark.parametrize("as_object", [False, True])  # as PHP writes a list that has gaps
@pytest.mark.parametrize("index", ["0", "*"])
def test_each_report_of_a_call_is_recorded(settings, index, as_object):
    paths = f"&receipt_reference=results.{index}.ref&receipt_state=results.{index}.word&failed=UNDELIV"
    settings.SMS_PROVIDERS = {
        "main": GATEWAY.partition("&receipt_reference")[0] + paths + "&delivered=DELIVRD"
    }
    ids = [sent_message() for _ in range(3)]
    words = ["DELIVRD", "UNDELIV", "DELIVRD"]
    results = [{"ref": id, "word": word} for id, word in zip(ids, words, strict=True)]
    several = {str(number): result for number, result in enumerate(results)} if as_object else results
    assert from_the_gateway({"results": several}).status_code == 204
    assert [services.get(id).state for id in ids] == [State.DELIVERED, State.FAILED, State.DELIVERED]


@pytest.mark.parametrize("as_object", [False, True])
def test_a_call_with_several_reports_is_refused_where_only_its_address_names_a_message(settings, as_object):
    paths = "&receipt_state=results.0.word&delivered=DELIVRD"
    settings.SMS_PROVIDERS = {"main": GATEWAY.partition("&receipt_reference")[0] + paths}
    several = [{"word": "DELIVRD"}, {"word": "DELIVRD"}]
    results = {str(number): result for number, result in enumerate(several)} if as_object else several
    assert from_the_gateway({"results": results}).status_code == 403


class TestWhoMayReport:
    """A secret is one alias's own: it says nothing of what another one sent."""

    @pytest.fixture(autouse=True)
    def vendors(self, settings):
        with gateway() as main, gateway() as spare:
            for vendor in (main, spare):
                vendor.answer = lambda: response(201, '{"sid": "SM1"}')
            settings.SMS_PROVIDERS = {
                name: f"twilio://AC1:{name}-{TOKEN}@?from=x&base_url={vendor.url}"
                for name, vendor in {"main": main, "spare": spare, "idle": spare}.items()
            }
            settings.SMS_ROUTES = {"default": "main>spare>idle"}
            self.main, self.spare = main, spare
            yield

    def sent(self) -> str:
        message = services.send(PHONE, "123456", resend_unknown=True)
        delivery.deliver(message.id)
        return message.id

    def reports(self, alias: str, id: str, word: str) -> bool:
        """Whether what ``alias`` says moves the message. The vendor is answered alike, whatever it does."""
        before = services.get(id).state
        with capture_logs() as logs:
            answer = report(id, word, alias=alias, token=f"{alias}-{TOKEN}")
        assert answer.status_code == 204
        moved = services.get(id).state is not before
        told = [line["alias"] for line in logs if line["event"] == "receipt_of_another"]
        assert told == ([] if moved else [alias])
        return moved

    def test_one_that_was_not_asked_moves_nothing(self, redis):
        id = self.sent()
        for word in ("delivered", "undelivered", "sent", "teleported"):
            assert not self.reports("spare", id, word)
        assert redis.keys("sms:health:spare*") == []
        assert self.reports("main", id, "delivered")

    def test_none_may_before_any_is_asked(self):
        id = services.send(PHONE, "123456").id
        assert not self.reports("main", id, "delivered")

    def test_each_that_was_asked_may(self):
        """The first may turn out to have sent it, whatever it answered."""
        self.main.answer = lambda: response(500, "")
        assert not self.reports("idle", id := self.sent(), "delivered")
        assert self.reports("main", id, "delivered")
        assert self.reports("spare", self.sent(), "delivered")

    def test_one_whose_outcome_was_unknown_may(self, redis):
        self.main.answer = lambda: None
        id = self.sent()
        redis.hset(names.RECORD + id, "not_before", 1)
        delivery.deliver(id)
        assert services.get(id).alias == "spare"
        assert self.reports("main", id, "delivered")

    def test_one_in_whose_call_the_worker_died_may(self, redis, monkeypatch):
        id = services.send(PHONE, "123456", resend_unknown=True).id

        def die(sms):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(registry.providers()["main"], "send", die)
            with pytest.raises(KeyboardInterrupt):
                delivery.deliver(id)
        assert not self.reports("spare", id, "delivered")
        lease_ends(redis, id)
        delivery.deliver(id)
        assert services.get(id).alias == "spare"
        assert self.reports("main", id, "delivered")

    def test_what_an_older_worker_sent_may_be_reported(self, redis):
        """Its record does not say whom it asked, but which alias had it last, and which may have it."""
        for field in ("alias", "avoid"):
            id = self.sent()
            redis.hdel(names.RECORD + id, "asked", "calling", "alias")
            redis.hset(names.RECORD + id, field, "main")
            assert not self.reports("spare", id, "delivered")
            assert self.reports("main", id, "delivered")
