"""The text of ``/metrics`` for Prometheus: the tally and the present state.

All of it is in Redis, so every web process answers the same: scrape only one. That takes two round trips,
one more with webhooks, one for each of ``SOURCES``, and those of ``learning``. With cells, several servers
are asked one after the other (see ``sms.cells``). If Redis does not answer, ``otpost_redis_up`` is 0 and the
only metric.
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

#: The help of ``otpost_<name>_total``, by its name in the tally.
COUNTERS = {
    "starts": "Starts and resends of codes by outcome: issued, resent, or the reason of a refusal.",
    "let_through": "Codes sent although a cap of the guard was reached: in shadow mode, or by a rule.",
    "spent": "Cost of codes by GUARD_PRICES, in its currency.",
    "checks": "Guesses at codes by outcome.",
    "cancelled": "Cancelled verifications.",
    "verified": "Correctly typed codes, by the provider that sent them.",
    "messages": "Messages by the states that they reached, and refused messages.",
    "codes": "Codes by state and purpose.",
    "calls": "Calls to providers by outcome.",
    "receipts": "Accepted delivery reports by state.",
    "events": "Events for webhooks by the outcome of their calls, or dropped because too many waited.",
    "lookups": "Look-ups of numbers before a code, by outcome, or by the reason to skip them.",
    "left_out": "How often a provider was left out because its calls failed.",
}

#: Units of the tally per unit of the metric. The tally holds only whole numbers.
UNITS = {"spent": 1_000_000}

#: The help of ``otpost_<name>_seconds``, by its name in the tally.
HISTOGRAMS = {
    "to_sent": "Time from accepting a message until a provider took it.",
    "call": "Time of one call to a provider.",
    "to_delivered": "Time from when a provider took a message until its receipt said delivered.",
    "to_verified": "Time from accepting a message until its code was typed.",
}

#: Name and help of each gauge, by the attribute of ``standing.Queue``.
QUEUES = {
    "backlog": ("backlog", "Messages that wait for their first call to a provider and only need a worker."),
    "oldest": ("backlog_age_seconds", "How long the oldest message of the backlog has waited."),
    "held_back": ("held_back", "Messages that wait because their provider is left out or over its rate."),
    "unsettled": ("leases", "Leases: accepted messages that are not in a final state yet."),
    "due": ("leases_due", "Leases that any worker may take now."),
    "unswept": ("unswept_seconds", "How long sweeps have been requested, but no worker has run them."),
}

#: More metrics. Packages above this one add theirs; each source may raise ``Unavailable``.
SOURCES: list[Callable[[], Iterable[Metric]]] = []


def text() -> bytes:
    """All metrics in the format of Prometheus."""
    return generate_latest(_Everything())


class _Everything(Collector):
    def collect(self) -> Iterator[Metric]:
        up, found = 1, []
        try:
            found = [*_own(), *(metric for source in SOURCES for metric in source())]
        except Unavailable:
            up = 0
        yield gauge("redis_up", "1 if every Redis server answers, else 0. Then there is no other metric.", up)
        yield from found


def gauge(name: str, help: str, value: float) -> Metric:
    """``otpost_<name>``, without labels."""
    return GaugeMetricFamily(f"otpost_{name}", help, value)


def gauges(
    name: str, help: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    """``otpost_<name>`` with labels. ``alias`` also brings ``channel``."""
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
    help = (
        "Series in one family of the tally: counts, words or times. Beyond 5000, new ones have other as "
        "their country or word."
    )
    held = [((family,), len(fields)) for family, fields in counted.items()]
    yield gauges("tally_fields", help, ("family",), held)
    ever = [one.labels for one in counts if one.name == "left_out"]
    yield from _webhooks(webhooks.queues())
    yield from _learned()
    yield from _standing(standing.read((alias, country) for alias, country in ever))


def _webhooks(queues: Mapping[str, Queue]) -> Iterator[Metric]:
    waiting = [((endpoint,), queue.waiting) for endpoint, queue in queues.items()]
    yield gauges("events_waiting", "Events that wait for a webhook to take them.", ("endpoint",), waiting)
    help = "How long the oldest event has waited for a webhook to take it; 0: none waits."
    oldest = [((endpoint,), queue.oldest) for endpoint, queue in queues.items()]
    yield gauges("webhook_oldest_seconds", help, ("endpoint",), oldest)


def _learned() -> Iterator[Metric]:
    if learning.mode() == "weights":
        return
    learning.refresh()
    help = "The share of codes that learning gives a provider, or would give it in shadow mode."
    shares = [
        ((report.step.target, row.alias, report.step.country), row.learned)
        for report in learning.reports()
        for row in report.rows
    ]
    yield gauges("learned_share", help, ("route", "alias", "country"), shares)


def _sums(fields: Mapping[str, int]) -> Counter[tally.Series]:
    """Sums by series. Two fields may belong to one: an older version had fewer labels."""
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
    help = "The vendors' own words in answers to calls and in receipts."
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
    yield gauge(
        "dead_letters", "Messages that failed in every round, or that no worker can open.", now.dead_letters
    )
    if now.beat is not None:
        yield gauge("beat_seconds", "Time since beat last requested a sweep.", now.beat)
    if now.swept is not None:
        yield gauge("last_sweep_seconds", "Time since a worker last ran a sweep.", now.swept)
    help = "1 while a provider is left out. An empty country means everywhere."
    yield gauges("breaker_open", help, ("alias", "country"), now.left_out.items())
    yield from _rates(now)
    if now.memory:
        yield gauge("redis_memory_used_bytes", "Memory that Redis uses.", now.memory.used)
        yield gauge("redis_memory_max_bytes", "Memory that Redis may use; 0: no limit.", now.memory.most)


def _rates(now: Standing) -> Iterator[Metric]:
    known = registry.aliases()
    paces = [((name, unit), rate) for name in now.rates for unit, rate in known[name].rates.items()]
    yield gauges("rate", "Rate limit of a provider, per second.", ("alias", "unit"), paces)
    waits = [((alias,), rate.wait) for alias, rate in now.rates.items()]
    yield gauges("rate_wait_seconds", "Time until the rate limit allows the next call.", ("alias",), waits)
    lines = [((alias, queue), n) for alias, rate in now.rates.items() for queue, n in rate.lines.items()]
    yield gauges("rate_waiting", "Messages that wait for the rate limit.", ("alias", "queue"), lines)


def _with_channel(labels: Sequence[str]) -> tuple[str, ...]:
    """Labels with ``channel`` before ``alias``. An alias has exactly one channel."""
    return tuple(label for name in labels for label in (("channel", name) if name == "alias" else (name,)))


def _channel(labels: Sequence[str], values: Sequence[str]) -> list[str]:
    """The values of ``_with_channel(labels)``. An empty alias has an empty channel."""
    found = []
    for name, value in zip(labels, values, strict=True):
        if name == "alias":
            found.append(registry.channel(value) if value else "")
        found.append(value)
    return found
