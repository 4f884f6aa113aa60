"""A refused request leaves nothing in Redis that lasts. Otherwise its sender could fill Redis."""

from __future__ import annotations

from typing import Any

import pytest

from otp import services
from otp.api import access
from otp.caller import Caller
from otp.errors import RateLimited
from otp.handler import OTPHandler

PHONE, OTHER = "+12025550123", "+12025550124"
VERIFICATIONS, MESSAGES = "/v1/verifications", "/v1/messages"


def content(redis) -> dict[bytes, bytes]:
    """Every key and what it holds, but the tally."""
    return {key: redis.dump(key) for key in redis.scan_iter() if not key.startswith(b"sms:tally:")}


def refuse(**_):
    return False


#: Each kind of refusal: path, body and headers of a request, the status of its answer, and settings.
REFUSALS: dict[str, tuple[str, Any, dict[str, str], int, dict[str, Any]]] = {
    "no key": (VERIFICATIONS, {"phone": OTHER}, {"Authorization": ""}, 401, {}),
    "a wrong key": (MESSAGES, {"to": OTHER, "body": "x"}, {"Authorization": "Bearer wrong"}, 401, {}),
    "no scope": (MESSAGES, {"to": OTHER, "body": "x"}, {}, 403, {"API_ACCESS": "tests=verify"}),
    "no purpose": (VERIFICATIONS, {"phone": OTHER}, {}, 403, {"API_ACCESS": "tests=verify,purpose:signup"}),
    "an address": (VERIFICATIONS, {"phone": OTHER, "client_ip": "192.0.2.1"}, {}, 403, {}),
    "a challenge": (VERIFICATIONS, {"phone": OTHER}, {}, 403, {"OTP_CHALLENGE": f"{__name__}.refuse"}),
    "no JSON": (VERIFICATIONS, "{", {}, 400, {}),
    "too large": (MESSAGES, "x" * 17_000, {}, 413, {}),
    "an unknown field": (VERIFICATIONS, {"phone": OTHER, "x": 1}, {}, 422, {}),
    "a field that is missing": (MESSAGES, {"to": OTHER}, {}, 422, {}),
    "no number": (VERIFICATIONS, {"phone": "911"}, {}, 422, {}),
    "no purpose of that name": (VERIFICATIONS, {"phone": OTHER, "purpose": "x"}, {}, 422, {}),
    "no destination": (VERIFICATIONS, {"phone": OTHER}, {}, 422, {"SMS_DESTINATIONS": ["GB"]}),
    "no route": (VERIFICATIONS, {"phone": OTHER}, {}, 422, {"SMS_ROUTES": {"GB": "test"}}),
    "no route of a message": (MESSAGES, {"to": OTHER, "body": "x"}, {}, 422, {"SMS_ROUTES": {"GB": "test"}}),
    "no text": (MESSAGES, {"to": OTHER, "body": " "}, {}, 422, {}),
    "too soon": (VERIFICATIONS, {"phone": PHONE}, {}, 429, {}),
    "a limit": (VERIFICATIONS, {"phone": OTHER}, {}, 429, {"OTP_LIMITS": "all=1/1h"}),
    "a resend of nothing": (f"{VERIFICATIONS}/{'x' * 22}/resend", None, {}, 409, {}),
    "a check of nothing": (f"{VERIFICATIONS}/{'x' * 22}/check", {"code": "123456"}, {}, 200, {}),
    "a receipt of nobody": ("/v1/receipts/nobody", {}, {}, 404, {}),
    "a user's message of nobody": ("/v1/inbound/nobody", {}, {}, 404, {}),
    "a forged message of a user": ("/v1/inbound/test", {}, {}, 403, {}),
}


@pytest.mark.parametrize("kind", REFUSALS)
@pytest.mark.parametrize("idempotent", [False, True], ids=["", "with an Idempotency-Key"])
def test_a_refused_request_leaves_nothing(api, settings, redis, kind, idempotent):
    path, body, headers, status, changed = REFUSALS[kind]
    settings.OTP_LIMITS = "all=1/1h"
    assert api.post(VERIFICATIONS, {"phone": PHONE}).status_code == 202
    settings.OTP_LIMITS = "off"
    for name, value in changed.items():
        setattr(settings, name, access.parse(value) if name == "API_ACCESS" else value)
    before = content(redis)
    api.headers |= headers | ({"Idempotency-Key": kind} if idempotent else {})
    for _ in range(2):
        assert api.post(path, body).status_code == status
    assert content(redis) == before


def test_what_the_guard_refuses_is_counted_where_its_range_is(api, settings, redis):
    """For the eyes of the operator: a refusal makes no key of its own, but the one for all of them."""
    settings.GUARD_MODE, settings.GUARD_FIGURES = "enforce", {"fine": (2, 9, 9), "strict": 2}
    for number in range(2):
        assert api.post(VERIFICATIONS, {"phone": f"+1202555{number + 200:04}"}).status_code == 202
    before = set(redis.scan_iter())
    for number in range(5):
        answer = api.post(VERIFICATIONS, {"phone": f"+1202555{number + 300:04}"})
        assert (answer.status_code, answer.json()["code"]) == (429, "guard")
    assert set(redis.scan_iter()) - before == {b"otp:guard-over"}


@pytest.mark.usefixtures("one_list")
@pytest.mark.parametrize("limits", ["off", "phone=5/10m;ip=20/10m;phone-ip=7/1d", "all=9/1h+9;key=9/1h"])
def test_what_would_be_sent_too_late_leaves_nothing(api, settings, redis, limits):
    """503 ``overloaded``: the start is undone, in the limits and in the counts of the guard too."""
    settings.OTP_LIMITS, settings.GUARD_MODE = limits, "shadow"
    settings.API_ACCESS = access.parse("tests=verify,messages,client_ip")
    redis.zadd("sms:waiting:otp", {f"stuck-{number}": number + 1 for number in range(100)})
    before = content(redis)
    for ip in ("198.51.100.7", "2001:db8::1"):
        answer = api.post(VERIFICATIONS, {"phone": OTHER, "client_ip": ip})
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert content(redis) == before


@pytest.mark.usefixtures("one_list")
def test_a_start_that_is_undone_leaves_what_counted_before_it(api, settings, redis):
    settings.OTP_LIMITS, settings.GUARD_MODE = "all=9/1h+9;phone=9/1h", "shadow"
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    assert api.post(VERIFICATIONS, {"phone": PHONE}).status_code == 202
    before = {key: redis.dump(key) for key in redis.scan_iter("otp:guard*")}
    full, listed = float(redis.get("otp:limit:all:9/3600+9:all")), _windows(redis)
    redis.zadd("sms:waiting:otp", {f"stuck-{number}": number + 1 for number in range(100)})
    assert api.post(VERIFICATIONS, {"phone": PHONE}).status_code == 503
    assert {key: redis.dump(key) for key in redis.scan_iter("otp:guard*")} == before
    assert float(redis.get("otp:limit:all:9/3600+9:all")) == pytest.approx(full, abs=1)
    assert _windows(redis) == listed


def _windows(redis) -> list[list[bytes]]:
    return [redis.lrange(key, 0, -1) for key in redis.scan_iter("otp:limit:phone*")]


def test_a_guess_that_is_not_compared_leaves_nothing(settings, redis):
    settings.OTP_GUESS_LIMITS = "ip=1/1h"
    caller = Caller(ip="198.51.100.7")
    one, two = (OTPHandler.generate_otp(phone).id for phone in (PHONE, OTHER))
    services.check(one, "nope", caller=caller)
    before = content(redis)
    for _ in range(3):
        with pytest.raises(RateLimited):
            services.check(two, "nope", caller=caller)
    assert content(redis) == before


def test_the_pages_leave_nothing_of_what_they_refuse(client, settings, redis):
    settings.SMS_DESTINATIONS = ["GB"]
    for phone in ("", "x", "911", PHONE):
        assert client.post("/", {"phone": phone}).status_code == 422
    assert client.post("/code", {"code": "123456"}).status_code == 303
    assert client.post("/resend").status_code == 303
    assert content(redis) == {}
