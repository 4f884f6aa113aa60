"""Find a verification again by its phone, for whoever started it and did not learn its id.

On a slow line somebody presses a button once more, and the first answer is lost with the cookie that it set.
Who may find it again is a text of the caller's, such as a digest of the browser's secret; it stands sealed
beside the number.
"""

from __future__ import annotations

from hmac import compare_digest

from otp import digests, services, store
from otp.services import Verification
from sms import services as sms


def find(e164: str, purpose: str, holder: str) -> Verification | None:
    """The live verification of a phone that ``holder`` started. Raises ``StoreUnavailable``."""
    live = store.live(phones=digests.of_phone(e164, purpose))
    if not live.envelope:
        return None
    try:
        kept = sms.unseal(live.envelope.encode())
    except sms.Unsealable:
        return None
    if not holder or not compare_digest(kept.get("holder", ""), holder):
        return None
    found = services.status(live.id)
    return found if found.status == "pending" else None
