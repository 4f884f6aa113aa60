"""A gateway for django-two-factor-auth: its codes by SMS or as a call.

    TWO_FACTOR_SMS_GATEWAY = "otp.contrib.two_factor.Gateway"
    TWO_FACTOR_CALL_GATEWAY = "otp.contrib.two_factor.Gateway"

The package makes the code out of a secret and the time (TOTP), checks it and counts wrong guesses. With its
``two_factor.middleware.threadlocals.ThreadLocals`` limits count by the user's address too.
"""

from __future__ import annotations

from typing import Any

from two_factor.middleware.threadlocals import get_current_request

from otp import foreign
from otp.caller import NOBODY, caller_of
from sms.message import Channel

#: Seconds that a code is taken for at least: its own 30 s and five more steps, of which the first may be all
#: but over when it is made (``PhoneDevice.validate_token``).
LIVES = 150


class Gateway:
    """Both of its gateways. Subclass it to choose another ``purpose`` of ``OTP_PURPOSES``."""

    purpose = "login"

    def send_sms(self, device: Any, token: str) -> None:
        """Send ``token`` to ``device.number``, by SMS or whatever other channel the purpose has.

        Raises what ``otp.foreign.send`` does: while a phone is set up, the page says that it did not work.
        """
        self._send(device, token)

    def make_call(self, device: Any, token: str) -> None:
        """Call ``device.number`` and say ``token``. Raises as above, and always where no provider calls."""
        self._send(device, token, Channel.VOICE)

    def _send(self, device: Any, token: str, *by: Channel) -> None:
        request = get_current_request()
        foreign.send(
            device.number,
            token,
            self.purpose,
            lives=LIVES,
            by=by,
            caller=caller_of(request) if request else NOBODY,
        )
