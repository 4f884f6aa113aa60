"""A gateway for django-two-factor-auth, which sends its codes by SMS or by a call.

    TWO_FACTOR_SMS_GATEWAY = "otp.contrib.two_factor.Gateway"
    TWO_FACTOR_CALL_GATEWAY = "otp.contrib.two_factor.Gateway"

The package makes the code from a secret and the time (TOTP), checks it and counts wrong guesses. Its
middleware ``two_factor.middleware.threadlocals.ThreadLocals`` lets limits count by the user's IP address,
too.
"""

from __future__ import annotations

from typing import Any

from two_factor.middleware.threadlocals import get_current_request

from otp import foreign
from otp.caller import NOBODY, caller_of
from sms.message import Channel

#: The least time, in seconds, for which a code is accepted. ``PhoneDevice.validate_token`` accepts the code
#: of this step of 30 s and of the five before it. When a code is made, its own step may be nearly over.
LIVES = 150


class Gateway:
    """The gateway for SMS and for calls. Subclass it to choose another ``purpose`` of ``OTP_PURPOSES``."""

    purpose = "login"

    def send_sms(self, device: Any, token: str) -> None:
        """Send ``token`` to ``device.number`` by the channels of the purpose.

        Raises what ``otp.foreign.send`` raises. The page that sets up a phone then says that it failed.
        """
        self._send(device, token)

    def make_call(self, device: Any, token: str) -> None:
        """Call ``device.number`` and say ``token``.

        Raises what ``send_sms`` raises, also if no provider can call.
        """
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
