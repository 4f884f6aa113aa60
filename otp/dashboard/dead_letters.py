"""Dead letters: list them, and send those again that have not expired."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from otp.api.access import Access
from otp.api.auth import keeper
from otp.dashboard.door import FINE, WRONG, acts, looks, note_act, say, shown
from otp.dashboard.words import Moment, moment_of
from otp.pages.words import Left
from sms import services as sms
from sms.errors import Unavailable
from sms.message import Message

#: How many are shown: the latest.
MOST = 100

#: The result of a replay.
_SAID = {
    "again": "It is on its way again.",
    "gone": "It can no longer be sent: it has expired, was cancelled, or was sent again already.",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as the page shows it."""

    message: Message
    accepted: Moment
    given_up: Moment
    left: Left  # until it expires

    @property
    def why(self) -> str:
        if self.message.waits_for_key:
            return "no key of SMS_SEAL_KEYS opens it"
        return f"no provider took it; last error: {self.message.error or 'none'}"


@looks
def dead_letters(request: HttpRequest, access: Access, now: float) -> HttpResponse:
    """Show the latest that the key may see."""
    try:
        letters = [
            Letter(
                message,
                moment_of(message.created_at),
                moment_of(message.given_up_at),
                Left.until(message.expires_at, now),
            )
            for message in sms.dead_letters(MOST)
            if keeper.sees(access, message.purpose)
        ]
    except Unavailable:
        return shown(request, access, "dead_letters", {"away": True}, 503)
    return shown(request, access, "dead_letters", {"letters": letters, "most": MOST})


@acts
def replay(request: HttpRequest, access: Access) -> HttpResponse:
    """Send one again."""
    found = sms.dead_letter(request.POST.get("id", ""))
    may = found is not None and keeper.sees(access, found.purpose)
    said = "again" if found and may and sms.replay(found.id) else "gone"
    note_act("replay", said, message_id=found.id if found and may else "")
    response = HttpResponseRedirect(reverse("dashboard:dead_letters"), status=303)
    say(response, _SAID[said], tone=FINE if said == "again" else WRONG)
    return response
