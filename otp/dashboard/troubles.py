"""The problems of the moment, one sentence each. They come first on the first page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from otp.dashboard import words
from otp.dashboard.figures import Sums
from otp.dashboard.words import Moment
from sms import services as sms
from sms.standing import Standing
from sms.webhooks.store import Queue

#: Seconds before it counts as a problem that codes wait, that no worker sweeps, or that beat is silent.
WAITS, UNSWEPT, BEAT_SILENT = 3.0, 15.0, 15.0

#: The same for an event that waits for a webhook. The first retry comes earlier.
EVENT_WAITS = 60.0

#: The same for the part of the budget that is spent, and of Redis' memory that is used.
NEARLY = 0.9

#: With this many codes, the share typed is a problem if it is under this part of the usual share.
ENOUGH, TOO_FEW = 20, 0.5


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A provider that gets no messages, or none to one country."""

    alias: str
    country: str  # "": all countries
    since: Moment | None  # None: unknown, or the vendor only asked us to wait
    wait: str  # until it is tried again


def left_out(now: Standing, seconds: float) -> list[LeftOut]:
    """``seconds``: when the standing was read."""
    return [
        LeftOut(
            alias,
            sms.country_name(country) if country else "",
            None if health.since is None else words.moment_of(seconds - health.since),
            words.seconds(health.wait) if health.wait else "",
        )
        for (alias, country), health in now.health.items()
        if health.open or health.wait
    ]


def troubles(
    now: Standing,
    hour: Sums,
    day: Sums,
    fortnight: Sums,
    *,
    since: str,
    webhooks: Mapping[str, Queue],
    mode: str,
    spent: float,
) -> Iterator[str]:
    """``hour``, ``day``, ``fortnight``: the counts. ``since``: when ``hour`` begins. ``webhooks``: by
    endpoint. ``mode``: of the guard. ``spent``: the part of the budget.
    """
    for (alias, country), health in now.health.items():
        if health.open:
            where = f" in {sms.country_name(country)}" if country else ""
            yield f"The provider {alias} is left out{where}: its calls fail."
    for name, queue in now.queues.items():
        what = "Codes wait" if name == sms.OTP_QUEUE else "Plain messages wait"
        if queue.backlog and queue.oldest > (WAITS if name == sms.OTP_QUEUE else 60 * WAITS):
            first = words.seconds(queue.oldest)
            yield f"{what} for a worker: {words.number(queue.backlog)}, the oldest for {first}."
        if queue.unswept > UNSWEPT:
            yield f"No worker has served the queue {name} for {words.seconds(queue.unswept)}."
    if now.beat is None or now.beat > BEAT_SILENT:
        yield "beat is silent: lost messages are not picked up again."
    if now.dead_letters:
        yield f"Messages that could not be sent (dead letters): {words.number(now.dead_letters)}."
    yield from _refused(hour, day, mode, since)
    if spent >= NEARLY:
        then = " No code is sent before midnight (UTC)." if spent >= 1 and mode == "enforce" else ""
        yield f"{words.share(spent, 1)} of today's budget (UTC) is spent.{then}"
    yield from _events(webhooks, hour, since)
    if now.memory and now.memory.most and now.memory.used >= NEARLY * now.memory.most:
        yield f"Redis has used {words.share(now.memory.used, now.memory.most)} of its memory."
    typed, usual = _typed(hour), _typed(fortnight)
    if typed is not None and usual is not None and typed < TOO_FEW * usual:
        few, many = words.share(typed, 1), words.share(usual, 1)
        yield f"Only {few} of the codes since {since} were typed, against {many} in 14 days."


def _refused(hour: Sums, day: Sums, mode: str, since: str) -> Iterator[str]:
    """Refusals by overload and the guard. Those of shadow mode cost money, so a whole day counts."""
    overloaded = hour.total("starts", outcome=("overloaded",))
    overloaded += hour.total("messages", state=("refused:overloaded",))
    if overloaded:
        yield f"Overload: {words.number(overloaded)} requests have been refused since {since}."
    if refused := _total(hour, "starts", "outcome", "guard:"):
        yield f"The guard has refused {words.number(refused)} codes since {since}."
    if mode != "enforce" and (would := _total(day, "let_through", "why", "shadow:")):
        recent = words.number(_total(hour, "let_through", "why", "shadow:"))
        yield (
            f"The guard would have refused {words.number(would)} codes in a day, {recent} of them since"
            f" {since}; GUARD_MODE is {mode}, so they were sent."
        )


def _events(webhooks: Mapping[str, Queue], hour: Sums, since: str) -> Iterator[str]:
    for name, queue in webhooks.items():
        if queue.oldest > EVENT_WAITS:
            count, first = words.number(queue.waiting), words.seconds(queue.oldest)
            why = f" Its last error: {queue.error}." if queue.error else ""
            yield f"Events wait for the webhook {name}: {count}, the oldest for {first}.{why}"
    if given_up := hour.total("events", outcome=("dead", "dropped")):
        yield f"Webhooks: {words.number(given_up)} events have been given up since {since}."


def _total(sums: Sums, name: str, label: str, begin: str) -> int:
    """The sum of all series whose label begins with ``begin``."""
    return sum(count for value, count in sums.each(name, label).items() if value.startswith(begin))


def _typed(sums: Sums) -> float | None:
    """The share of the codes that were typed; None if there were too few."""
    accepted = sums.total("starts", outcome=("issued", "resent"))
    return sums.total("checks", outcome=("valid",)) / accepted if accepted >= ENOUGH else None
