"""The baseline: a one-time code on Django's cache, as such handlers are usually written.

A key is the HMAC-SHA256 of the phone, the code lies there in clear for 120 s, guesses are counted
in a second key, and every step is a command of its own. It is here to be timed: two requests at a
time can accept the same code twice.
"""

from __future__ import annotations

import hashlib
import hmac
import random
from typing import Literal

from django.conf import settings
from django.core.cache import cache

LIFETIME = 120
ATTEMPTS = 3


class DocumentOTPHandler:
    """``generate_otp`` takes two round trips, ``verify_otp`` two to five."""

    @classmethod
    def generate_otp(cls, phone_number: str) -> str:
        """A new code, or ``pending`` while one lives."""
        key = f"otp:{_digest(phone_number)}"
        if cache.get(key):
            return "pending"
        code = str(random.randint(10000, 99999))
        cache.set(key, code, LIFETIME)
        return code

    @classmethod
    def verify_otp(
        cls, phone_number: str, otp_code: str
    ) -> Literal["valid", "invalid", "expired", "blocked"]:
        """Count and check one guess."""
        digest = _digest(phone_number)
        key, attempts = f"otp:{digest}", f"otp_attempts:{digest}"
        cache.add(attempts, 0, LIFETIME)
        if cache.incr(attempts) > ATTEMPTS:
            return "blocked"
        code = cache.get(key)
        if code is None:
            return "expired"
        if code == otp_code:
            cache.delete(key)
            cache.delete(attempts)
            return "valid"
        return "invalid"


def _digest(phone_number: str) -> str:
    return hmac.new(settings.PHONE_SECRET_KEY.encode(), phone_number.encode(), hashlib.sha256).hexdigest()
