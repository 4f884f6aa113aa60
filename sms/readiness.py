"""``/healthz`` and ``/readyz``: is this process alive, and can the whole pipeline send a message? If not,
since when?

Anyone may call ``/readyz`` as often as they like. So a separate thread asks the servers, at most once a
second. One request waits for that, and a few more if there is no answer yet. All others get the last answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import celery
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from sms import broker, broker_connections, names, probe, signs
from sms.errors import Unavailable

#: Seconds.
FRESH = 1.0  # for which an answer is reused as it is
STALE = 10.0  # for which an answer is still given while the next question is under way
PATIENCE = 1.0  # that a worker has to answer
LONGEST = 5.0  # that a request waits for the servers; parts that have not answered by then are ``unknown``

#: Requests that may wait at once: the web server needs its other threads.
WAITING = 2


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers at all."""
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 if Redis, the broker, a worker and beat answer and sweeps run, else 503.

    If only a further server or node does not answer, the status is ``degraded`` and the answer is 200 too: it
    refuses its share of the phones, and another process would refuse the same ones. The same holds for the
    first of several servers while another one has its hub.

    The body gives each part a word: ``ok``, ``away``, ``unknown`` or another of ``sms.away.REASONS``. It also
    says since when a part is away, if known, and when a worker ran its last sweep.
    """
    found = _questions.answer()
    wrong = {part for part, word in found.words.items() if word != "ok"}
    needed = set(signs.PARTS) - ({"redis"} if found.stands_in else set())
    ready = wrong.isdisjoint(needed)
    body = {
        "status": ("degraded" if wrong else "ok") if ready else "unready",
        **found.words,
        "since": {part: _time(since) for part, since in found.since.items()},
        "last_sweep": _time(found.last_sweep) if found.last_sweep else None,
    }
    return JsonResponse(body, status=200 if ready else 503)


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Answer:
    """The word of each part, and times in ms since the epoch."""

    words: dict[str, str] = field(default_factory=dict)
    since: Mapping[str, int] = field(default_factory=dict)
    last_sweep: int = 0
    stands_in: bool = False  # another server has the hub


class Questions:
    """The last answer, and the question that is under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for no question
        self._waiting = threading.BoundedSemaphore(WAITING)
        self._asking = threading.Thread()
        self._partly = Answer()
        self._answer = Answer()
        self._answered_at = -STALE
        self._memory = signs.Memory()

    def answer(self) -> Answer:
        """The present state of each part. Takes at most LONGEST seconds, and usually no time."""
        with self._lock:
            last, age = self._answer, time.monotonic() - self._answered_at
            if age < FRESH:
                return last
            asks = not self._asking.is_alive()
            if asks:
                self._partly = Answer(dict.fromkeys(signs.parts(), "unknown"))
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
        return replace(partly, words=dict(partly.words))

    def _ask(self, found: Answer) -> None:
        words, known = found.words, None
        try:
            known = signs.read()
            words |= {"redis": "ok", **known.words()}
            found.last_sweep = known.swept
        except Unavailable as error:
            words["redis"] = error.reason
        words |= _each_place()
        found.stands_in = known is not None and words["redis"] != "ok"
        try:
            broker.ask()
            words["broker"] = "cluster" if broker.is_cluster() else "ok"
            if words["broker"] == "ok":
                words["worker"] = "ok" if _worker_answers() else "away"
        except Unavailable as error:
            words["broker"] = error.reason
        found.since = self._memory.since(words, known)
        with self._lock:
            self._answer, self._answered_at = found, time.monotonic()


_questions = Questions()


def _each_place() -> dict[str, str]:
    """The words of all servers if there are several, or of the nodes of a cluster besides that of the hub.

    They are asked at once, as each may hang.
    """
    parts = probe.parts()
    if not parts:
        return {}
    try:
        places = probe.places()
    except Unavailable as error:
        return dict.fromkeys(parts, error.reason)
    if names.in_cluster():
        places = places[1:]
    words = dict.fromkeys(parts, "ok") | {place.part: "ok" for place in places}
    with ThreadPoolExecutor(max(len(places), 1)) as pool:
        for place, word in zip(places, pool.map(_word, places), strict=True):
            if word != "ok":
                words[place.part] = word
    return words


def _word(place: probe.Place) -> str:
    try:
        probe.redis(cell=place.cell, server=place.server)
    except Unavailable as error:
        return error.reason
    return "ok"


def _worker_answers() -> bool:
    """Whether a worker answers. Raises ``Unavailable`` if the broker does not accept the question."""
    app = celery.current_app
    # A separate connection: in a pooled one, the BRPOP of the last question is still open, and its late
    # answer would be read as the answer to another command (kombu 5.7). One worker is enough (limit).
    with broker_connections.or_unavailable(), app.connection_for_write() as connection:
        broker_connections.hurry(connection)
        return bool(app.control.inspect(timeout=PATIENCE, limit=1, connection=connection).ping())
