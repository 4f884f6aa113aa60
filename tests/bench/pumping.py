"""The pumping guard against attacks, in virtual time: the real script on a real server.

First come two weeks of honest traffic, from an installation without data. Then, for each shape of attack,
come two days of both, each from the same state: a launch day of one country, the first days of another. A
refused message counts as stopped, or as refused if it was honest.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.test import override_settings

from otp import conf
from otp.guard import decision
from otp.guard import settings as guard_settings
from otp.names import IN_LUA
from sms.scripts import Script
from tests.tagged import looking

from .attacks import BOUNDED, JUDGED, Shape
from .report import Goal, Measure
from .surroundings import Surroundings
from .traffic import HISTORY, Send, World

SEED = 20_240_617  # not one of those that the figures were chosen with

#: Per cent: the bars.
LEAST_STOPPED, MOST_REFUSED = 95.0, 0.5

DRIVER = Script(
    Path(__file__).with_suffix(".lua"), includes=(decision.INCLUDES,), keys=IN_LUA | {"PUMPING": "pumping:"}
)
BATCH = 500  # events of one call: some 50 ms of the server


@dataclass(slots=True)
class Outcome:
    """The fate of the messages of one run."""

    honest: int = 0
    refused: int = 0
    attack: int = 0
    stopped: int = 0
    saved: float = 0.0
    lost: float = 0.0  # spent on attack messages
    reasons: Counter[str] = field(default_factory=Counter)  # of honest refusals

    def add(self, other: Outcome) -> None:
        """Add up two runs."""
        for name in ("honest", "refused", "attack", "stopped", "saved", "lost"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.reasons += other.reasons

    @property
    def stopped_share(self) -> float:
        """Per cent of the attack's messages."""
        return 100 * self.stopped / max(self.attack, 1)

    @property
    def refused_share(self) -> float:
        """Per cent of honest messages."""
        return 100 * self.refused / max(self.honest, 1)


def run(sends: list[Send]) -> Outcome:
    """Let the guard decide about all of them in the order of time."""
    outcome = Outcome()
    events: list[tuple[float, int, int]] = []  # time, kind, number
    for number, send in enumerate(sends):
        events.append((send.at, 0, number))
        if send.verified:
            events.append((send.at + send.verified, 1, number))
    events.sort()
    for first in range(0, len(events), BATCH):
        batch: list[str] = []
        asked: list[Send] = []
        for at, kind, number in events[first : first + BATCH]:
            if kind:
                batch.append(f'{{"at":{at * 1000:.0f},"send":{number}}}')
                continue
            send = sends[number]
            if not send.event:
                ask = decision.ask(send.number, send.ip)
                send.event = json.dumps({"at": int(at * 1000), "send": number, "ask": ask})
            batch.append(send.event)
            asked.append(send)
        answers: list[bytes] = DRIVER((), (f"[{','.join(batch)}]",))
        for send, answer in zip(asked, answers, strict=True):
            _count(outcome, send, answer.decode())
    return outcome


def _count(outcome: Outcome, send: Send, answer: str) -> None:
    if send.attack:
        outcome.attack += 1
        outcome.stopped += bool(answer)
        outcome.saved += send.price if answer else 0.0
        outcome.lost += 0.0 if answer else send.price
    else:
        outcome.honest += 1
        outcome.refused += bool(answer)
        if answer:
            outcome.reasons[answer.partition(" ")[2]] += 1


def snapshot() -> dict[bytes, bytes]:
    """The state of the guard."""
    redis = looking()
    keys = list(redis.scan_iter("otp:guard*", count=1000))
    return dict(zip(keys, redis.mget(keys), strict=True)) if keys else {}


def restore(known: dict[bytes, bytes]) -> None:
    """Let the guard know this and nothing else."""
    redis = looking()
    redis.flushall()
    if known:
        redis.mset(known)


def simulate(seed: int, shapes: tuple[Shape, ...], scale: float, force: float) -> dict[str, Outcome]:
    """The outcome of each shape by its name, and of the two weeks before as ``history``."""
    world = World(seed, scale, force)
    looking().flushall()
    setting = {name: conf.default(name) for name in guard_settings.READERS} | {"GUARD_MODE": "enforce"}
    with override_settings(**setting):
        found = {"history": run(list(world.honest(0, HISTORY)))}
        known = snapshot()
        honest = list(world.honest(HISTORY, 2))
        for shape in shapes:
            restore(known)
            found[shape.__name__] = run(honest + list(shape(world)))
    return found


def total(outcomes: dict[str, Outcome]) -> Outcome:
    """All of them together."""
    every = Outcome()
    for outcome in outcomes.values():
        every.add(outcome)
    return every


def pumping(bench: Surroundings) -> Iterator[Measure]:
    """Shares of attack messages stopped and of honest ones refused, and the money, per shape."""
    bench.say("pumping: two weeks of honest traffic, then attacks")
    found = simulate(SEED, JUDGED + BOUNDED, 0.3 if bench.quick else 0.6, 0.6)
    history = found.pop("history")
    yield Measure(
        "honest refused by a new guard in two weeks without attack",
        "%",
        [history.refused_share],
        goal=Goal("ours", "<", MOST_REFUSED),
        note=f"{history.refused} of {history.honest} messages",
    )
    for shape in JUDGED + BOUNDED:
        yield from _measures(shape.__name__.replace("_", " "), found[shape.__name__])
    judged = total({shape.__name__: found[shape.__name__] for shape in JUDGED})
    yield from _measures("pumping", judged, goals=True)
    yield from _measures("pumping, with what can only be bounded", total(found))


def _measures(title: str, outcome: Outcome, *, goals: bool = False) -> Iterator[Measure]:
    note = (
        f"{outcome.attack} messages, saved {outcome.saved:.0f}, lost {outcome.lost:.1f}; "
        f"of {outcome.honest} honest {outcome.refused} refused"
        + ("" if goals else "; no goal of its own: the bars hold for the five judged shapes together")
    )
    stopped = Goal("ours", ">=", LEAST_STOPPED) if goals else None
    yield Measure(f"{title}, stopped", "%", [outcome.stopped_share], goal=stopped, note=note)
    refused = Goal("ours", "<", MOST_REFUSED) if goals else None
    yield Measure(f"{title}, honest refused", "%", [outcome.refused_share], goal=refused)
