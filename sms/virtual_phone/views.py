"""The virtual phone: keeps the messages of the sandbox provider and shows them.

They are in clear, in the memory of one process. So these URLs only exist if DEBUG is on and
``SMS_PROVIDERS`` names a sandbox.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from sms import registry
from sms.errors import ReceiptRejected
from sms.providers.sandbox import SandboxProvider

MOST = 20  # messages that are kept
LONGEST_WAIT = 20  # seconds that a request may wait for a message
MOST_WAITING = 16  # requests that may wait at once: each holds a thread of the web server


@dataclass(frozen=True, slots=True)
class Shown:
    """One message on the virtual phone; ``at``: seconds since the epoch."""

    seq: int
    to: str = field(repr=False)
    body: str = field(repr=False)
    channel: str
    at: float


class Inbox:
    """The newest messages, and a way to wait for the next one."""

    def __init__(self) -> None:
        self._messages: deque[Shown] = deque(maxlen=MOST)
        self._changed = threading.Condition()
        self._last = self._waiting = 0

    def put(self, to: str, body: str, channel: str = "sms") -> None:
        """Keep one more message, and wake all waiting requests."""
        with self._changed:
            self._last += 1
            self._messages.append(Shown(self._last, to, body, channel, time.time()))
            self._changed.notify_all()

    def after(self, seq: int, wait: float = 0) -> list[Shown]:
        """The messages after number ``seq``. If there are none, wait up to ``wait`` seconds for one."""
        with self._changed:
            if seq > self._last:
                seq = 0  # the page has a number of an earlier process
            if self._waiting < MOST_WAITING:
                self._waiting += 1
                self._changed.wait_for(lambda: self._last > seq, timeout=wait)
                self._waiting -= 1
            return [message for message in self._messages if message.seq > seq]


inbox = Inbox()


def urls() -> list[URLPattern]:
    """The phone's URLs for a URLconf. None if there must be no virtual phone."""
    if not settings.DEBUG or not _sandboxes():
        return []
    return [path("", page), path("messages", messages, name="virtual_phone")]


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The phone on its own page. It gets new messages from ``messages``."""
    return render(request, "sms/virtual_phone.html")


@csrf_exempt
@login_not_required
@cache_control(no_store=True)
@require_http_methods(["GET", "POST"])
def messages(request: HttpRequest) -> HttpResponse:
    """``POST`` from the worker: {"id", "to", "body", "channel"}. ``GET ?after=SEQ&wait=SECONDS`` from the
    page.
    """
    return _take(request) if request.method == "POST" else _show(request)


def _take(request: HttpRequest) -> HttpResponse:
    if not _holds_a_token(request):
        return JsonResponse({"detail": "The token is wrong."}, status=403)
    with suppress(ValueError):
        match json.loads(request.body):
            case {"to": str(to), "body": str(body), "channel": str(channel)}:
                inbox.put(to, body, channel)
                return HttpResponse(status=204)
    return JsonResponse({"detail": 'Send {"id", "to", "body", "channel"} as JSON.'}, status=400)


def _show(request: HttpRequest) -> HttpResponse:
    try:
        after, wait = (int(request.GET.get(name, 0)) for name in ("after", "wait"))
    except ValueError:
        return JsonResponse({"detail": "after and wait must be whole numbers."}, status=400)
    found = inbox.after(after, min(max(wait, 0), LONGEST_WAIT))
    return JsonResponse({"messages": [asdict(message) for message in found]})


def _holds_a_token(request: HttpRequest) -> bool:
    for provider in _sandboxes():
        with suppress(ReceiptRejected):
            provider.authenticate(request.headers)
            return True
    return False


def _sandboxes() -> list[SandboxProvider]:
    with suppress(ImproperlyConfigured):  # a system check reports the fault
        return [p for p in registry.providers().values() if isinstance(p, SandboxProvider)]
    return []
