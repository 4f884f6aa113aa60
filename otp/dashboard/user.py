"""One user: what became of the codes and messages of a number, a reference or an id, in words.

What is looked for is posted, so that it stands in no address, and the answer does not repeat it.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from otp import conf
from otp.api.access import Access
from otp.api.auth import keeper
from otp.dashboard.door import looks, shown
from sms import told
from sms.errors import InvalidNumber, Unavailable

_AWAY = "Redis does not answer, and without it there is nothing to see."


@looks
def user(request: HttpRequest, access: Access, _: float) -> HttpResponse:
    """Ask whom it is about; tell all that the key may see."""
    common = {"hours": conf.get("MESSAGE_RECORD_HOURS")}
    if request.method != "POST":
        return shown(request, access, "user", common)
    try:
        found = told.look(request.POST.get("what", ""), by=access.name)
    except InvalidNumber as error:
        return shown(request, access, "user", common | {"error": error.detail}, 422)
    except Unavailable:
        return shown(request, access, "user", common | {"error": _AWAY}, 503)
    stories = [story for story in found if keeper.sees(access, story.first.purpose)]
    return shown(request, access, "user", common | {"asked": True, "stories": stories})
