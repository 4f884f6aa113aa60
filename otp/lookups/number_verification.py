"""``OTP_CHALLENGE=otp.lookups.number_verification.is_own``: CAMARA's Number Verification as the challenge.

The operator tells whether the SIM in the user's phone has the number, and only the phone itself can show
that it has this SIM: by its own mobile connection, or by a token of TS.43 out of the operating system. No
call from a server to a server finds it out. So the app or the site gets a 3-legged access token (scope
``number-verification:verify``; one use, at most five minutes) and hands it over as ``challenge``; what is
done here is the call ``/verify`` with it. It keeps strangers from asking for codes for a number that is
somebody else's.

As with any challenge, a vendor that does not answer does not open the door: the start is answered 503, after
``verdict.DEADLINE`` at most. Nothing is cached, as each token is good for one call. Nothing is counted in
``per_day``: an operator charges for no token that it has not issued, and limits have let the start through.
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
