"""What happened how often, and how long it took: counted in Redis by the scripts that do it.

Each family is a hash of all time, one of each day and one of each hour (UTC); days and hours are kept for 35
days. So the figures are the same for every process and outlive restarts, and counting costs no round trip.
A script adds to one hash alone, the fresh one. Whoever reads the figures has it folded into the others first.

A field is a name and its labels with ``|`` between, see ``LABELS``. All labels but a vendor's word are known
to the configuration, or are countries. Still a hash must not grow without end. Once it holds 5,000 fields a
new one has ``other`` for its country or vendor's word, so that a new provider is still told apart; from 7,000
on all its labels become that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from sms.names import IN_LUA, TALLY, key
from sms.scripts import Script, client

#: The labels of each name in ``counts`` and ``words``, in their order.
LABELS: dict[str, tuple[str, ...]] = {
    # How starts and resends ended: issued, resent, or what refused: cooldown, pause, overloaded, challenge,
    # limit:<name of the rule>, guard:<reason>.
    "starts": ("outcome", "purpose", "country", "api_key"),
    # Issued although the guard would have refused it: shadow:<reason>, or allowed:<reason>.
    "let_through": ("why", "purpose", "country", "api_key"),
    # Millionths of the currency of GUARD_PRICES.
    "spent": ("country",),
    # Guesses: valid, invalid, blocked, expired (no live code), limited.
    "checks": ("outcome", "purpose", "api_key"),
    "cancelled": ("purpose",),
    # Codes that were typed, by who had sent them.
    "verified": ("alias", "country"),
    # States that messages reached; queued: accepted; refused:overloaded and refused:opted_out: not accepted.
    "messages": ("state", "alias", "country", "queue"),
    # The same of messages with a code, by what that is for; without refusals. Sent: by whichever alias, once.
    "codes": ("state", "purpose"),
    # Calls of a provider: accepted, temporary, refused (the number or text), unreachable
    # (the number has not this channel), account, unknown, worker_died.
    "calls": ("outcome", "alias", "country"),
    # Delivery reports that were believed, repeated ones too.
    "receipts": ("state", "alias", "country"),
    # How often a breaker opened; without a country: everywhere.
    "left_out": ("alias", "country"),
    # Look-ups of numbers: answered, failed, late, cached, or not asked: left_out, per_day.
    "lookups": ("outcome", "lookup"),
    # Events: delivered, retried (a try failed), dead (the last one did), dropped (too many wait).
    "events": ("outcome", "type"),
    # In ``words``: what vendors said of a call or in a receipt.
    "call": ("outcome", "alias", "word"),
    "receipt": ("state", "alias", "word"),
}

#: What ``times`` measures, and the label of each.
TIMES = {
    "to_sent": "queue",  # accepted until a provider had it
    "call": "alias",  # one call of a provider
    "to_delivered": "alias",  # a provider had it until the receipt
    "to_verified": "alias",  # accepted until its code was typed
}

#: The bounds of the histograms in seconds: powers of two of a millisecond; what took longer has no bound.
BOUNDS: tuple[float, ...] = tuple(2**power / 1000 for power in range(21))

Family = Literal["counts", "words", "times"]
Unit = Literal["day", "hour"]

#: Seconds.
LENGTH: Mapping[Unit, int] = {"hour": 3600, "day": 86400}

_fold = Script(Path(__file__).parent / "lua" / "fold.lua", keys=IN_LUA)

#: What stands for the labels of what was too much for a hash.
OTHER = "other"


class Series(NamedTuple):
    """One name with its labels."""

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """A histogram: how many took at most each of ``BOUNDS``, then how many took longer."""

    counts: tuple[int, ...]
    seconds: float  # in all

    @property
    def count(self) -> int:
        return sum(self.counts)

    def percentile(self, share: float) -> float | None:
        """The time within which that share was done, guessed between two bounds; None where there is none."""
        left = self.count * share
        if not self.count:
            return None
        lower = 0.0
        for number, bound in zip(self.counts, (*BOUNDS, BOUNDS[-1] * 2), strict=True):
            if number and left <= number:
                return lower + (bound - lower) * left / number
            left, lower = left - number, bound
        return lower


def place(family: Family, unit: Unit | None = None, number: int = 0) -> str:
    """The key of a hash; ``number``: of the day or hour since the epoch."""
    return key(f"{TALLY}{family}:{unit}:{number}" if unit else f"{TALLY}{family}:all")


def read(family: Family, unit: Unit | None = None, numbers: Sequence[int] = ()) -> list[dict[str, int]]:
    """The fields of these days or hours, in their order, or of all time. Raises ``Unavailable``."""
    return read_places([place(family, unit, number) for number in numbers] if unit else [place(family)])


def everything() -> dict[Family, dict[str, int]]:
    """The fields of all time by family. Raises ``Unavailable``."""
    families = get_args(Family)
    return dict(zip(families, read_places(list(map(place, families))), strict=True))


def read_places(places: Sequence[str]) -> list[dict[str, int]]:
    """The fields of the hashes under these keys, see ``place``. One round trip; raises ``Unavailable``."""
    with client() as redis:
        pipe = redis.pipeline(transaction=False)
        _fold.join(pipe, (), get_args(Family))
        for name in places:
            pipe.hgetall(name)
        _, *found = pipe.execute()
    return [{field.decode(): int(value) for field, value in fields.items()} for fields in found]


def series(fields: Mapping[str, int]) -> Iterator[tuple[Series, int]]:
    """What fields of ``counts`` or ``words`` say. A name that this version does not know is passed over."""
    for field, value in fields.items():
        name, *labels = field.split("|", len(LABELS.get(field.partition("|")[0], ())))
        known = LABELS.get(name)
        if known is not None:
            # One that is other, or of a version with fewer labels.
            labels += [OTHER if OTHER in labels[:1] else ""] * (len(known) - len(labels))
            yield Series(name, tuple(labels)), value


def times(fields: Mapping[str, int]) -> dict[Series, Times]:
    """What fields of ``times`` say, by name and label."""
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
