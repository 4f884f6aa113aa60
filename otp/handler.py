"""``OTPHandler``: the rules of a code as one class. No HTTP, no Celery, no SMS.

    issued = OTPHandler.generate_otp("+12025550123")   # deliver issued.code to the user yourself
    checked = OTPHandler.verify_otp("+12025550123", "123456")
    if checked.status == "valid": ...

Each transition is one script in Redis, so races cannot break the rules: one live code per phone and purpose,
at most ``attempts`` guesses compared, and a right code accepted once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from otp import digests, purposes, store
from otp.digests import of_phone
from otp.purposes import Purpose
from otp.results import ALONE, MESSAGES, Check, Draft, Issue, Live, Sending
from sms import given

__all__ = ["MESSAGES", "Check", "Issue", "OTPHandler", "repeat"]


class OTPHandler:
    """Make, check, repeat and cancel one-time codes. Call the methods on the class.

    ``phone_number``: E.164, any spelling that ``PHONE_REGION`` makes unambiguous, or a
    ``phonenumbers.PhoneNumber``. ``purpose``: a name in ``OTP_PURPOSES``.

    All methods raise ``sms.errors.InvalidNumber`` for a number that cannot be parsed, ``KeyError`` for an
    unknown purpose, and ``otp.errors.StoreUnavailable`` without Redis.
    """

    @classmethod
    def generate_otp(cls, phone_number: given.Number, purpose: str = "login") -> Issue:
        """Issue a code, unless the cooldown of the last one runs. Replaces a live code. One round trip."""
        rules, phones = purposes.get(purpose), of_phone(phone_number, purpose)
        return store.start(rules, phones, digests.draw(rules, phones))

    @classmethod
    def verify_otp(cls, phone_number: given.Number, otp_code: str, purpose: str = "login") -> Check:
        """Check one guess and count it. A right code is accepted once. One round trip.

        These guesses have their own ``attempts``: if strangers use them up, the code can still be checked
        by its id. Raises ``NotAllowed`` (``code_missing``) if the code is not a string, which does
        not count as a guess.
        """
        phones = of_phone(phone_number, purpose)
        return store.verify(digests.of_guess(otp_code, phones=phones), phones=phones)

    @classmethod
    def resend(cls, phone_number: given.Number, purpose: str = "login", *, id: str = "") -> Issue:
        """Issue the live code again under the same id, or a new one with ``new_code_on_resend``.

        The attempts left do not change. ``id``: do this only if it is still the phone's newest verification.
        Two round trips.
        """
        rules, phones = purposes.get(purpose), of_phone(phone_number, purpose)
        live = store.live(id=id) if id else store.live(phones=phones)
        return repeat(rules, phones, live, by="by_id" if id else "by_phone")

    @classmethod
    def cancel(cls, phone_number: given.Number, purpose: str = "login") -> bool:
        """Cancel the live code. True if there was one. Its cooldown stays."""
        return store.cancel(phones=of_phone(phone_number, purpose)) is not None


def repeat(
    rules: Purpose,
    phones: Sequence[str],
    live: Live,
    *,
    by: str,
    code: str = "",
    instead_of: str = "",
    prepare: Callable[[Draft, float], Sending] = lambda draft, most: ALONE,
) -> Issue:
    """Issue the live code, or a new one, once more, unless something refuses. One round trip.

    ``by``: how the caller names the verification, ``by_id`` or ``by_phone``. ``code``: of a test number.
    ``instead_of``: see ``store.resend``. ``prepare``: called with the code and the seconds that it may live;
    returns what to send with it.
    """
    if live.status != "pending":
        return Issue.refused("blocked" if live.status == "blocked" else "expired")
    fresh = rules.new_code_on_resend and not instead_of
    draft = digests.draw(rules, phones, live.id, code) if fresh else digests.again(rules, live, code)
    if draft is None:
        return Issue.refused("expired")
    ends_at = live.expires_at if instead_of else live.created_at + rules.longest_life
    sending = prepare(draft, rules.longest_life if fresh else ends_at - live.now)
    return store.resend(rules, phones, draft, sending, by=by, instead_of=instead_of)
