"""The device model."""

from __future__ import annotations

from typing import Any

from django.db import models
from django_otp.models import Device

from otp import services
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from otp.verification import Verification


class OtpostDevice(Device):  # type: ignore[misc]  # the package has no types
    """A phone that gets codes. Each code is a verification, with its lifetime, attempts and limits."""

    phone = models.CharField(max_length=32, help_text="In international form, such as +12025550123.")
    purpose = models.CharField(max_length=64, default="login", help_text="One of OTP_PURPOSES.")
    verification = models.CharField(max_length=32, blank=True, default="", editable=False)

    def generate_challenge(self) -> str:
        """Send a code, or the live one again. Returns a text for the user, also during a cooldown.

        Raises ``otp.errors.NotAllowed`` for a number that gets no code, ``RateLimited`` when a limit is
        reached, and ``StoreUnavailable`` without Redis. django-otp's forms show their texts.
        """
        try:
            sent = self._again() or services.start(self.phone, self.purpose)
        except RateLimited as error:
            if error.code != "pending":
                raise
            return str(error)
        self.verification = sent.id
        self.save(update_fields=["verification"])
        return f"A code was sent to {sent.masked}."

    def _again(self) -> Verification | None:
        """Send the live code again; None if there is none."""
        if not self.verification:
            return None
        try:
            return services.resend(self.verification)
        except NotAllowed as error:
            if error.field == "id":  # it is over
                return None
            raise

    def verify_is_allowed(self) -> tuple[bool, dict[str, Any] | None]:
        """False after too many wrong guesses, and while Redis does not answer."""
        try:
            blocked = services.status(self.verification).status == "blocked"
        except StoreUnavailable as error:
            return False, {"error_message": str(error)}
        if blocked:
            return False, {"error_message": "Too many wrong guesses. Ask for a new code."}
        return True, None

    def verify_token(self, token: str) -> bool:
        """Compare a guess with the code that was sent to this device. The right one is accepted once."""
        return bool(self.verification) and services.check(self.verification, token).status == "valid"
