"""The cost of counting events, and of keeping the story of each message."""

from __future__ import annotations

import functools
import hashlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from unittest.mock import patch

from django.test import override_settings
from django_redis import get_redis_connection

from sms.names import FOUND_BY, STORY, TALLY
from sms.scripts import Script

from .report import Goal, Measure
from .surroundings import Surroundings

#: The parts of the scripts that count and tell, and their replacements for a run without counts.
_COUNTING = {
    "local function tally(": "local function tally() end\nlocal function tally_as_it_is(",
    "local function timed(": "local function timed() end\nlocal function timed_as_it_is(",
    "local function tell_story(": "local function tell_story() end\nlocal function tell_story_as_it_is(",
    "in ipairs(message.found_by) do": "in ipairs({}) do",
}

#: Starts and SMS of one turn. The machine's mood changes within seconds, so the other side comes right after.
TURN = 20

phones = map("+1{}".format, itertools.count(2_032_550_000))


def cost(bench: Surroundings) -> Iterator[Measure]:
    """CPU of this process and of Redis for a start, and for an SMS that a worker hands over."""
    sides: dict[bool, Callable[[], AbstractContextManager[None]]] = {True: nullcontext, False: _uncounted}
    found: dict[bool, list[tuple[float, float]]] = {counted: [] for counted in sides}
    with override_settings(OTP_LIMITS="off"), bench.provider.answering_after(0):
        for counted, side in sides.items():  # loads the scripts
            get_redis_connection().flushdb()
            with side():
                spend(TURN)
            if counted != any(get_redis_connection().keys(f"{of}*") for of in (TALLY, STORY, FOUND_BY)):
                raise RuntimeError("The scripts count under other names than _COUNTING knows.")
        for number in (turns := bench.rounds(301)):
            if number % 50 == 0:
                bench.say(f"counting, round {number + 1} of {len(turns)}")
                get_redis_connection().flushdb()
            for counted in sorted(sides, reverse=bool(number % 2)):
                with sides[counted]():
                    found[counted].append(spend(TURN))
    for place, name in enumerate(("a start", "an SMS")):
        ours, baseline = ([both[place] for both in found[counted]] for counted in (True, False))
        yield Measure(f"counting: CPU of {name}", "µs", ours, baseline, Goal("ratio", "<=", 1.05))


def spend(many: int) -> tuple[float, float]:
    """Microseconds of CPU that a start takes, and that handing its SMS over takes."""
    from otp import services
    from sms.delivery.run import deliver

    ids: list[str] = []
    start = cpu(lambda phone: ids.append(services.start(phone).message_id), itertools.islice(phones, many))
    return start, cpu(deliver, ids)


def cpu(what: Callable[[str], object], each: Iterable[str]) -> float:
    """Microseconds of CPU of this process and of the server for each."""
    before, number = _used(), 0
    for one in each:
        what(one)
        number += 1
    return (_used() - before) / number * 1e6


def _used() -> float:
    """Seconds of CPU of this process and of the server."""
    server = get_redis_connection().info("cpu")
    return time.process_time() + float(server["used_cpu_user"]) + float(server["used_cpu_sys"])


@functools.cache
def _without(counted: str) -> tuple[str, str]:
    """The text of a script without what it counts and tells, and its digest."""
    text = functools.reduce(lambda text, what: text.replace(what, _COUNTING[what]), _COUNTING, counted)
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@contextmanager
def _uncounted() -> Iterator[None]:
    """The scripts without what they count and tell."""
    made = Script._text
    with patch.object(Script, "_text", lambda script: _without(made(script)[0])):
        yield
