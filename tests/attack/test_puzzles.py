"""Attempts to make one puzzle count twice, or an easier one count at all."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from otp import services
from otp.challenges import altcha
from otp.errors import NotAllowed
from sms.testing import outbox
from tests.otp.admission.calls import PHONE, numbers
from tests.otp.challenges.answers import QUICK, asked, solved


@pytest.fixture(autouse=True)
def always(settings):
    settings.OTP_CHALLENGE = altcha.PATH
    settings.OTP_ALTCHA = QUICK | {"hot": 0}


def test_an_answer_counts_once():
    answer = solved(asked(PHONE))
    services.start(PHONE, challenge=answer)
    asked("+12025550124", challenge=answer)
    assert len(outbox) == 1


def test_of_two_starts_with_one_answer_one_goes_out():
    answer = solved(asked(PHONE))
    barrier = Barrier(8)

    def start(phone):
        barrier.wait()
        try:
            services.start(phone, challenge=answer)
        except NotAllowed as error:
            return error.code
        return "sent"

    with ThreadPoolExecutor(8) as pool:
        said = sorted(pool.map(start, numbers(8)))
    assert said == ["challenge_required"] * 7 + ["sent"]


def changed(answer: str, *path: str, to: object) -> str:
    """An answer with another value somewhere."""
    payload = json.loads(base64.b64decode(answer))
    place = payload
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    return base64.b64encode(json.dumps(payload).encode()).decode()


FORGED: dict[str, tuple[object, ...]] = {
    "another key": ("solution", "derivedKey", "00" * 32),
    "no key": ("solution", "derivedKey", None),
    "a later end": ("challenge", "parameters", "expiresAt", 2**40),
    "no end": ("challenge", "parameters", "expiresAt", None),
    "less work": ("challenge", "parameters", "cost", 1),
    "another prefix": ("challenge", "parameters", "keyPrefix", "00"),
    "another nonce": ("challenge", "parameters", "nonce", "00" * 16),
    "another signature": ("challenge", "signature", "00" * 32),
    "no signature": ("challenge", "signature", None),
    "no puzzle": ("challenge", []),
    "no parameters": ("challenge", "parameters", "x"),
    "no solution": ("solution", 5),
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_a_forged_answer_is_none(change):
    *path, to = change
    answer = changed(solved(asked(PHONE)), *path, to=to)
    asked(PHONE, challenge=answer)


@pytest.mark.parametrize("answer", ["x", "é", "bnVsbA==", "W10=", "\udc80", "NQ==", "W1tb" * 1000])
def test_what_is_no_answer_is_none(answer):
    asked(PHONE, challenge=answer)
