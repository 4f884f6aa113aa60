"""Who is refused by the HTTP API leaves a trace for the operator, and cannot fill the log with it."""

from __future__ import annotations

from threading import Thread

import pytest

from otp import signals
from otp.api import access
from sms import alarms

PHONE = "+12025550123"
VERIFICATIONS = "/v1/verifications"
WRONG = {"Authorization": "Bearer otpost_not-a-key"}


@pytest.fixture
def told():
    """The signals that a receiver got: reason, name of the key, how often."""
    heard: list[tuple[str, str, int]] = []

    def hear(sender, reason, name, count, **_):
        heard.append((reason, name, count))

    signals.access_denied.connect(hear)
    yield heard
    signals.access_denied.disconnect(hear)


def lines(caplog) -> list[str]:
    found = [record.getMessage() for record in caplog.records]
    return [line for line in found if "access_denied" in line]


@pytest.mark.parametrize("headers", [{}, WRONG, {"Authorization": "Basic dTpw"}])
def test_failed_authentication_is_told_of_once_a_minute_with_its_count(
    api, told, caplog, alarm_clock, headers
):
    for _ in range(50):
        assert api.client.post(VERIFICATIONS, b"{}", "application/json", headers=headers).status_code == 401
    assert told == [("unauthorized", "", 1)]
    alarm_clock.advance(61)
    api.get(f"{VERIFICATIONS}/x")  # any call of the API reports what is due, even a call that is allowed
    assert told == [("unauthorized", "", 1), ("unauthorized", "", 49)]
    first, second = lines(caplog)
    assert "'count': 1" in first
    assert "'count': 49" in second
    alarm_clock.advance(61)
    api.get(f"{VERIFICATIONS}/x")
    assert len(told) == 2  # nothing has happened since


def test_what_a_key_may_not_is_told_with_its_name(api, settings, told, caplog):
    settings.API_ACCESS = access.parse("tests=verify,purpose:signup")
    for _ in range(3):
        assert api.post("/v1/messages", {"to": PHONE, "body": "x"}).status_code == 403
        assert api.post(VERIFICATIONS, {"phone": PHONE}).status_code == 403
        body = {"phone": PHONE, "purpose": "signup", "client_ip": "192.0.2.1"}
        assert api.post(VERIFICATIONS, body).status_code == 403
    reasons = ["scope_missing", "purpose_not_allowed", "client_ip_not_allowed"]
    assert told == [(reason, "tests", 1) for reason in reasons]
    assert all("'name': 'tests'" in line for line in lines(caplog))


def test_a_request_with_an_idempotency_key_is_counted_once(api, settings, told, alarm_clock):
    api.headers["Idempotency-Key"] = "one"
    settings.API_ACCESS = access.parse("tests=read")
    for _ in range(2):
        assert api.post(VERIFICATIONS, {"phone": PHONE}).status_code == 403
    api.headers |= WRONG
    for _ in range(2):
        assert api.post(VERIFICATIONS, {"phone": PHONE}).status_code == 401
    alarm_clock.advance(61)
    alarms.tell_due()
    assert sorted(told) == [("scope_missing", "tests", 1)] * 2 + [("unauthorized", "", 1)] * 2


def test_neither_key_nor_address_nor_number_is_logged(api, caplog):
    for number in range(3):
        api.client.post(
            VERIFICATIONS,
            {"phone": PHONE},
            "application/json",
            headers=WRONG,
            REMOTE_ADDR=f"198.51.100.{number}",
        )
    assert len(lines(caplog)) == 3  # three addresses are told apart, by a digest
    for secret in ("not-a-key", "198.51.100", PHONE):
        assert secret not in caplog.text


def test_from_however_many_addresses_the_memory_and_the_log_stay_small(api, told, caplog, alarm_clock):
    for number in range(400):
        address = f"198.51.{number // 250}.{number % 250}"
        assert api.client.get(f"{VERIFICATIONS}/x", REMOTE_ADDR=address).status_code == 401
    assert len(alarms._kept) == alarms.MOST + 1
    assert len(lines(caplog)) == alarms.MOST + 1
    alarm_clock.advance(61)
    alarms.tell_due()
    assert sum(count for *_, count in told) == 400
    alarm_clock.advance(61)
    alarms.tell_due()
    assert alarms._kept == {}


def test_no_request_waits_for_another_while_nothing_is_due(api):
    """Even if something is kept. Otherwise all requests would wait while every kind is searched."""
    api.client.get(f"{VERIFICATIONS}/x")
    with alarms._lock:
        looks = Thread(target=alarms.tell_due, daemon=True)
        looks.start()
        looks.join(2)
        assert not looks.is_alive()


@pytest.mark.one_server  # where a replica asks as well
def test_who_is_refused_costs_redis_nothing(api, settings, redis):
    settings.API_ACCESS = access.parse("tests=read")
    before = redis.info("stats")["total_commands_processed"]
    for _ in range(5):
        assert api.post(VERIFICATIONS, {"phone": PHONE}).status_code == 403
        assert api.client.get(f"{VERIFICATIONS}/x", headers=WRONG).status_code == 401
    assert redis.info("stats")["total_commands_processed"] - before == 1  # the question itself


def test_a_receiver_that_raises_stops_nothing(api):
    def fail(**_):
        raise RuntimeError

    signals.access_denied.connect(fail)
    try:
        assert api.client.get(f"{VERIFICATIONS}/x").status_code == 401
    finally:
        signals.access_denied.disconnect(fail)
