"""Whether a start, or a look at it, tells anything of its number: the answers of two kinds, side by side.

A *kind* is what may be secret of a number: that it was seen before, say. Both kinds of a pair are asked in
turns, so that the mood of the machine is the same for both. The difference of their medians is compared with
that of two halves of the same kind (A/A), which is chance.
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from django_redis import get_redis_connection

from config.demo.ports import free_port
from otp.delivery import SILENCE

from .http_start import answers, code_of
from .report import Goal, Measure
from .surroundings import Surroundings

#: Starts of each kind, and how many of them are looked at later.
STARTS, LOOKS = 2000, 600

#: Area codes, one for each kind of number; what the last two mean is in ``judging``.
NEW_AREA, TEST_AREA, REFUSED_AREA = 202, 212, 213

#: Splits of one kind into halves; the 95th percentile of their differences is the noise.
SPLITS = 400

_numbers: defaultdict[int, Iterator[int]] = defaultdict(itertools.count)


#: Status, names of headers, size and masked text of an answer.
Form = tuple[int, tuple[str, ...], int, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """``number`` gives one that was not asked for yet; ``prepare`` does what makes it of this kind."""

    name: str
    number: Callable[[], str]
    prepare: Callable[[Surroundings, http.client.HTTPConnection, str], None] = lambda *_: None


@dataclass
class Heard:
    """The answers to one kind: status and masked form of each, and milliseconds."""

    forms: set[Form] = field(default_factory=set)
    times: list[float] = field(default_factory=list)

    def note(self, form: Form, took: float) -> None:
        self.forms.add(form)
        self.times.append(took)


def fresh(area: int = NEW_AREA) -> str:
    """A number of North America that gets codes, another one each time."""
    return f"+1{area}555{next(_numbers[area]):04}"


def seen_before(bench: Surroundings, connection: http.client.HTTPConnection, phone: str) -> None:
    """The web process has verified the number, so it knows of it all that it ever will.

    Nothing waits for a cooldown then. The code is read as whoever has Redis and the key can.
    """
    id = json.loads(_post(bench, connection, "", {"phone": phone})[1])["id"]
    checked = json.loads(_post(bench, connection, f"/{id}/check", {"code": code_of(id)})[1])
    if checked["status"] != "valid":
        raise RuntimeError(f"seen before: the check of a right code says {checked['status']}")


_NEW = Kind("new", fresh)

#: The kinds that are compared. Each pair is two lines of the table.
PAIRS = (
    (_NEW, Kind("seen before", fresh, seen_before)),
    (_NEW, Kind("test number", partial(fresh, TEST_AREA))),
    (_NEW, Kind("refused by a signal", partial(fresh, REFUSED_AREA))),
)


def compare(bench: Surroundings) -> Iterator[Measure]:
    """For every pair: do the answers differ in form, and do their times by more than chance?

    The key lacks the scope ``read``, with which it would see who gets no SMS.
    """
    port = free_port()
    environment = {
        "API_ACCESS": "bench=verify",
        "DJANGO_SETTINGS_MODULE": "tests.bench.judging",
        "GUARD_MODE": "shadow",
    }
    web = bench.python(
        *("config.web", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        environment=environment,
    )
    try:
        bench.say("starting a web process")
        bench.wait_for("a web process", lambda: answers(port), web)
        for pair in PAIRS:
            yield from _measure(bench, port, *pair)
        get_redis_connection().flushall()  # drop the messages, which no worker has sent
        worker = bench.python("celery", "-A", "config", "worker", "-Q", "otp,bulk", environment=environment)
        try:
            for pair in PAIRS:
                yield from _look(bench, port, *pair)
        finally:
            bench.end(worker)
    finally:
        bench.end(web)


def _measure(bench: Surroundings, port: int, one: Kind, other: Kind) -> Iterator[Measure]:
    count = STARTS // 4 if bench.quick else STARTS
    name = f"start, {other.name} or {one.name}"
    bench.say(f"{count} starts each: {one.name}, {other.name}")
    heard = {one: Heard(), other: Heard()}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for turn in range(-50, count):  # the first ones only warm things up
        numbers = {kind: kind.number() for kind in heard}
        for kind, phone in numbers.items():
            kind.prepare(bench, connection, phone)
        # Who comes second may find things as the first has left them.
        for kind, phone in sorted(numbers.items(), key=lambda item: item[0] is one, reverse=bool(turn % 2)):
            found = _timed(partial(_post, bench, connection, "", {"phone": phone}))
            if turn >= 0:
                heard[kind].note(*found)
    connection.close()
    yield from _judged(name, *heard.values())


def _look(bench: Surroundings, port: int, one: Kind, other: Kind) -> Iterator[Measure]:
    """The fields about the SMS: at once, and when a provider has had the time to take it."""
    count = LOOKS // 4 if bench.quick else LOOKS
    bench.say(f"{count} looks each: {one.name}, {other.name}")
    soon, late = {one: Heard(), other: Heard()}, {one: Heard(), other: Heard()}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    begun = []
    for turn in range(count):
        numbers = {kind: kind.number() for kind in (one, other)}
        for kind, phone in numbers.items():
            kind.prepare(bench, connection, phone)
        started = {
            kind: json.loads(_post(bench, connection, "", {"phone": phone})[1])["id"]
            for kind, phone in sorted(
                numbers.items(), key=lambda item: item[0] is one, reverse=bool(turn % 2)
            )
        }
        for kind, id in started.items():
            soon[kind].note(*_timed(partial(_get, bench, connection, id)))
        begun.append(started)
    time.sleep(SILENCE + 1)
    for started in begun:
        for kind, id in started.items():
            late[kind].note(*_timed(partial(_get, bench, connection, id)))
    connection.close()
    name = f"{other.name} or {one.name}"
    yield from _judged(f"look at once, {name}", *soon.values())
    yield from _judged(f"look after {SILENCE + 1:.0f} s, {name}", *late.values())


def _judged(name: str, one: Heard, other: Heard) -> Iterator[Measure]:
    """The two lines of a pair."""
    differing = one.forms ^ other.forms
    yield Measure(
        f"{name}: forms of answer that only one has",
        "",
        [float(len(differing))],
        goal=Goal("ours", "=", 0),
        note=f"status, header names, size and fields: {sorted(differing) or sorted(one.forms)}",
    )
    noise = max(_noise(one.times), _noise(other.times))
    medians = [statistics.median(heard.times) for heard in (one, other)]
    difference = abs(medians[1] - medians[0])
    yield Measure(
        f"{name}: difference of medians ÷ noise",
        "",
        [difference / noise],
        goal=Goal("ours", "<=", 1),
        note=f"medians {medians[1]:.3f} and {medians[0]:.3f} ms, apart {difference * 1000:.0f} µs; "
        f"95 % of halves of one kind differ by less than {noise * 1000:.0f} µs ({len(one.times)} each)",
    )


def _timed(ask: Callable[[], tuple[http.client.HTTPResponse, bytes]]) -> tuple[Form, float]:
    """The answer, and its milliseconds."""
    begun = time.perf_counter()
    answer, content = ask()
    took = (time.perf_counter() - begun) * 1000
    names = tuple(sorted(name.lower() for name, _ in answer.getheaders()))
    form = _masked(content.decode())
    return (answer.status, names, len(form), form), took


def _post(
    bench: Surroundings, connection: http.client.HTTPConnection, path: str, body: dict[str, str]
) -> tuple[http.client.HTTPResponse, bytes]:
    headers = {"Authorization": f"Bearer {bench.api_key}", "Content-Type": "application/json"}
    connection.request("POST", f"/v1/verifications{path}", json.dumps(body), headers)
    answer = connection.getresponse()
    return answer, answer.read()


def _get(
    bench: Surroundings, connection: http.client.HTTPConnection, id: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection.request("GET", f"/v1/verifications/{id}", headers={"Authorization": f"Bearer {bench.api_key}"})
    answer = connection.getresponse()
    return answer, answer.read()


def _masked(text: str) -> str:
    """Ids, times and counts of seconds are another each time; their form is not."""
    text = re.sub(r'id": "[\w-]{22}"', 'id": "…"', text)
    # A time at a full second is written without a fraction, whatever the number is.
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "…", text)
    return re.sub(r'"retry_after": \d+', '"retry_after": …', text)


def _noise(times: Sequence[float]) -> float:
    """The difference of the medians of two halves in 95 of 100 splits (ms), for whole samples.

    A half has half as many, so its median strays √2 times as far as the median of the whole.
    """
    draw, found, half = random.Random(7), [], len(times) // 2
    for _ in range(SPLITS):
        mixed = draw.sample(times, len(times))
        found.append(abs(statistics.median(mixed[:half]) - statistics.median(mixed[half:])))
    return sorted(found)[int(0.95 * SPLITS)] / 2**0.5
