"""One user: the story of the codes and messages of a number, a reference or an id.

The search is a POST, so that no URL holds what was searched for. The answer does not repeat it.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from otp import conf
from otp.api.access import Access
from otp.api.auth import keeper
from otp.dashboard.door import looks, shown
from sms import told
from sms.errors import InvalidNumber, Unavailable

_AWAY = "Redis does not answer, so nothing can be shown."


@looks
def user(request: HttpRequest, access: Access, _: float) -> HttpResponse:
    """Search, and show every story that the key may see."""
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
