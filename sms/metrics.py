"""What ``/metrics`` shows, for Prometheus: the tally, and how things stand just now.

All of it stands in Redis, so every web process answers the same: ask one of them. That takes two round trips,
one more where there are webhooks, what ``learning`` has to read, and one for each of ``SOURCES``. Where Redis
does not answer, ``otpost_redis_up`` says so and is all there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sms import learning, registry, standing, tally
from sms.errors import Unavailable
from sms.standing import Standing
from sms.webhooks import store as webhooks
from sms.webhooks.store import Queue

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: By its name in the tally, what ``otpost_<name>_total`` counts.
COUNTERS = {
    "starts": "Starts and resends of codes, by how they ended: issued, resent, or what refused.",
    "let_through": "Codes that the guard let go although a cap was reached: in shadow mode, or by a rule.",
    "spent": "Money that codes cost by GUARD_PRICES, in its currency.",
    "checks": "Guesses at codes, by how they ended.",
    "cancelled": "Verifications that were cancelled.",
    "verified": "Codes that were typed, by who had sent them.",
    "messages": "States that messages reached, and refusals to accept one.",
    "codes": "States that messages with a code reached, by what that is for.",
    "calls": "Calls of providers, by how they ended.",
    "receipts": "Delivery reports that were believed.",
    "events": "Events for webhooks, by how a call ended, or dropped as too many wait.",
    "lookups": "Look-ups of numbers before a code, by how they ended, or why nobody was asked.",
    "left_out": "How often a provider was left out because its calls failed.",
}

#: The tally has it in this unit, which makes a whole number of it.
UNITS = {"spent": 1_000_000}

#: By its name in the tally, what ``otpost_<name>_seconds`` measures.
HISTOGRAMS = {
    "to_sent": "Time from the acceptance of a message until a provider had it.",
    "call": "Time of one call of a provider.",
    "to_delivered": "Time from when a provider had a message until its receipt said delivered.",
    "to_verified": "Time from the acceptance of a message until its code was typed.",
}

#: By the attribute of ``standing.Queue``, the gauge and what it is.
QUEUES = {
    "backlog": ("backlog", "Messages that wait for their first call, and for nothing but a worker."),
    "oldest": ("backlog_age_seconds", "How long the first of the backlog has waited."),
    "held_back": ("held_back", "Messages that wait as their provider is left out or over its rate."),
    "unsettled": ("leases", "Leases: messages that were accepted, and are in no final state yet."),
    "due": ("leases_due", "Leases that any worker may take now."),
    "unswept": ("unswept_seconds", "How long sweeps have been asked for that no worker runs."),
}

#: What else there is to show. Packages above this one add theirs; each may raise ``Unavailable``.
SOURCES: list[Callable[[], Iterable[Metric]]] = []


def text() -> bytes:
    """Everything, as Prometheus reads it."""
    return generate_latest(_Everything())


class _Everything(Collector):
    def collect(self) -> Iterator[Metric]:
        up, found = 1, []
        try:
            found = [*_own(), *(metric for source in SOURCES for metric in source())]
        except Unavailable:
            up = 0
        yield gauge("redis_up", "Whether Redis answers; without it there is no other metric.", up)
        yield from found


def gauge(name: str, help: str, value: float) -> Metric:
    """``otpost_<name>``, without labels."""
    return GaugeMetricFamily(f"otpost_{name}", help, value)


def gauges(
    name: str, help: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    """``otpost_<name>``, by the values of its labels; ``channel`` comes with ``alias``."""
    family = GaugeMetricFamily(f"otpost_{name}", help, labels=_with_channel(labels))
    for given, value in values:
        family.add_metric(_channel(labels, given), float(value))
    return family


def _own() -> Iterator[Metric]:
    counted = tally.everything()
    counts = _sums(counted["counts"])
    yield from _counters(counts)
    yield _vendor_words(_sums(counted["words"]))
    yield from _histograms(tally.times(counted["times"]))
    help = "Series that a family of the tally holds; a new one beyond 5000 is counted under other."
    held = [((family,), len(fields)) for family, fields in counted.items()]
    yield gauges("tally_fields", help, ("family",), held)
    ever = [one.labels for one in counts if one.name == "left_out"]
    yield from _webhooks(webhooks.queues())
    yield from _learned()
    yield from _standing(standing.read((alias, country) for alias, country in ever))


def _webhooks(queues: Mapping[str, Queue]) -> Iterator[Metric]:
    waiting = [((endpoint,), queue.waiting) for endpoint, queue in queues.items()]
    yield gauges("events_waiting", "Events that wait until a webhook takes them.", ("endpoint",), waiting)
    help = "How long the oldest event has waited until a webhook takes it; 0: none waits."
    oldest = [((endpoint,), queue.oldest) for endpoint, queue in queues.items()]
    yield gauges("webhook_oldest_seconds", help, ("endpoint",), oldest)


def _learned() -> Iterator[Metric]:
    if learning.mode() == "weights":
        return
    learning.refresh()
    help = "The share of the codes that learning gives a provider, or in shadow mode would."
    shares = [
        ((report.step.target, row.alias, report.step.country), row.learned)
        for report in learning.reports()
        for row in report.rows
    ]
    yield gauges("learned_share", help, ("route", "alias", "country"), shares)


def _sums(fields: Mapping[str, int]) -> Counter[tally.Series]:
    """Two fields may say the same: one is of a version with fewer labels."""
    sums: Counter[tally.Series] = Counter()
    for series, value in tally.series(fields):
        sums[series] += value
    return sums


def _counters(counts: Mapping[tally.Series, int]) -> Iterator[Metric]:
    families = {
        name: CounterMetricFamily(f"otpost_{name}", help, labels=_with_channel(tally.LABELS[name]))
        for name, help in COUNTERS.items()
    }
    for (name, given), value in counts.items():
        families[name].add_metric(_channel(tally.LABELS[name], given), value / UNITS.get(name, 1))
    yield from families.values()


def _vendor_words(words: Mapping[tally.Series, int]) -> Metric:
    labels = ("outcome", "alias", "word")
    help = "What vendors said of a call, or in a receipt: their own words."
    family = CounterMetricFamily("otpost_vendor_words", help, labels=("about", *_with_channel(labels)))
    for (name, given), value in words.items():
        family.add_metric([name, *_channel(labels, given)], value)
    return family


def _histograms(times: Mapping[tally.Series, tally.Times]) -> Iterator[Metric]:
    families = {
        name: HistogramMetricFamily(
            f"otpost_{name}_seconds", help, labels=_with_channel((tally.TIMES[name],))
        )
        for name, help in HISTOGRAMS.items()
    }
    for (name, given), found in times.items():
        so_far, buckets = 0, []
        for bound, count in zip([*map(str, tally.BOUNDS), "+Inf"], found.counts, strict=True):
            so_far += count
            buckets.append((bound, float(so_far)))
        families[name].add_metric(_channel((tally.TIMES[name],), given), buckets, found.seconds)
    yield from families.values()


def _standing(now: Standing) -> Iterator[Metric]:
    for attribute, (name, help) in QUEUES.items():
        values = [((queue,), getattr(found, attribute)) for queue, found in now.queues.items()]
        yield gauges(name, help, ("queue",), values)
    yield gauge("dead_letters", "Messages that failed in every round.", now.dead_letters)
    if now.beat is not None:
        yield gauge("beat_seconds", "Since beat asked for a sweep.", now.beat)
    if now.swept is not None:
        yield gauge("last_sweep_seconds", "Since a worker ran a sweep.", now.swept)
    help = "1 while a provider is left out; without a country: everywhere."
    yield gauges("breaker_open", help, ("alias", "country"), now.left_out.items())
    yield from _rates(now)
    if now.memory:
        yield gauge("redis_memory_used_bytes", "Memory that Redis uses.", now.memory.used)
        yield gauge("redis_memory_max_bytes", "Memory that Redis may use; 0: no limit.", now.memory.most)


def _rates(now: Standing) -> Iterator[Metric]:
    known = registry.aliases()
    paces = [((name, unit), rate) for name in now.rates for unit, rate in known[name].rates.items()]
    yield gauges("rate", "What a provider may be given a second.", ("alias", "unit"), paces)
    waits = [((alias,), rate.wait) for alias, rate in now.rates.items()]
    yield gauges("rate_wait_seconds", "Until the rate of a provider allows its next call.", ("alias",), waits)
    lines = [((alias, queue), n) for alias, rate in now.rates.items() for queue, n in rate.lines.items()]
    yield gauges("rate_waiting", "Messages that wait for the rate of a provider.", ("alias", "queue"), lines)


def _with_channel(labels: Sequence[str]) -> tuple[str, ...]:
    """A provider serves one channel, so its alias says which."""
    return tuple(label for name in labels for label in (("channel", name) if name == "alias" else (name,)))


def _channel(labels: Sequence[str], values: Sequence[str]) -> list[str]:
    """The values of ``_with_channel(labels)``; no alias is of no channel."""
    found = []
    for name, value in zip(labels, values, strict=True):
        if name == "alias":
            found.append(registry.channel(value) if value else "")
        found.append(value)
    return found
