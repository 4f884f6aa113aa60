"""Is this process alive, and can the whole pipeline send a message right now?"""

from __future__ import annotations

import threading
import time

import celery
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from sms import broker, store
from sms.errors import Unavailable

#: Seconds. Asking the workers is a broadcast, so a crowd of askers shares one answer.
FRESH = 1.0

#: Seconds that a worker has to answer.
PATIENCE = 1.0

_lock = threading.Lock()
_last: tuple[float, dict[str, str]] = (-FRESH, {})


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers at all."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 if Redis, the broker and a worker answer, else 503; the body names each. ``cluster``: it is
    a Redis Cluster, which cannot work (see ``sms.checks``).
    """
    found = _ask()
    ready = all(word == "ok" for word in found.values())
    return JsonResponse({"status": "ok" if ready else "unready", **found}, status=200 if ready else 503)


def _ask() -> dict[str, str]:
    global _last
    with _lock:
        asked_at, found = _last
        if time.monotonic() - asked_at >= FRESH:
            found = {"redis": _redis(), "broker": _broker()}
            found["worker"] = _worker() if found["broker"] == "ok" else "unknown"
            _last = (time.monotonic(), found)
    return found


def _redis() -> str:
    try:
        return "cluster" if store.is_cluster() else "ok"
    except Unavailable:
        return "away"


def _broker() -> str:
    try:
        broker.require()
        return "cluster" if broker.is_cluster() else "ok"
    except Unavailable:
        return "away"


def _worker() -> str:
    app = celery.current_app
    try:
        # A connection of its own: a pooled one still has the BRPOP of the last question open, and
        # its late answer is read as that of another command (kombu 5.7). limit=1: the first worker
        # that answers is enough.
        with app.connection_for_write() as connection:
            broker.hurry(connection)
            answers = app.control.inspect(timeout=PATIENCE, limit=1, connection=connection).ping()
    except broker.AWAY:
        return "away"
    return "ok" if answers else "away"
