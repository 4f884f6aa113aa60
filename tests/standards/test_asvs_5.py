"""OWASP ASVS 5.0, chapter V6, as far as it speaks of codes by SMS; through the HTTP API.

docs/standards.md has the table: statement, how it is met, which test shows it.
"""

from __future__ import annotations

import inspect
import math
import secrets
import time

import pytest

from otp import codes, purposes
from otp.api import access, keys
from otp.handler import OTPHandler
from sms import ids
from sms.testing import code_in, outbox
from tests.conftest import Api
from tests.settings import API_KEY
from tests.standards.conftest import wrong

PHONE, OTHER = "+12025550123", "+12025550124"
STARTS = "/v1/verifications"


def start(api, phone=PHONE, **fields):
    """The id and the code of a new verification."""
    answer = api.post(STARTS, {"phone": phone} | fields)
    assert answer.status_code == 202, answer.content
    return answer.json()["id"], code_in(outbox[-1].body)


def check(api, id, code):
    return api.post(f"{STARTS}/{id}/check", {"code": code}).json()["status"]


def test_6_3_8_valid_users_cannot_be_deduced(api):
    """From answers. From their time: `make bench ARGS="--only uniform"`."""
    new: list[object] = []
    seen: list[object] = []
    for answers in (new, seen):
        id, code = start(api)
        answer = api.get(f"{STARTS}/{id}").json()
        # Ids and times differ, their lengths must not.
        answers.append({name: len(str(value)) for name, value in answer.items()})
        assert check(api, id, code) == "valid"
    assert seen == new
    id, code = start(api, OTHER)
    api.delete(f"{STARTS}/{id}")
    gone = api.post(f"{STARTS}/{id}/check", {"code": code})
    never = api.post(f"{STARTS}/{ids.new()}/check", {"code": code})
    assert (gone.status_code, gone.json()) == (never.status_code, never.json())


def test_6_5_1_a_code_is_usable_only_once(api):
    id, code = start(api)
    assert check(api, id, code) == "valid"
    assert check(api, id, code) == "expired"


def test_6_5_3_codes_come_from_a_csprng():
    """Their seed is drawn by ``secrets``; what is made of it is HMAC-SHA256 under the secret key."""
    assert vars(ids)["secrets"] is secrets
    assert "random." not in inspect.getsource(codes) + inspect.getsource(ids)
    assert len({ids.new() for _ in range(10_000)}) == 10_000
    assert len(ids.new()) * 6 >= 128


def test_6_5_4_codes_have_20_bits():
    """ASVS counts six digits as 20 bits; they have 19.93."""
    for purpose in purposes.all_purposes().values():
        assert math.log2(purpose.codes) > 19.9


def test_6_5_5_codes_live_10_minutes_at_most(api, redis):
    for purpose in purposes.all_purposes().values():
        assert purpose.lifetime <= 600
        id, _ = start(api, purpose=purpose.name)
        assert 0 < redis.pttl(f"otp:verification:{id}") <= 600_000


@pytest.mark.parametrize("purpose", ["login", "signup", "payment"])
def test_6_6_1_the_message_tells_of_the_risk(api, purpose):
    """Alternatives, a number validated before, and the page that explains the risk are the integrator's."""
    start(api, purpose=purpose)
    assert "not share it" in outbox[-1].body


def test_6_6_2_a_code_is_bound_to_its_request(api, settings):
    """Neither an earlier nor a later request, nor another phone's or purpose's, takes it."""
    settings.OTP_PURPOSES = {"login": {"cooldown": 1}, "payment": {}}
    first, first_code = start(api)
    other, _ = start(api, OTHER)
    paid, _ = start(api, purpose="payment")
    time.sleep(1.05)
    second, second_code = start(api)
    assert check(api, first, first_code) == "expired"
    assert check(api, first, second_code) == "expired"
    for id in (other, paid):
        assert check(api, id, second_code if id != second else wrong(second_code)) == "invalid"
    if first_code != second_code:
        assert check(api, second, first_code) == "invalid"
    assert check(api, second, second_code) == "valid"


@pytest.mark.parametrize("words", ["verify", "verify,purpose:login", "verify,messages,read"])
def test_6_6_2_a_verification_is_bound_to_the_key_that_started_it(api, client, redis, settings, words):
    """To the key's name, as the key may be rotated. A verification of a page belongs to no key."""
    second, digest = keys.make()
    third, another = keys.make()
    settings.API_KEYS = {"tests": [keys.digest(API_KEY), another], "other": [digest]}
    settings.API_ACCESS = access.parse(f"tests={words};other={words}")
    twin, other = Api(), Api()
    twin.headers, other.headers = ({"Authorization": f"Bearer {key}"} for key in (third, second))
    id, code = start(api)
    at, never = f"{STARTS}/{id}", f"{STARTS}/{ids.new()}"
    calls = [lambda at: other.post(f"{at}/check", {"code": code}), lambda at: other.post(f"{at}/resend")]
    calls += [other.delete, *([] if "read" in words else [other.get])]
    before = redis.hgetall(f"otp:verification:{id}")
    for call in calls:
        foreign, nobodys = call(at), call(never)
        assert foreign.status_code == nobodys.status_code
        assert foreign.content.replace(at[-22:].encode(), never[-22:].encode()) == nobodys.content
    assert redis.hgetall(f"otp:verification:{id}") == before
    assert other.get(at).json()["status"] == ("pending" if "read" in words else "expired")
    assert check(twin, id, code) == "valid"

    client.post("/", {"phone": OTHER})
    (key,) = set(redis.keys("otp:verification:*")) - {f"otp:verification:{id}".encode()}
    assert check(api, key.decode().rpartition(":")[2], code_in(outbox[-1].body)) == "expired"
    answer = client.post("/code", {"code": code_in(outbox[-1].body)})
    assert answer["Location"] == "/done"


def test_6_6_3_a_day_of_guessing_is_under_100_guesses(clock):
    """A guesser who starts and guesses at one phone as often as the handler allows, without any limit."""
    guesses, end = 0, clock.now + 86_400
    while clock.now < end:
        issued = OTPHandler.generate_otp(PHONE)
        if issued.status != "issued":
            clock.advance(max(issued.retry_after, 1))
            continue
        while OTPHandler.verify_otp(PHONE, wrong(issued.code)).status == "invalid":
            guesses += 1
    assert 10 < guesses < 100


def test_6_1_1_a_stranger_without_the_id_cannot_use_up_the_attempts(api):
    """Guessing needs the id of a start, and a stranger's start has another one."""
    id, code = start(api)
    for guess in range(20):
        assert check(api, ids.new(), f"{guess:06}") == "expired"
    assert api.post(STARTS, {"phone": PHONE}).status_code == 429  # no second id while the cooldown runs
    assert api.get(f"{STARTS}/{id}").json()["attempts_left"] == 3
    assert check(api, id, code) == "valid"
