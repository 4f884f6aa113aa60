"""The providers: health, speed, errors, codes typed by country, and what routing has learned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

from otp.api.access import Access
from otp.dashboard import plots, words
from otp.dashboard.door import live, looks
from otp.dashboard.figures import DAY, FORTNIGHT, PERIODS, Figures, Period, Sums, read
from otp.dashboard.troubles import LeftOut, left_out
from otp.guard import settings as guard
from sms import learning, standing, tally
from sms import services as sms
from sms.standing import Known, Standing

#: Countries that are shown at first, and the most errors of vendors.
SHOWN, MOST_SAID = 15, 50

#: This many codes to a country show which provider does best there.
ENOUGH = 20

#: The results of a call: names in the tally, and words for them. "receipt" is for errors that a receipt
#: reports.
OUTCOMES = {
    "accepted": "accepted",
    "temporary": "failed; the next provider was tried",
    "refused": "refused the number or the text",
    "account": "the account cannot send",
    "unknown": "unclear whether it was accepted",
    "worker_died": "the worker died during the call",
    "receipt": "accepted, but not delivered",
}


@dataclass(frozen=True, slots=True)
class Card:
    """One provider. Shares and times are texts."""

    known: Known
    out: tuple[LeftOut, ...]
    pace: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A provider in a country."""

    alias: str
    sent: str
    share: str
    cost: str  # of a typed code; "" without a price
    best: bool


@dataclass(frozen=True, slots=True)
class Learned:
    """The figures of learning for one alias of a step."""

    where: str  # route and country
    alias: str
    by_weight: str
    learned: str
    conversion: str
    price: str
    sent: str
    why: str


@looks
def providers(request: HttpRequest, access: Access, seconds: float) -> HttpResponse:
    """Three round trips, and those of ``learning``."""
    period = PERIODS.get(request.GET.get("period", ""), DAY)
    over_time = FORTNIGHT if period is FORTNIGHT else DAY
    figures = read(
        {"counts": {period, over_time, FORTNIGHT}, "words": [period], "times": [period]}, now=seconds
    )
    sums = figures.sums("counts", period)
    ever = figures.sums("counts", FORTNIGHT).by("left_out", "alias", "country")
    now = standing.read((alias, country) for alias, country in ever)
    known, times = standing.providers(), figures.times(period)
    countries = list(_countries(sums, known))
    said = list(_said(figures.sums("words", period), sums))
    context = {
        "period": period,
        "periods": PERIODS.values(),
        "cards": [_card(one, now, left_out(now, figures.now), sums, times) for one in known],
        "plot": _plot(figures, over_time),
        "known": known,
        "countries": countries[:SHOWN],
        "more_countries": countries[SHOWN:],
        "priced": bool(guard.read().prices),
        "vendor_words": said[:MOST_SAID],
        "routing": learning.mode(),
        "learned": list(_learned()),
    }
    return live(request, access, "providers", context)


def _card(
    known: Known, now: Standing, out: list[LeftOut], sums: Sums, times: dict[tally.Series, tally.Times]
) -> Card:
    alias = known.alias
    calls = sums.each("calls", "outcome", alias=(alias,))
    states = sums.each("messages", "state", alias=(alias,), queue=(sms.OTP_QUEUE,))
    verified = sums.total("verified", alias=(alias,))
    health = now.health[alias, ""]
    facts = {
        "calls": words.number(calls.total()),
        "accepted": words.share(calls["accepted"], calls.total()),
        "delivered": words.share(states["delivered"], states["sent"])
        if known.reports or states["delivered"]
        else words.NONE,
        "typed": words.share(verified, states["sent"]),
        "time of a call": _percentiles(times.get(tally.Series("call", (alias,)))),
        "time to delivery": _percentiles(times.get(tally.Series("to_delivered", (alias,)))),
        f"last {words.seconds(now.window)}": f"{words.number(health.good)} calls worked, {health.bad} failed",
    }
    return Card(
        known, tuple(one for one in out if one.alias == alias), _pace(known, now), tuple(facts.items())
    )


def _plot(figures: Figures, period: Period) -> plots.Plot | None:
    """The calls of all providers. It also shows outages that are over."""
    calls = figures.totals(period, "calls|")
    accepted = figures.totals(period, "calls|accepted|")
    values = [(at, good, all_ - good) for (at, all_), (_, good) in zip(calls, accepted, strict=True)]
    per = "day" if period is FORTNIGHT else "hour"
    title = f"Calls per {per} (red: not accepted)"
    return plots.parts(title, ("accepted", "failed"), values, by_day=period is FORTNIGHT)


def _percentiles(times: tally.Times | None) -> str:
    if not times:
        return words.NONE
    half, most = times.percentile(0.5), times.percentile(0.95)
    return f"{words.seconds(half)}, 95 % within {words.seconds(most)}"


def _pace(known: Known, now: Standing) -> str:
    """The rate of a provider, and how many messages wait for it."""
    if known.alias not in now.rates:
        return "no rate limit"
    rate = " or ".join(f"{pace:g} {unit}" for unit, pace in known.rates.items())
    waiting = sum(now.rates[known.alias].lines.values())
    return f"{rate} a second, {words.number(waiting)} waiting"


def _countries(sums: Sums, known: list[Known]) -> Iterator[tuple[str, str, list[Cell]]]:
    """Each country with its price and a cell for each provider. The busiest country comes first."""
    sent = sums.by("messages", "alias", "country", state=("sent",), queue=(sms.OTP_QUEUE,))
    verified = sums.by("verified", "alias", "country")
    totals: Counter[str] = Counter()
    for (_, country), count in sent.items():
        totals[country] += count
    setting = guard.read()
    for country, _ in totals.most_common():
        price = setting.price(country)
        pairs = [(sent[one.alias, country], verified[one.alias, country]) for one in known]
        best = max((typed / count for count, typed in pairs if count >= ENOUGH), default=0)
        several = sum(count >= ENOUGH for count, _ in pairs) > 1
        cells = [
            Cell(
                one.alias,
                words.number(count),
                words.share(typed, count),
                words.money(price * count / typed) if price and typed else "",
                several and count >= ENOUGH and typed / count == best,
            )
            for one, (count, typed) in zip(known, pairs, strict=True)
        ]
        yield words.country(country), words.money(price) if price else words.NONE, cells


def _learned() -> Iterator[Learned]:
    """A line for each alias of each step with a choice of providers."""
    if learning.mode() == "weights":
        return
    learning.refresh()
    for report in learning.reports():
        step = report.step
        if report.enough:
            why = f"the best conversion{' for its price' if report.priced else ''} gets most codes"
        else:
            why = f"too few codes ({report.sent:.0f} of {learning.ENOUGH:.0f}), so the weights decide"
        for row in report.rows:
            low, expected, high = (words.share(part, 1) for part in row.conversion)
            yield Learned(
                f"{step.target}, {words.country(step.country)}",
                row.alias,
                words.share(row.by_weight, 1),
                words.share(row.learned, 1),
                f"{expected} ({low} to {high})" if row.sent else words.NONE,
                words.NONE if row.price is None else f"{row.price:g}",
                words.number(row.sent),
                why,
            )


def _said(said: Sums, sums: Sums) -> Iterator[tuple[str, str, str, str, str]]:
    """The errors of vendors: alias, meaning, the vendor's word, how often, and the share of its calls."""
    found: Counter[tuple[str, str, str]] = Counter()
    for (outcome, alias, word), count in said.by("call", "outcome", "alias", "word").items():
        found[alias, outcome, word] += count
    for (alias, word), count in said.by("receipt", "alias", "word").items():
        found[alias, "receipt", word] += count
    calls = sums.each("calls", "alias")
    for (alias, outcome, word), count in found.most_common():
        told = OUTCOMES.get(outcome, outcome)
        yield words.alias(alias), told, word, words.number(count), words.share(count, calls[alias])
