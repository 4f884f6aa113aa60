"""The pumping guard: the scopes of ``manage.py guard``, the refusals, and orders of an operator."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from otp.api.access import Access
from otp.dashboard import plots, words
from otp.dashboard.door import FINE, MIND, WRONG, acts, live, looks, note_act, say
from otp.dashboard.figures import FORTNIGHT, PERIODS, Figures, Sums, read
from otp.dashboard.words import Moment
from otp.guard import orders, report, settings
from otp.guard.report import Row, Window

#: Countries in the table.
SHOWN = 10

#: The counts of a scope: the heads of the table, and the labels of a card on a phone.
COUNTS = ("sent / verified, 1 h", "unverified / cap, 1 h", "sent / verified, 1 d", "unverified / cap, 1 d")

#: The mode in a sentence.
MODES = {
    "off": "The guard is off: it counts nothing and refuses nothing.",
    "shadow": "Shadow mode: the guard reports what it would refuse, and refuses nothing.",
    "enforce": "The guard is enforced: a scope over its cap gets no codes.",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A scope as the table shows it."""

    scope: str
    name: str
    cells: tuple[tuple[str, str], ...]  # each with its label
    refused: str
    state: str
    until: Moment | None
    tone: str  # a class of dashboard.css
    can_release: bool
    can_rule: bool


@looks
def guard(request: HttpRequest, access: Access, seconds: float) -> HttpResponse:
    """Show what the guard counts and refuses. Four round trips."""
    setting = settings.read()
    figures = read({"counts": PERIODS.values()}, now=seconds)
    sums = [figures.sums("counts", period) for period in PERIODS.values()]
    context = {
        "mode": setting.mode,
        "sentence": MODES[setting.mode],
        "periods": PERIODS.values(),
        "reasons": _reasons(sums),
        "countries": list(_countries(sums[-1])),
        "plot": _plot(figures),
        "allowed": sorted(setting.allow),
        "counts": COUNTS,
        "refused": f"refused by this cap{'' if setting.mode == 'enforce' else ' or would be'}, 1 d",
        "lines": [_line(row, "bad" if setting.mode == "enforce" else "mind") for row in report.noticed()],
        "budget": _budget(figures, setting),
    }
    return live(request, access, "guard", context)


@acts
def guard_order(request: HttpRequest, access: Access) -> HttpResponse:
    """Carry out an order, from the button of a row (``release=DE``) or the form (word, scope, hours)."""
    response = HttpResponseRedirect(reverse("dashboard:guard"), status=303)
    word = request.POST.get("word", "")
    scope = request.POST.get("scope", "").strip()
    for name in orders.WORDS:
        if name in request.POST:
            word, scope = name, request.POST[name]
    try:
        if word not in orders.WORDS:
            raise orders.BadOrder("The order must be allow, block or release.")
        # A button may name a range by its digest. The rule is set for the range.
        done = orders.carry_out(word, report.readable(scope), _hours(request))
    except orders.BadOrder as error:
        note_act("guard_order", "refused", word=word)  # the scope is not logged: it may be a phone number
        say(response, f"Nothing was done: {error}", tone=WRONG)
    else:
        note_act("guard_order", "done", word=word, scope=report.readable(scope))
        until = words.moment(done.until) if done.until else None
        say(response, done.what, until=until, rest=f"{done.but}.", tone=MIND if done.but else FINE)
    return response


def _hours(request: HttpRequest) -> float | None:
    """None stands for the default. Raises ``BadOrder``."""
    text = request.POST.get("hours", "").strip()
    try:
        return float(text) if text else None
    except ValueError:
        raise orders.BadOrder(f"{text!r} is not a number of hours.") from None


def _line(row: Row, tone: str) -> Line:
    """``tone``: for a scope that gets no codes, or would get none."""
    readable = report.readable(row.scope)
    ruled_only = row.kind == "rule"
    cells = (words.NONE,) * 4 if ruled_only else (*_cells(row.hour), *_cells(row.day))
    is_place = row.kind in ("country", "prefix") or bool(row.rule)
    return Line(
        row.scope,
        _name(row, readable),
        tuple(zip(COUNTS, cells, strict=True)),
        words.number(round(row.refused)),
        row.state,
        words.moment_of(row.rule_until) if row.rule else None,
        tone=tone if row.over or row.rule == "block" else "",
        can_release=row.scope != report.BUDGET and bool(row.rule or row.over or row.refused >= 1),
        can_rule=is_place,
    )


def _name(row: Row, readable: str) -> str:
    if row.scope == report.NEW:
        return "all new countries"
    if row.scope == report.BUDGET:
        return "the budget"
    if row.kind == "address":
        return f"address {readable.removeprefix('ip:')[:8]}"
    return readable if readable.startswith("+") else words.country(readable)


def _cells(window: Window) -> tuple[str, str]:
    return (
        f"{words.number(window.sends)} / {words.number(window.verified)}",
        f"{math.ceil(max(window.unverified, 0)):,} / {math.floor(window.cap):,}",
    )


def _refusals(sums: Sums, *labels: str) -> Counter[tuple[str, ...]]:
    """The refusals, and those of shadow mode, by reason and more labels."""
    found: Counter[tuple[str, ...]] = Counter()
    for name, label, before in (("starts", "outcome", "guard:"), ("let_through", "why", "shadow:")):
        for (why, *rest), count in sums.by(name, label, *labels).items():
            if why.startswith(before):
                found[name, why.removeprefix(before), *rest] += count
    return found


def _reasons(sums: list[Sums]) -> list[tuple[str, str, list[str]]]:
    """Each reason, whether it refused or only would have, and how often in each period."""
    columns = [_refusals(each) for each in sums]
    names = sorted(set().union(*columns), key=lambda name: (-columns[-1][name], name))
    return [
        (
            words.GUARD.get(why, why),
            "refused" if name == "starts" else "would be refused",
            [words.number(column[name, why]) for column in columns],
        )
        for name, why in names
    ]


def _countries(sums: Sums) -> Iterator[tuple[str, str, str]]:
    """Each country with refusals, real or of shadow mode: how many, and their share of the codes."""
    found: Counter[str] = Counter()
    for (_, _, country), count in _refusals(sums, "country").items():
        found[country] += count
    asked = sums.each("starts", "country")
    for country, count in found.most_common(SHOWN):
        yield words.country(country), words.number(count), words.share(count, asked[country])


def _plot(figures: Figures) -> plots.Plot | None:
    counted = figures.totals(FORTNIGHT, "starts|guard:", "let_through|shadow:")
    days = [(began, float(count), words.number(count)) for began, count in counted]
    return plots.bars("Refused, or would be, per day", "codes", days, by_day=True)


def _budget(figures: Figures, setting: settings.Setting) -> str:
    """What was spent of today's budget (UTC); "" without prices."""
    if not setting.prices:
        return ""
    _, spent = figures.totals(FORTNIGHT, "spent|")[-1]
    of = f" of {setting.budget:,}" if setting.budget else ", no budget set"
    return f"{words.money(spent)}{of}"
