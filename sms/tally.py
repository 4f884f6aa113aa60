"""The tally: how often things happened and how long they took, counted in Redis by the scripts that do them.

Each family is one hash of all time, one for each day and one for each hour (UTC). Days and hours are kept for
35 days. So all processes see the same figures, which outlive restarts, and counting costs no round trip.
Scripts add to one hash only, the fresh one. It is folded into the others before figures are read. Each cell
has hashes of its own (see ``sms.cells``), which are added up.

A field is a name and its labels with ``|`` between, see ``LABELS``. Labels are countries or come from the
configuration, except vendors' words. To bound a hash, new fields get coarser labels: from 5,000 fields on,
``other`` replaces the country or the vendor's word, so that a new provider can still be told apart. From
7,000 on, ``other`` replaces all labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from sms import cells
from sms.cells import HUB
from sms.names import IN_LUA, TALLY, key
from sms.scripts import Script, gather

#: The labels of each name in ``counts`` and ``words``, in order.
LABELS: dict[str, tuple[str, ...]] = {
    # How starts and resends ended: issued, resent, or refused: cooldown, pause, overloaded, challenge,
    # limit:<name of the rule>, guard:<reason>.
    "starts": ("outcome", "purpose", "country", "api_key"),
    # Issued although the guard refused: shadow:<reason> or allowed:<reason>.
    "let_through": ("why", "purpose", "country", "api_key"),
    # In millionths of the currency of GUARD_PRICES.
    "spent": ("country",),
    # Guesses: valid, invalid, blocked, expired (no live code), limited.
    "checks": ("outcome", "purpose", "api_key"),
    "cancelled": ("purpose",),
    # Codes that were typed, by the alias that sent them.
    "verified": ("alias", "country"),
    # States that messages reached. queued: accepted. refused:overloaded, refused:opted_out: not accepted.
    "messages": ("state", "alias", "country", "queue"),
    # The same for messages with a code, by purpose, without refusals. sent: once, by whichever alias.
    "codes": ("state", "purpose"),
    # Calls of a provider: accepted, temporary, refused (the number or text), unreachable
    # (the number cannot be reached by this channel), account, unknown, worker_died.
    "calls": ("outcome", "alias", "country"),
    # Authentic delivery reports, including repeated ones.
    "receipts": ("state", "alias", "country"),
    # How often a breaker opened; without a country: everywhere.
    "left_out": ("alias", "country"),
    # Look-ups of numbers: answered, failed, late, cached; not asked: left_out, per_day.
    "lookups": ("outcome", "lookup"),
    # Events: delivered, retried (a try failed), dead (the last try failed), dropped (too many wait).
    "events": ("outcome", "type"),
    # In ``words``: vendors' words in answers and receipts.
    "call": ("outcome", "alias", "word"),
    "receipt": ("state", "alias", "word"),
}

#: The durations in ``times``, and the label of each.
TIMES = {
    "to_sent": "queue",  # from accepted to taken by a provider
    "call": "alias",  # one call of a provider
    "to_delivered": "alias",  # from taken by a provider to the receipt
    "to_verified": "alias",  # from accepted to the code typed
}

#: The bounds of the histograms in seconds: 1 ms times powers of two. One more bucket has no bound.
BOUNDS: tuple[float, ...] = tuple(2**power / 1000 for power in range(21))

Family = Literal["counts", "words", "times"]
Unit = Literal["day", "hour"]

#: Seconds.
LENGTH: Mapping[Unit, int] = {"hour": 3600, "day": 86400}

_fold = Script(Path(__file__).parent / "lua" / "fold.lua", keys=IN_LUA)

#: Stands for labels of fields for which a hash had no room.
OTHER = "other"


class Span(NamedTuple):
    """A family in one day, in one hour, or of all time."""

    family: Family
    unit: Unit | None = None
    number: int = 0  # of the day or hour since the epoch


class Series(NamedTuple):
    """A name with its labels."""

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """A histogram: how many took at most each of ``BOUNDS``, then how many took longer."""

    counts: tuple[int, ...]
    seconds: float  # total

    @property
    def count(self) -> int:
        return sum(self.counts)

    def percentile(self, share: float) -> float | None:
        """The duration in seconds within which this share was done, interpolated. None if there is none."""
        left = self.count * share
        if not self.count:
            return None
        lower = 0.0
        for number, bound in zip(self.counts, (*BOUNDS, BOUNDS[-1] * 2), strict=True):
            if number and left <= number:
                return lower + (bound - lower) * left / number
            left, lower = left - number, bound
        return lower


def place(family: Family, unit: Unit | None = None, number: int = 0, cell: int = HUB) -> str:
    """The key of the hash that a cell has for a span."""
    return key(f"{TALLY}{family}:{unit}:{number}" if unit else f"{TALLY}{family}:all", cell)


def read(family: Family, unit: Unit | None = None, numbers: Sequence[int] = ()) -> list[dict[str, int]]:
    """The fields of these days or hours, in order, or of all time. Raises ``Unavailable``."""
    return read_spans([Span(family, unit, number) for number in numbers] if unit else [Span(family)])


def everything() -> dict[Family, dict[str, int]]:
    """The fields of all time by family. Raises ``Unavailable``."""
    families = get_args(Family)
    return dict(zip(families, read_spans(list(map(Span, families))), strict=True))


def read_spans(spans: Sequence[Span]) -> list[dict[str, int]]:
    """The fields of these spans. One round trip for each server. Raises ``Unavailable``."""

    def put(pipe: Any, cell: int) -> None:
        _fold.join(pipe, (), get_args(Family), cell)
        for span in spans:
            pipe.hgetall(place(*span, cell=cell))

    found = (answers[1:] for answers in gather(cells.every(), put).values())
    return [added_up(hashes) for hashes in zip(*found, strict=True)]


def added_up(hashes: Iterable[Mapping[bytes, bytes]]) -> dict[str, int]:
    """The sums of the fields of one hash, as each cell has it."""
    first, *others = hashes
    sums = {field.decode(): int(value) for field, value in first.items()}
    for fields in others:
        for field, value in fields.items():
            name = field.decode()
            sums[name] = sums.get(name, 0) + int(value)
    return sums


def series(fields: Mapping[str, int]) -> Iterator[tuple[Series, int]]:
    """Parse fields of ``counts`` or ``words``. Skips names that this version does not know."""
    for field, value in fields.items():
        name, *labels = field.split("|", len(LABELS.get(field.partition("|")[0], ())))
        known = LABELS.get(name)
        if known is not None:
            # The field became "other", or is of a version with fewer labels.
            labels += [OTHER if OTHER in labels[:1] else ""] * (len(known) - len(labels))
            yield Series(name, tuple(labels)), value


def times(fields: Mapping[str, int]) -> dict[Series, Times]:
    """Parse fields of ``times``, by name and label."""
    sums: dict[Series, int] = {}
    counts: dict[Series, list[int]] = {}
    for field, value in fields.items():
        name, _, rest = field.partition("|")
        label, _, power = rest.rpartition("|")
        of = Series(name, (label,))
        if name not in TIMES or not (power == "sum" or power.isdecimal()):
            continue
        if power == "sum":
            sums[of] = value
        else:
            counts.setdefault(of, [0] * (len(BOUNDS) + 1))[min(int(power), len(BOUNDS))] += value
    return {of: Times(tuple(found), sums.get(of, 0) / 1000) for of, found in counts.items()}
