"""``OTP_CHALLENGE=otp.lookups.number_verification.is_own``: CAMARA's Number Verification as the challenge.

It keeps strangers from asking for codes for somebody else's number: the operator tells whether the SIM in the
user's phone has that number. Only the phone itself can show that it has this SIM, by its mobile connection or
by a TS.43 token from the operating system. No server can find it out. So the app or site gets a 3-legged
access token (scope ``number-verification:verify``, one use, at most five minutes) and passes it as
``challenge``. This module calls ``/verify`` with it.

As with any challenge, no answer means no code: if the vendor is silent, the start is answered 503 after at
most ``verdict.DEADLINE``. Nothing is cached, as each token is good for one call. Nothing is counted in
``per_day``: operators only charge for tokens that they issued, and the limits have let the start through.
"""

from __future__ import annotations

import time

from django.core.exceptions import ImproperlyConfigured

from otp.lookups import settings
from otp.lookups.camara import CamaraLookup
from otp.lookups.verdict import DEADLINE, Call
from sms.phone import Phone


def is_own(*, number: Phone, purpose: str, ip: str, answer: str) -> bool:
    """Whether ``answer`` is an access token for the SIM with this number.

    False if no camara:// look-up with ``number_verification=yes`` covers its country. Raises what
    ``CamaraLookup.is_number_of`` raises, and ``TooLate``.
    """
    verifying = [
        lookup
        for lookup in settings.configured().values()
        if isinstance(lookup, CamaraLookup) and lookup.verifies
    ]
    if not verifying:
        raise ImproperlyConfigured(
            "OTP_CHALLENGE is CAMARA's Number Verification, but no look-up of OTP_LOOKUPS has "
            "number_verification=yes. Write one: operator=camara://HOST?number_verification=yes."
        )
    operator = next((lookup for lookup in verifying if lookup.covers(number.country)), None)
    if operator is None or not answer:
        return False
    until = time.monotonic() + DEADLINE
    return Call(lambda: operator.is_number_of(answer, number.e164)).wait(until)
