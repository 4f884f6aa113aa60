"""Who may object to a number before an SMS goes there: a challenge of the site, a receiver of a signal."""

from __future__ import annotations

from dataclasses import dataclass

from otp import digests, signals, store
from otp.admission import challenges, refusals, testnumbers
from otp.admission.limits import Counted
from otp.caller import Caller
from otp.handler import OTPHandler
from sms.phone import Phone


@dataclass(frozen=True, slots=True)
class Wanted:
    """A number that asks for a code, and what it gets."""

    number: Phone
    code: str = ""  # that of a test number
    withheld: str = ""  # why no SMS goes there, though nobody who asks shall see it


def hear(
    number: Phone, purpose: str, caller: Caller, counted: Counted, challenge: str | None = None
) -> Wanted:
    """Ask who may object to a number: the challenge, if it stands before this SMS, and the signal."""
    judged = signals.code_wanted.has_listeners(OTPHandler)
    challenged = challenge is not None and challenges.configured() is not None
    # Both may cost money, so they are not asked about what is refused anyway.
    if (judged or challenged) and (refused := store.peek(digests.of_phone(number.e164, purpose), counted)):
        refusals.raise_unless_issued(refused, number, purpose, caller)
    if challenge is not None:
        challenges.require(number, purpose, caller.ip, challenge)
    answers = signals.code_wanted.send_robust(OTPHandler, number=number, purpose=purpose, ip=caller.ip)
    refusal = any(answer == signals.REFUSE for _, answer in answers)
    code = testnumbers.code_of(number.e164)
    return Wanted(number, code, "test_number" if code else "refused" if refusal else "")
