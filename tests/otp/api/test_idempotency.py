"""``Idempotency-Key``: whatever a caller repeats is sent once and answered as the first time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.fernet import Fernet

from otp.api import idempotency, keys
from otp.errors import RateLimited, StoreUnavailable
from sms import cells, names
from sms.errors import Unavailable
from sms.scripts import gather
from sms.testing import code_in, outbox
from tests.commands import commands
from tests.conftest import Api, point_cache_at
from tests.otp.issue import end_cooldown

PHONE, OTHER = "+12025550123", "+12025550124"
VERIFICATIONS, MESSAGES = "/v1/verifications", "/v1/messages"
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"
HELLO = {"to": PHONE, "body": "Your parcel is here."}


def post(api, path, body=None, key=KEY, token=None, **extra):
    headers = api.headers | ({} if key is None else {"Idempotency-Key": key})
    if token:
        headers["Authorization"] = f"Bearer {token}"
    other = Api()
    other.headers = headers
    return other.post(path, body, **extra)


def refusal(response):
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def assert_replay(first, again):
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again["Content-Type"] == first["Content-Type"]
    assert again["Cache-Control"] == first["Cache-Control"] == "no-store"


def records(redis) -> list[bytes]:
    return redis.keys("http:idempotency:*")


def test_records_are_spread_over_the_cells(api, settings):
    settings.REDIS_CELLS = 4
    for number in range(12):
        first = post(api, MESSAGES, HELLO, key=f"key-{number}")
        assert_replay(first, post(api, MESSAGES, HELLO, key=f"key-{number}"))
    assert len(outbox) == 12
    kept = gather(cells.every(), lambda pipe, cell: pipe.keys(names.key(idempotency.RECORD + "*", cell)))
    counts = {cell: len(keys) for cell, (keys,) in kept.items()}
    assert sum(counts.values()) == 12
    assert counts[0] == 0
    assert max(counts.values()) < 12  # all in one cell would take a chance of one in four million


# --- the first answer again -------------------------------------------------------------------------


def test_a_start_is_answered_again_while_its_cooldown_runs(api):
    first = post(api, VERIFICATIONS, {"phone": PHONE})
    assert first.status_code == 202
    again = post(api, VERIFICATIONS, {"phone": PHONE})
    assert_replay(first, again)
    assert len(outbox) == 1
    at = f"{VERIFICATIONS}/{again.json()['id']}"
    assert api.post(f"{at}/check", {"code": code_in(outbox[-1].body)}).json()["status"] == "valid"


def test_a_message_is_sent_once(api):
    first = post(api, MESSAGES, HELLO)
    assert_replay(first, post(api, MESSAGES, HELLO))
    assert len(outbox) == 1
    assert post(api, MESSAGES, HELLO, key=None).status_code == 202  # without the header it is another one
    assert len(outbox) == 2


def test_the_type_of_the_body_is_part_of_the_request(api):
    first = post(api, MESSAGES, HELLO)
    assert refusal(post(api, MESSAGES, HELLO, content_type="text/plain")) == (422, "idempotency_key_reused")
    assert_replay(first, post(api, MESSAGES, HELLO, content_type="Application/JSON; charset=utf-8"))
    assert refusal(post(api, MESSAGES, HELLO, "other", content_type="text/plain"))[0] == 415


def test_a_resend_is_sent_once(api, settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 1}}
    at = f"{VERIFICATIONS}/{api.post(VERIFICATIONS, {'phone': PHONE}).json()['id']}/resend"
    time.sleep(1.05)
    first = post(api, at)
    assert first.status_code == 202
    time.sleep(1.05)
    assert_replay(first, post(api, at))
    assert len(outbox) == 2


def test_quoted_and_bare_are_the_same_key(api):
    first = post(api, MESSAGES, HELLO)
    assert_replay(first, post(api, MESSAGES, HELLO, f'"{KEY}"'))
    first = post(api, MESSAGES, HELLO, r'"a\"\\b c"')
    assert_replay(first, post(api, MESSAGES, HELLO, 'a"\\b c'))
    assert len(outbox) == 2


# --- another request --------------------------------------------------------------------------------


def test_another_body_or_path_under_the_key_is_refused(api):
    post(api, MESSAGES, HELLO)
    for path, body in ((MESSAGES, HELLO | {"to": OTHER}), (VERIFICATIONS, HELLO), (MESSAGES, None)):
        response = post(api, path, body)
        assert refusal(response) == (422, "idempotency_key_reused")
        assert response.json()["field"] == "Idempotency-Key"
    assert len(outbox) == 1


def test_each_name_has_keys_of_its_own(api, settings):
    key, digest = keys.make()
    settings.API_KEYS = settings.API_KEYS | {"other": [digest]}
    first = post(api, MESSAGES, HELLO)
    other = post(api, MESSAGES, HELLO, token=key)
    assert (first.status_code, other.status_code) == (202, 202)
    assert first.json()["id"] != other.json()["id"]
    assert len(outbox) == 2


def test_a_rotated_key_is_still_the_same_caller(api, settings):
    key, digest = keys.make()
    settings.API_KEYS = {"tests": [*settings.API_KEYS["tests"], digest]}
    assert_replay(post(api, MESSAGES, HELLO), post(api, MESSAGES, HELLO, token=key))


# --- two at once ------------------------------------------------------------------------------------


def test_two_at_once_send_once(api, monkeypatch):
    """The second comes while the first is being sent, which waits for it."""
    from sms import services

    real, arrived, go_on = services.send, threading.Event(), threading.Event()

    def slow(*args, **options):
        arrived.set()
        assert go_on.wait(60)
        return real(*args, **options)

    monkeypatch.setattr(services, "send", slow)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(post, api, MESSAGES, HELLO)
        assert arrived.wait(60)
        second = post(api, MESSAGES, HELLO)
        assert refusal(second) == (409, "idempotency_in_progress")
        assert second["Retry-After"] == "1"
        other = post(api, MESSAGES, HELLO | {"to": OTHER})
        assert refusal(other) == (422, "idempotency_key_reused")
        go_on.set()
        first = running.result(60)
    assert_replay(first, post(api, MESSAGES, HELLO))
    assert len(outbox) == 1


def test_of_many_at_once_one_is_sent(api):
    barrier = threading.Barrier(12)

    def one(_):
        barrier.wait(60)
        return post(api, MESSAGES, HELLO)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(one, range(12)))
    assert len(outbox) == 1
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.content for answer in answers if answer.status_code == 202}) == 1


# --- what is not kept -------------------------------------------------------------------------------


def test_too_soon_is_not_kept(api, redis):
    post(api, VERIFICATIONS, {"phone": PHONE}, "first")
    assert refusal(post(api, VERIFICATIONS, {"phone": PHONE})) == (429, "pending")
    assert len(records(redis)) == 1
    end_cooldown(redis)
    assert post(api, VERIFICATIONS, {"phone": PHONE}).status_code == 202


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (MESSAGES, {"to": "911", "body": "x"}, 422),
        (VERIFICATIONS, {"phone": PHONE, "purpose": "x"}, 422),
        (f"{VERIFICATIONS}/never/resend", None, 409),
    ],
)
def test_a_refusal_is_not_kept(api, redis, path, body, status):
    """Nothing was sent, so nothing can be doubled: the key is free, also for the request as it was meant."""
    for _ in range(2):
        again = post(api, path, body)
        assert again.status_code == status
        assert "Idempotency-Replayed" not in again
        assert records(redis) == []
    assert post(api, MESSAGES, HELLO).status_code == 202
    assert len(outbox) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [(StoreUnavailable(), 503), (RuntimeError("of ours"), 500), (RateLimited("no", retry_after=3), 429)],
)
def test_a_failure_is_not_kept(api, monkeypatch, redis, error, status):
    def fail(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("otp.services.start", fail)
        assert post(api, VERIFICATIONS, {"phone": PHONE}).status_code == status
    assert records(redis) == []
    again = post(api, VERIFICATIONS, {"phone": PHONE})
    assert again.status_code == 202
    assert "Idempotency-Replayed" not in again


@pytest.mark.parametrize(
    ("body", "extra", "status"),
    [("{", {}, 400), ("x" * 17_000, {}, 413), (HELLO, {"content_type": "text/plain"}, 415)],
)
def test_what_was_not_understood_is_not_kept(api, redis, body, extra, status):
    assert post(api, MESSAGES, body, **extra).status_code == status
    assert records(redis) == []
    assert post(api, MESSAGES, HELLO).status_code == 202


def test_what_a_key_may_not_is_not_kept(api, settings, redis):
    from otp.api import access

    settings.API_ACCESS = access.parse("tests=verify,purpose:signup")
    assert refusal(post(api, MESSAGES, HELLO)) == (403, "scope_missing")
    assert refusal(post(api, VERIFICATIONS, {"phone": PHONE})) == (403, "purpose_not_allowed")
    assert post(api, MESSAGES, HELLO, token="wrong").status_code == 401
    assert redis.keys() == []


# --- died in the middle -----------------------------------------------------------------------------


def test_a_process_that_dies_does_not_hold_the_key_for_long(api, monkeypatch, redis):
    claimed = []
    real = idempotency._CLAIM

    def die_after_it(*args):
        claimed.append(real(*args))
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "_CLAIM", die_after_it)
        with pytest.raises(SystemExit):
            post(api, MESSAGES, HELLO)
    assert claimed == [[b"claimed", b""]]
    assert refusal(post(api, MESSAGES, HELLO)) == (409, "idempotency_in_progress")
    (record,) = records(redis)
    assert 0 < redis.pttl(record) <= idempotency.LEASE
    redis.delete(record)  # as if its time is over
    assert post(api, MESSAGES, HELLO).status_code == 202
    assert len(outbox) == 1


def test_one_that_took_too_long_leaves_the_answer_of_the_next(api, monkeypatch, redis):
    from sms import services

    monkeypatch.setattr(idempotency, "LEASE", 100)
    real = services.send
    answers: list[Any] = []

    def slow(*args, **options):
        if not answers:  # the first: its time runs out, and the caller asks again
            answers.append(None)
            time.sleep(0.15)
            answers.append(post(api, MESSAGES, HELLO))
        return real(*args, **options)

    monkeypatch.setattr(services, "send", slow)
    first = post(api, MESSAGES, HELLO)
    second = answers[1]
    assert (first.status_code, second.status_code) == (202, 202)
    assert_replay(second, post(api, MESSAGES, HELLO))


def test_one_that_took_too_long_and_was_not_asked_again_is_kept(api, monkeypatch):
    from sms import services

    monkeypatch.setattr(idempotency, "LEASE", 100)
    real = services.send

    def slow(*args, **options):
        time.sleep(0.15)
        return real(*args, **options)

    monkeypatch.setattr(services, "send", slow)
    assert_replay(post(api, MESSAGES, HELLO), post(api, MESSAGES, HELLO))
    assert len(outbox) == 1


def test_an_answer_stands_although_it_cannot_be_kept(api, monkeypatch, settings, redis):
    real = idempotency._SETTLE

    def settle(*args):
        point_cache_at(settings, "redis://127.0.0.1:9/0")  # it was sent; then Redis goes
        return real(*args)

    monkeypatch.setattr(idempotency, "_SETTLE", settle)
    assert post(api, MESSAGES, HELLO).status_code == 202
    assert len(outbox) == 1


# --- at rest ----------------------------------------------------------------------------------------


def test_nothing_readable_is_kept_and_not_for_ever(api, redis):
    bodies = []
    bodies.append(post(api, MESSAGES, HELLO, f"of {PHONE}").json())
    bodies.append(post(api, VERIFICATIONS, {"phone": PHONE}, "the second").json())
    assert len(records(redis)) == 2
    for record in records(redis):
        assert 24 * 3600 - 10 < redis.ttl(record) <= 24 * 3600
        text = repr((record, redis.hgetall(record)))
        for secret in (PHONE[1:], "0123", "•", "the second", "tests", *(body["id"] for body in bodies)):
            assert secret not in text


def test_a_claim_has_an_end(api, redis, monkeypatch):
    ttls: list[int] = []

    def look(*_, **__):
        ttls.extend(redis.pttl(record) for record in records(redis))
        raise Unavailable("away")

    monkeypatch.setattr("sms.services.send", look)
    assert post(api, MESSAGES, HELLO).status_code == 503
    (left,) = ttls
    assert 0 < left <= 30_000


def test_an_answer_that_opens_no_longer_is_not_sent_again(api, settings):
    post(api, MESSAGES, HELLO)
    settings.SMS_SEAL_KEYS = [Fernet.generate_key().decode(), *settings.SMS_SEAL_KEYS]
    assert post(api, MESSAGES, HELLO).status_code == 202  # the old key still opens
    settings.SMS_SEAL_KEYS = settings.SMS_SEAL_KEYS[:1]
    assert refusal(post(api, MESSAGES, HELLO)) == (409, "idempotency_answer_lost")
    assert len(outbox) == 1


# --- the header -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    ["", "x" * 256, "sch\xf6n", "a\tb", "\x7f", '"', '""', '"a', '"a"b', '"a", "b"', '"a";p=1', r'"a\b"'],
)
def test_a_malformed_key_is_refused_by_its_name(api, redis, key):
    response = post(api, MESSAGES, HELLO, key)
    assert refusal(response) == (400, "idempotency_key_invalid")
    assert response.json()["field"] == "Idempotency-Key"
    assert "Idempotency-Key" in response.json()["detail"]
    assert (redis.keys(), outbox) == ([], [])


@pytest.mark.parametrize("key", ["x", "x" * 255, "a,b", "a b", f'"{"x" * 253}"', "~!"])
def test_a_key_may_be_any_printable_ascii(api, key):
    assert post(api, MESSAGES, HELLO, key).status_code == 202


def test_a_key_on_what_does_not_send_is_ignored(api, redis):
    id = api.post(VERIFICATIONS, {"phone": PHONE}).json()["id"]
    for left in (2, 1):
        checked = post(api, f"{VERIFICATIONS}/{id}/check", {"code": "nope"})
        assert (checked.status_code, checked.json()["attempts_left"]) == (200, left)
    assert records(redis) == []


def test_without_redis_it_is_503(api, settings):
    point_cache_at(settings, "redis://127.0.0.1:9/0")
    assert refusal(post(api, MESSAGES, HELLO)) == (503, "unavailable")


def test_two_round_trips_and_none_without_the_header(api):
    def cost(**options) -> list[str]:
        with commands() as sent:
            assert post(api, MESSAGES, HELLO, **options).status_code == 202
        return sent

    cost(key="warm")
    plain = cost(key=None)
    assert cost(key="one") == [*plain, "EVALSHA", "EVALSHA"]
    assert cost(key="one") == ["EVALSHA"]
