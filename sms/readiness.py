"""Is this process alive, and can the whole pipeline send a message right now?

Anybody may ask ``/readyz`` as often as they like. So the servers are asked once a second at most, in a thread
of its own: one request waits for it, and few others where there is no answer yet; all the rest get the last.
"""

from __future__ import annotations

import threading
import time

import celery
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from sms import broker, probe
from sms.errors import Unavailable

#: Seconds.
FRESH = 1.0  # an answer is as good as a new one
STALE = 10.0  # an answer is given while the next question is under way
PATIENCE = 1.0  # a worker has to answer
LONGEST = 5.0  # a request waits for the servers; what has not answered by then is ``unknown``

#: Requests that may wait at once: the web server needs its other threads.
WAITING = 2

PARTS = ("redis", "broker", "worker", "beat")


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers at all."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 if Redis, the broker, a worker and beat answer, else 503; the body names each: ``ok``, ``away``,
    ``unknown``, or another of ``sms.away.REASONS``.
    """
    found = _questions.answer()
    ready = all(found[part] == "ok" for part in PARTS)
    return JsonResponse({"status": "ok" if ready else "unready", **found}, status=200 if ready else 503)


class Questions:
    """The last answer, and the question that is under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for no question
        self._waiting = threading.BoundedSemaphore(WAITING)
        self._asking = threading.Thread()
        self._partly: dict[str, str] = {}
        self._answer: dict[str, str] = {}
        self._answered_at = -STALE

    def answer(self) -> dict[str, str]:
        """The word of each part. Takes LONGEST at most, and mostly no time."""
        with self._lock:
            last, age = self._answer, time.monotonic() - self._answered_at
            if age < FRESH:
                return last
            asks = not self._asking.is_alive()
            if asks:
                self._partly = dict.fromkeys(PARTS, "unknown")
                self._asking = threading.Thread(target=self._ask, args=(self._partly,), daemon=True)
                self._asking.start()
            asking, partly = self._asking, self._partly
        if not asks and age < STALE:
            return last
        if self._waiting.acquire(blocking=False):
            try:
                asking.join(LONGEST)
            finally:
                self._waiting.release()
        return dict(partly)

    def _ask(self, found: dict[str, str]) -> None:
        try:
            found["beat"] = "ok" if probe.redis() else "away"
            found["redis"] = "ok"
        except Unavailable as error:
            found["redis"] = error.reason
        try:
            broker.ask()
            found["broker"] = "cluster" if broker.is_cluster() else "ok"
            if found["broker"] == "ok":
                found["worker"] = "ok" if _worker_answers() else "away"
        except Unavailable as error:
            found["broker"] = error.reason
        with self._lock:
            self._answer, self._answered_at = found, time.monotonic()


_questions = Questions()


def _worker_answers() -> bool:
    """Raises ``Unavailable`` if the broker does not take the question, which is more than ``broker.ask``."""
    app = celery.current_app
    # A connection of its own: a pooled one still has the BRPOP of the last question open, and its late
    # answer is read as that of another command (kombu 5.7). limit=1: one worker is enough.
    with broker.or_unavailable(), app.connection_for_write() as connection:
        broker.hurry(connection)
        return bool(app.control.inspect(timeout=PATIENCE, limit=1, connection=connection).ping())
