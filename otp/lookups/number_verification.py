"""``OTP_CHALLENGE=otp.lookups.number_verification.is_own``: CAMARA's Number Verification as the challenge.

The operator knows whether the SIM in the user's phone has the number. Only the phone itself can prove that it
has this SIM, by its mobile connection or by a TS.43 token of the operating system; a server cannot. So the
app or the site obtains a 3-legged access token (scope ``number-verification:verify``, one use, at most five
minutes) and sends it as ``challenge``. This module calls ``/verify`` with it. Strangers then cannot request
codes for somebody else's number.

As with any challenge, the start fails if the vendor does not answer: it gets 503, after at most
``verdict.DEADLINE``. Nothing is cached, because each token is good for one call. ``per_day`` does not count
these calls: the operator only charges for tokens that it has issued, and limits have let the start through.
"""

from __future__ import annotations

import time

from django.core.exceptions import ImproperlyConfigured

from otp.lookups import settings
from otp.lookups.camara import CamaraLookup
from otp.lookups.verdict import DEADLINE, Call
from sms.phone import Phone


def is_own(*, number: Phone, purpose: str, ip: str, answer: str) -> bool:
    """Whether ``answer`` is an access token for the SIM that has this number.

    False where no camara:// look-up with ``number_verification=yes`` covers its country. Raises what the call
    does, and ``TooLate``.
    """
    verifying = [
        lookup
        for lookup in settings.configured().values()
        if isinstance(lookup, CamaraLookup) and lookup.verifies
    ]
    if not verifying:
        raise ImproperlyConfigured(
            "OTP_CHALLENGE is CAMARA's Number Verification, and no look-up of OTP_LOOKUPS has "
            "number_verification=yes. Write one: operator=camara://HOST?number_verification=yes."
        )
    operator = next((lookup for lookup in verifying if lookup.covers(number.country)), None)
    if operator is None or not answer:
        return False
    until = time.monotonic() + DEADLINE
    return Call(lambda: operator.is_number_of(answer, number.e164)).wait(until)
