"""/metrics: closed without a token, and true to the tally and to how things stand."""

from __future__ import annotations

import base64
import shutil
import subprocess
import time

import pytest
from django.test import Client
from structlog.testing import capture_logs

from otp import services as codes
from otp.caller import Caller
from sms import metrics, names, receipts, services, store, sweeper, tally
from sms.checks.settings import metrics_token
from sms.errors import AccountFailure
from sms.testing import code_in, outbox
from tests.conftest import point_cache_at, server_with
from tests.scraped import TOKEN, scrape
from tests.sms.house import PHONE, leave_out

PROMTOOL = shutil.which("promtool")

#: Another that is as good.
OTHER = TOKEN[::-1]

#: Of a webhook.
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("method", ["get", "post", "head", "options", "delete"])
def test_without_a_token_there_is_no_such_address(settings, method):
    client = Client(enforce_csrf_checks=True)
    for token in ("", TOKEN):
        ours, other = (
            getattr(client, method)(path, headers=bearer(token)) for path in ("/metrics", "/other")
        )
        assert ours.status_code == 404
        assert ours.content == other.content
        assert {*ours.headers} == {*other.headers}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer(TOKEN + "0"),
        bearer(TOKEN[:-1]),
        bearer(f" {TOKEN}"),
        bearer("ü" * 40),
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
    ],
)
def test_a_wrong_token_opens_nothing(settings, headers):
    settings.METRICS_TOKEN = TOKEN
    for method in ("get", "post"):
        response = getattr(Client(), method)("/metrics", headers=headers)
        assert (response.status_code, response.content) == (401, b"")
        assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("token", "is_good"),
    [
        ("", True),
        (TOKEN, True),
        (TOKEN[:31], False),
        ("ab" * 20, False),
        (TOKEN + " x", False),
        (TOKEN + "ü", False),
        (f"{TOKEN}, {OTHER}", True),
        (f"{TOKEN},", True),
        (f"{TOKEN},short", False),
        (f"{TOKEN},{OTHER},{OTHER[::-1]}", False),
    ],
)
def test_a_weak_token_is_an_error(settings, token, is_good):
    settings.METRICS_TOKEN = token
    assert [error.id for error in metrics_token()] == ([] if is_good else ["sms.E036"])


def test_while_it_is_changed_both_open(settings):
    settings.METRICS_TOKEN = f"{TOKEN}, {OTHER},"
    for token, status in ((TOKEN, 200), (OTHER, 200), ("", 401), (settings.METRICS_TOKEN, 401)):
        assert Client().get("/metrics", headers=bearer(token)).status_code == status


def test_a_wrong_token_is_told_of_once_a_minute(settings):
    settings.METRICS_TOKEN = TOKEN
    with capture_logs() as logs:
        for _ in range(3):
            Client().get("/metrics", headers=bearer(OTHER))
    (line,) = (log for log in logs if log["event"] == "access_denied")
    assert (line["reason"], line["count"], line["log_level"]) == ("metrics_token", 1, "warning")
    assert OTHER not in str(logs)


def test_it_is_only_read(settings):
    settings.METRICS_TOKEN = TOKEN
    assert Client().post("/metrics", headers=bearer(TOKEN)).status_code == 405
    assert Client().head("/metrics", headers=bearer(TOKEN)).content == b""


def test_prometheus_may_ask_by_any_host(settings):
    settings.METRICS_TOKEN = TOKEN
    response = Client().get("/metrics", headers={**bearer(TOKEN), "Host": "10.1.2.3:8000"})
    assert response.status_code == 200


def test_a_code_from_start_to_check(settings):
    started = codes.start(PHONE, caller=Caller("shop"))
    code = code_in(outbox[-1].body)
    codes.check(started.id, code)
    found = scrape(settings)
    assert found.of("starts_total", outcome="issued", purpose="login", country="US", api_key="shop") == 1
    assert found.of("checks_total", outcome="valid", purpose="login", api_key="shop") == 1
    sent = {"channel": "sms", "alias": "test", "country": "US"}
    assert found.of("verified_total", **sent) == 1
    assert found.of("calls_total", outcome="accepted", **sent) == 1
    assert found.of("messages_total", state="sent", queue="otp", **sent) == 1
    assert found.of("messages_total", state="queued", channel="", alias="", country="US", queue="otp") == 1
    assert found.of("to_sent_seconds_count", queue="otp") == 1
    assert found.of("to_verified_seconds_count", channel="sms", alias="test") == 1
    assert found.families["otpost_starts"].type == "counter"
    for secret in (PHONE, PHONE[1:], code, started.id, started.message_id):
        assert secret not in found.text


def test_what_vendors_say_is_told_with_their_words(house, settings):
    house.providers["a"].outcomes = [AccountFailure("x", code="no_money")]
    id = house.code()
    house.deliver(id)
    receipts.take("b", {}, f"{id} failed".encode(), "/", "")
    found = scrape(settings)
    labels = {"channel": "sms", "alias": "a", "word": "no_money"}
    assert found.of("vendor_words_total", about="call", outcome="account", **labels) == 1
    labels = {"channel": "sms", "alias": "b", "word": "failed"}
    assert found.of("vendor_words_total", about="receipt", outcome="failed", **labels) == 1
    assert found.of("receipts_total", state="failed", channel="sms", alias="b", country="US") == 1
    assert found.of("left_out_total", channel="sms", alias="a", country="") == 1


def test_a_histogram_counts_all_that_took_no_longer(redis, settings):
    fields = {"call|a|0": 1, "call|a|3": 2, "call|a|21": 3, "call|a|sum": 4_000_000}
    redis.hset(tally.place("times"), mapping=fields)
    found = scrape(settings)
    labels = {"channel": "sms", "alias": "a"}
    bounds = ("0.001", "0.004", "0.008", "1048.576", "+Inf")
    assert [found.of("call_seconds_bucket", le=le, **labels) for le in bounds] == [1, 1, 3, 3, 6]
    assert found.of("call_seconds_sum", **labels) == 4000
    assert found.of("call_seconds_count", **labels) == 6


def test_money_is_in_its_own_unit(redis, settings):
    redis.hset(tally.place("counts"), mapping={"spent|US": 1_250_000})
    assert scrape(settings).of("spent_total", country="US") == 1.25


def test_fields_of_other_versions_are_added_up(redis, settings):
    fields = {"starts|issued|login": 1, "starts|issued|login||": 2, "starts|other": 4, "unheard_of|x": 1}
    redis.hset(tally.place("counts"), mapping=fields)
    found = scrape(settings)
    assert found.of("starts_total", outcome="issued", purpose="login", country="", api_key="") == 3
    assert found.of("starts_total", outcome="other", purpose="other", country="other", api_key="other") == 4


def test_every_name_of_the_tally_has_its_metric():
    assert metrics.COUNTERS.keys() | {"call", "receipt"} == tally.LABELS.keys()
    assert metrics.HISTOGRAMS.keys() == tally.TIMES.keys()


def test_what_waits_is_told(house, redis, settings):
    for _ in range(3):
        services.send(PHONE, "Hello")
    now = int(store.now() * 1000)
    redis.zadd(names.WAITING + "bulk", {"old": now - 90_000, "held back": now + 5000})
    redis.zadd(names.DEAD, {"x": 1, "y": 2})
    found = scrape(settings)
    assert found.of("backlog", queue="bulk") == 4
    assert found.of("held_back", queue="bulk") == 1
    assert 90 <= found.of("backlog_age_seconds", queue="bulk") < 3600
    assert found.of("leases", queue="bulk") == found.of("leases_due", queue="bulk") == 3
    assert found.of("backlog", queue="otp") == found.of("backlog_age_seconds", queue="otp") == 0
    assert found.of("dead_letters") == 2


def test_what_is_all_held_back_has_no_age(redis, settings):
    redis.zadd(names.WAITING + "otp", {"held back": int(store.now() * 1000) + 60_000})
    found = scrape(settings)
    assert (found.of("backlog", queue="otp"), found.of("backlog_age_seconds", queue="otp")) == (0, 0)


def test_breakers_are_told_where_they_are_open(house, redis, settings):
    everywhere = {"channel": "sms", "alias": "a", "country": ""}
    there = everywhere | {"country": "GB"}
    found = scrape(settings)
    assert ("otpost_breaker_open", frozenset(everywhere.items())) in found
    leave_out("a")
    redis.hset(names.health("a", "GB"), "open_until", 1)
    assert scrape(settings).of("breaker_open", **there) == 0  # the tally has not told of it
    redis.hincrby(tally.place("counts"), "left_out|a|GB", 1)
    redis.hincrby(tally.place("counts"), "left_out|gone|GB", 1)
    found = scrape(settings)
    assert found.of("breaker_open", **everywhere) == found.of("breaker_open", **there) == 1
    assert found.of("breaker_open", **everywhere | {"alias": "b"}) == 0
    assert sum(name == "otpost_breaker_open" for name, _ in found) == 4


def test_rates_and_their_lines_are_told(house, redis, settings):
    house.rate("a", rate=2)
    house.rate("b", segment_rate=5)
    now = int(store.now() * 1000)
    redis.set(names.RATE + "a", now + 9000)
    redis.zadd(names.line("a", "otp"), {"comes": now + 100, "came never": now - 60_000})
    found = scrape(settings)
    assert found.of("rate", channel="sms", alias="a", unit="messages") == 2
    assert found.of("rate", channel="sms", alias="b", unit="segments") == 5
    assert 8 < found.of("rate_wait_seconds", channel="sms", alias="a") <= 9
    assert found.of("rate_wait_seconds", channel="sms", alias="b") == 0
    assert found.of("rate_waiting", channel="sms", alias="a", queue="otp") == 1
    assert sum(name == "otpost_rate" for name, _ in found) == 2


def test_a_provider_says_its_channel(house, settings, redis, monkeypatch):
    monkeypatch.setattr(house.providers["a"], "channel", "voice", raising=False)
    house.deliver(house.code())
    redis.hincrby(tally.place("counts"), "calls|accepted|gone|US", 3)
    found = scrape(settings)
    assert found.of("calls_total", outcome="accepted", channel="voice", alias="a", country="US") == 1
    assert found.of("calls_total", outcome="accepted", channel="sms", alias="gone", country="US") == 3


def test_signs_of_beat_and_workers_have_an_age(redis, settings):
    found = scrape(settings)
    assert {"otpost_beat_seconds", "otpost_last_sweep_seconds"}.isdisjoint(found.names)
    assert found.of("unswept_seconds", queue="otp") == 0
    cutoff = sweeper.request("otp")
    assert cutoff
    redis.set(names.UNSWEPT + "otp", cutoff - 40_000)
    assert 40 <= scrape(settings).of("unswept_seconds", queue="otp") < 3600
    sweeper.late("otp", cutoff, 1)
    time.sleep(0.05)
    found = scrape(settings)
    assert 0.05 <= found.of("last_sweep_seconds") < 3600
    assert found.of("last_sweep_seconds") <= found.of("beat_seconds") < 3600
    assert found.of("unswept_seconds", queue="otp") == 0
    redis.set(names.BEAT, 1)  # as the version before has it
    assert "otpost_beat_seconds" not in scrape(settings).names


def test_events_that_wait_are_told(redis, settings):
    settings.WEBHOOKS = {name: f"https://{name}.example/hook#secret={SECRET}" for name in ("shop", "audit")}
    now = store.now() * 1000
    redis.zadd(names.WEBHOOKS_DUE + "shop", {"0 {}": now - 5_000, "1 {}": now + 300_000})
    redis.zadd(names.WEBHOOKS_LATE + "shop", {"a": now - 90_000})
    redis.hset(tally.place("counts"), mapping={"events|dead|message.sent": 3})
    found = scrape(settings)
    assert found.of("events_waiting", endpoint="shop") == 2
    assert found.of("webhook_oldest_seconds", endpoint="shop") == pytest.approx(90, abs=2)
    for name in ("events_waiting", "webhook_oldest_seconds"):
        assert (f"otpost_{name}", frozenset({("endpoint", "audit")})) in found
        assert found.of(name, endpoint="audit") == 0
    assert found.of("events_total", outcome="dead", type="message.sent") == 3


def test_redis_says_how_much_room_it_has(settings):
    with server_with(maxmemory="100mb") as server:
        point_cache_at(settings, server.url)
        found = scrape(settings)
        assert 10**5 < found.of("redis_memory_used_bytes") < found.of("redis_memory_max_bytes") == 100 * 2**20


def test_a_server_that_forbids_info_is_asked_for_the_rest(settings):
    with server_with(rename_command='INFO ""') as server:
        point_cache_at(settings, server.url)
        found = scrape(settings)
        assert "otpost_redis_memory_used_bytes" not in found.names
        assert (found.of("redis_up"), "otpost_backlog" in found.names) == (1, True)


def test_fakeredis_is_asked_too(fake_redis, settings):
    services.send(PHONE, "Hello")
    assert scrape(settings).of("redis_up") == 1


def test_without_redis_that_is_all_there_is_to_tell(settings):
    point_cache_at(settings, "redis://127.0.0.1:9/0")
    found = scrape(settings)
    assert dict(found) == {("otpost_redis_up", frozenset()): 0}


@pytest.mark.one_server  # a replica is read from as well
@pytest.mark.parametrize("webhooks", [0, 2])
def test_it_takes_three_round_trips(redis, settings, webhooks):
    """The tally, how things stand, the guard; webhooks. Counted by the server's reads from clients."""
    settings.REDIS_CELLS = 1
    settings.WEBHOOKS = {f"shop{n}": f"https://shop.example/{n}#secret={SECRET}" for n in range(webhooks)}

    def read() -> int:
        return redis.info("stats")["total_reads_processed"]

    scrape(settings)  # loads the scripts
    before = read()
    of_itself = read() - before
    before += of_itself
    scrape(settings)
    assert read() - before - of_itself == (4 if webhooks else 3)


def test_a_full_tally_is_read_whole(redis, settings):
    redis.hset(
        tally.place("counts"), mapping={f"starts|issued|login|US|key{n}": 1 for n in range(4999)} | {"a": 1}
    )
    redis.hset(tally.place("words"), mapping={f"call|refused|main|{n}": 1 for n in range(5000)})
    found = scrape(settings)
    assert sum(name == "otpost_starts_total" for name, _ in found) == 4999
    assert sum(name == "otpost_vendor_words_total" for name, _ in found) == 5000


def test_odd_words_stand_as_they_are(redis, settings):
    odd = 'a"b\\c\nd é'
    redis.hset(tally.place("words"), mapping={f"call|refused|main|{odd}": 1})
    labels = {"about": "call", "outcome": "refused", "channel": "sms", "alias": "main", "word": odd}
    assert scrape(settings).of("vendor_words_total", **labels) == 1


@pytest.mark.skipif(PROMTOOL is None, reason="needs Debian's package prometheus")
def test_promtool_finds_nothing_to_say(house, settings):
    house.rate("a", rate=2)
    house.deliver(house.code())
    sweeper.request("otp")
    sweeper.late("otp", 0, 1)
    found = scrape(settings)
    done = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=found.text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
