"""However many requests race: one code, one winner. Real threads, a real server."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from otp.handler import OTPHandler

THREADS = 32
ROUNDS = 10


def at_once(call):
    """Run ``call`` in THREADS threads that start together; any exception surfaces."""
    barrier = Barrier(THREADS)

    def run(number):
        barrier.wait()
        return call(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_one_code_is_issued(round_):
    phone = f"+1202555{round_:04d}"
    answers = Counter(answer.status for answer in at_once(lambda _: OTPHandler.generate_otp(phone)))
    assert answers == {"issued": 1, "pending": THREADS - 1}


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_right_code_is_accepted_once(round_):
    phone = f"+1202555{round_:04d}"
    code = OTPHandler.generate_otp(phone).code
    answers = Counter(answer.status for answer in at_once(lambda _: OTPHandler.verify_otp(phone, code)))
    assert answers == {"valid": 1, "expired": THREADS - 1}


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_three_wrong_guesses_are_compared(round_):
    phone = f"+1202555{round_:04d}"
    code = int(OTPHandler.generate_otp(phone).code)
    guesses = at_once(lambda n: OTPHandler.verify_otp(phone, f"{(code + 1 + n) % 10**6:06d}"))
    assert Counter(answer.status for answer in guesses) == {"invalid": 3, "blocked": THREADS - 3}
    assert sorted(answer.attempts_left for answer in guesses)[-3:] == [0, 1, 2]


def test_everything_at_once_raises_nothing():
    """Starts, checks, resends and cancels of one phone in any order."""
    phone = "+12025550123"
    calls = (
        lambda: OTPHandler.generate_otp(phone),
        lambda: OTPHandler.verify_otp(phone, "000000"),
        lambda: OTPHandler.resend(phone),
        lambda: OTPHandler.cancel(phone),
    )
    for _ in range(ROUNDS):
        at_once(lambda n: calls[n % 4]())
