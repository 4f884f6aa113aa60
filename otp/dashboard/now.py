"""The first page: the way from request to verification, times, refusals, backlog, providers, money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

from otp.api.access import Access
from otp.dashboard import plots, words
from otp.dashboard.door import live, looks
from otp.dashboard.figures import DAY, FORTNIGHT, HOUR, PERIODS, Figures, Period, Sums, read
from otp.dashboard.troubles import left_out, troubles
from otp.guard import settings as guard
from sms import services as sms
from sms import standing, tally
from sms.standing import Standing
from sms.webhooks import store as webhooks

#: Rows that a table shows at first. A click shows the others.
SHOWN = 10

#: States and queue of the message of a code.
SENT, DELIVERED = {"sent"}, {"delivered"}
CODES = {sms.OTP_QUEUE}

#: Heads of columns. A code that moved on to another provider is one code, but two messages.
CODES_SENT, MESSAGES_SENT = "codes sent", "messages sent"
HINT = "Messages sent: a code that moved on to another provider counts once for each."

#: The lines of a plot of times: share, name and CSS class.
SHARES = ((0.5, "50 % within", "p50"), (0.95, "95 % within", "p95"), (0.99, "99 % within", "p99"))

#: By name in the tally: the title, and the label to show ("": all labels).
TIMES = {
    "to_sent": ("From request to provider", sms.OTP_QUEUE),
    "to_delivered": ("From provider to phone", ""),
    "to_verified": ("From request to typed code", ""),
}

#: The reasons for a refusal: names in the tally, and words for them.
REASONS = {
    "cooldown": "requested again too soon",
    "pause": "pause after wrong guesses",
    "overloaded": "overload: it would have been sent too late",
    "refused:overloaded": "plain message: overload, it would have been sent too late",
    "refused:opted_out": "plain message: the number has opted out",
    "check:limited": "guess: too many wrong guesses from an address or key",
    "check:blocked": "guess: too many wrong guesses of the code",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a funnel."""

    name: str
    count: str
    share: str  # of the first step
    width: float  # of the bar, in per cent


@dataclass(frozen=True, slots=True)
class Table:
    """One breakdown of a funnel. ``rows``: a name, and its cells, each with its head."""

    title: str
    hint: str  # how the share is made, and what is counted
    head: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    more: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()


@looks
def now(request: HttpRequest, access: Access, seconds: float) -> HttpResponse:
    """The current state. Three round trips, and a fourth if there are webhooks."""
    period = PERIODS.get(request.GET.get("period", ""), HOUR)
    over_time = FORTNIGHT if period is FORTNIGHT else DAY
    figures, setting = read({"counts": PERIODS.values(), "times": [over_time]}, now=seconds), guard.read()
    sums = {each.name: figures.sums("counts", each) for each in PERIODS.values()}
    places = sums["fortnight"].by("left_out", "alias", "country")
    standing_now = standing.read((alias, country) for alias, country in places)
    context = {
        "troubles": list(
            troubles(
                standing_now,
                *sums.values(),
                since=f"{figures.began(HOUR):%H:%M} UTC",
                webhooks=webhooks.queues(),
                mode=setting.mode,
                spent=_budget_spent(figures, setting),
            )
        ),
        "left_out": left_out(standing_now, figures.now),
        "funnels": [(each, _funnel(sums[each.name])) for each in PERIODS.values()],
        "plain": _plain(sums["fortnight"]),
        "period": period,
        "periods": PERIODS.values(),
        "tables": _tables(sums[period.name]),
        "plots": list(_plots(figures, over_time)),
        "refused": _refused([sums[each.name] for each in PERIODS.values()]),
        "queues": _queues(standing_now),
        "dead_letters": standing_now.dead_letters,
        "money": _money(figures),
    }
    return live(request, access, "now", context)


def _funnel(sums: Sums) -> list[Step]:
    asked = sums.total("starts")
    counts = {
        "requested": asked,
        "accepted": sums.total("starts", outcome=("issued", "resent")),
        CODES_SENT: sums.total("codes", state=SENT),
        "delivered": sums.total("codes", state=DELIVERED),
        "verified": sums.total("checks", outcome=("valid",)),
    }
    most = max(counts.values()) or 1
    return [
        Step(name, words.number(count), words.share(count, asked), round(100 * count / most, 1))
        for name, count in counts.items()
    ]


def _plain(sums: Sums) -> str:
    """The counts of plain messages; "" if there were none."""
    found = sums.each("messages", "state", queue=(sms.BULK_QUEUE,))
    if not found:
        return ""
    states = {"queued": "accepted", "sent": "sent", "delivered": "delivered", "failed": "failed"}
    told = ", ".join(f"{words.number(found[state])} {word}" for state, word in states.items())
    return f"{told} in 14 days"


def _tables(sums: Sums) -> list[list[Table]]:
    """The tables, in two stacks side by side."""
    return [[_by_country(sums)], [*_by_provider(sums), _by_purpose(sums)]]


def _by_country(sums: Sums) -> Table:
    columns = {
        "requested": sums.each("starts", "country"),
        MESSAGES_SENT: sums.each("messages", "country", state=SENT, queue=CODES),
        "delivered": sums.each("messages", "country", state=DELIVERED, queue=CODES),
        "verified": sums.each("verified", "country"),
    }
    spent = sums.each("spent", "country") if guard.read().prices else None
    return _table("Country", columns, words.country, of="requested", spent=spent)


def _by_provider(sums: Sums) -> Iterator[Table]:
    columns = {
        "called": sums.each("calls", "alias"),
        MESSAGES_SENT: sums.each("messages", "alias", state=SENT, queue=CODES),
        "delivered": sums.each("messages", "alias", state=DELIVERED, queue=CODES),
        "verified": sums.each("verified", "alias"),
    }
    yield _table("Provider", columns, words.alias, of=MESSAGES_SENT)
    channels = {known.alias: known.channel for known in standing.providers()}
    by_channel = {
        name: _regrouped(column, lambda alias: channels.get(alias, "others"))
        for name, column in columns.items()
    }
    yield _table("Channel", by_channel, str, of=MESSAGES_SENT)


def _by_purpose(sums: Sums) -> Table:
    columns = {
        "requested": sums.each("starts", "purpose"),
        CODES_SENT: sums.each("codes", "purpose", state=SENT),
        "delivered": sums.each("codes", "purpose", state=DELIVERED),
        "verified": sums.each("checks", "purpose", outcome=("valid",)),
    }
    return _table("Purpose", columns, str, of="requested")


def _regrouped(column: Mapping[str, int], group: Callable[[str], str]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for name, count in column.items():
        sums[group(name)] += count
    return sums


def _table(
    title: str,
    columns: Mapping[str, Counter[str]],
    shown: Callable[[str], str],
    *,
    of: str,
    spent: Counter[str] | None = None,
) -> Table:
    """``of``: the column of which the verified ones are a share."""
    names = sorted(set().union(*columns.values()), key=lambda name: (-columns[of][name], name))
    head = (*columns, "share", *(("money",) if spent is not None else ()))
    rows = []
    for name in filter(None, names):
        cells = [words.number(column[name]) for column in columns.values()]
        cells.append(words.share(columns["verified"][name], columns[of][name]))
        if spent is not None:
            cells.append(words.money(spent[name]))
        rows.append((shown(name), tuple(zip(head, cells, strict=True))))
    hint = f"Share: verified out of {of}." + (f" {HINT}" if MESSAGES_SENT in columns else "")
    return Table(title, hint, head, tuple(rows[:SHOWN]), tuple(rows[SHOWN:]))


def _plots(figures: Figures, period: Period) -> Iterator[plots.Plot]:
    times = [(began, tally.times(fields)) for began, fields in figures.each("times", period)]
    heads = [(head, kind) for _, head, kind in SHARES]
    for name, (title, label) in TIMES.items():
        values = []
        for began, known in times:
            found = _merged(known, name, label)
            values.append((began, [found.percentile(share) if found else None for share, _, _ in SHARES]))
        if plot := plots.times(title, heads, values, by_day=period is FORTNIGHT):
            yield plot


def _merged(known: Mapping[tally.Series, tally.Times], name: str, label: str) -> tally.Times | None:
    """The histogram of a name, for one label or all of them."""
    found = [times for of, times in known.items() if of.name == name and (not label or of.labels == (label,))]
    if not found:
        return None
    counts = tuple(map(sum, zip(*(times.counts for times in found), strict=True)))
    return tally.Times(counts, sum(times.seconds for times in found))


def _refused(periods: Sequence[Sums]) -> list[tuple[str, list[str]]]:
    """Each reason, and how often in each period."""
    columns = [_refusals(sums) for sums in periods]
    names = sorted(set().union(*columns), key=lambda name: (-columns[-1][name], name))
    return [(reason(name), [words.number(column[name]) for column in columns]) for name in names]


def _refusals(sums: Sums) -> Counter[str]:
    found = sums.each("starts", "outcome")
    for accepted in ("issued", "resent"):
        found.pop(accepted, None)
    found.update(
        {why: count for why, count in sums.each("let_through", "why").items() if why.startswith("shadow:")}
    )
    states = sums.each("messages", "state")
    found.update({state: count for state, count in states.items() if state.startswith("refused:")})
    checks = sums.each("checks", "outcome", outcome=("limited", "blocked"))
    found.update({f"check:{outcome}": count for outcome, count in checks.items()})
    return found


def reason(name: str) -> str:
    """Why something is refused, in words."""
    kind, _, what = name.partition(":")
    if kind == "limit":
        return f"limit {what}"
    if kind == "guard":
        return f"pumping guard: {words.GUARD.get(what, what)}"
    if kind == "shadow":
        return f"not refused, but the pumping guard would have: {words.GUARD.get(what, what)}"
    return REASONS.get(name, name)


def _queues(now: Standing) -> list[tuple[str, list[str]]]:
    names = {sms.OTP_QUEUE: "codes", sms.BULK_QUEUE: "plain messages"}
    return [
        (
            names.get(name, name),
            [
                words.number(queue.backlog),
                words.seconds(queue.oldest) if queue.backlog else words.NONE,
                words.number(queue.held_back),
                words.number(queue.unsettled),
            ],
        )
        for name, queue in now.queues.items()
    ]


def _budget_spent(figures: Figures, setting: guard.Setting) -> float:
    """The part of today's budget that is spent; 0 without a budget."""
    budget = setting.budget * guard.MICRO
    return figures.totals(FORTNIGHT, "spent|")[-1][1] / float(budget) if budget else 0.0


def _money(figures: Figures) -> dict[str, object] | None:
    """None without prices."""
    setting = guard.read()
    if not setting.prices:
        return None
    days = figures.totals(FORTNIGHT, "spent|")
    spent, budget = days[-1][1], int(setting.budget * guard.MICRO)
    values = [(began, float(micro), words.money(micro)) for began, micro in days]
    return {
        "today": words.money(spent),
        "budget": words.money(budget) if budget else "",
        "share": words.share(spent, budget),
        "plot": plots.bars("Money per day", "spent", values, by_day=True),
    }
