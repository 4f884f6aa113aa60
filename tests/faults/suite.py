"""One row of the table: a fault, again and again, while messages are started."""

from __future__ import annotations

import random
import time
from dataclasses import replace

from redis.exceptions import RedisError

from tests.faults.kinds import Fault
from tests.faults.load import Load
from tests.faults.provider import PATIENCE
from tests.faults.report import SETTLED, Row, judge
from tests.faults.scene import Scene, scene

#: Seconds after which a fault has to be forgotten.
MOST_RECOVERY = 60.0

#: Seconds after the load in which every message must come to its end: a code's life, and a margin.
MOST_TO_SETTLE = 150.0


def run(fault: Fault, *, seed: int, seconds: float, rate: float) -> Row:
    """Let ``fault`` happen at random instants for about ``seconds`` under ``rate`` starts a second."""
    rng = random.Random(f"{seed} {fault.name}")
    with scene(rng, fault.servers, fault.stack, fault.main, fault.cells) as on:
        load = fault.load(on, rate)
        begun = time.monotonic()
        recoveries: list[float | None] = []
        problems: list[str] = []
        try:
            if not on.until(lambda: len(on.calls) >= 10, 20):
                problems.append("no load before the fault")
            while not problems and (not recoveries or time.monotonic() - begun < seconds):
                on.pause(rng.uniform(1, 4))
                problems += _once(fault, on, load, recoveries)
                if fault.once:
                    break
            on.pause(1)
        finally:
            load.stop()
        problems += load.problems
        lasted = time.monotonic() - begun
        on.until(lambda: _settled(on, load), MOST_TO_SETTLE)
        if answers := on.postman.forged.keys() - {403}:
            problems.append(f"forged receipts were answered {answers}")
        if on.main.longest_held > PATIENCE + 1.5:
            problems.append(f"a call lasted {on.main.longest_held:.1f} s, its timeout is {PATIENCE} s")
        ends = on.ends()
        # An SMSC knows messages by their numbers.
        ids = {start.phone: ends[start.id].message for start in load.starts if start.id in ends}
        return judge(
            fault.name,
            definite=fault.definite,
            starts=load.starts,
            calls=[replace(call, reference=ids.get(call.reference, call.reference)) for call in on.calls],
            ends=ends,
            delivered={ids.get(one, one) for one in on.postman.delivered},
            doubts=[
                doubt._replace(messages={ids.get(one, one) for one in doubt.messages}) for doubt in on.doubts
            ],
            recoveries=recoveries,
            seconds=lasted,
            restarts=on.restarts,
            problems=problems,
        )


def _once(fault: Fault, on: Scene, load: Load, recoveries: list[float | None]) -> list[str]:
    """Let it happen; what was wrong with that."""
    began, on.over_at = time.monotonic(), None
    on.began_at = began
    try:
        fault.inject(on)
    except AssertionError as error:
        return [str(error)]
    over_at = on.over_at or time.monotonic()
    on.until(lambda: on.recovery(load, over_at, fault.alias) is not None, MOST_RECOVERY)
    recoveries.append(on.recovery(load, over_at, fault.alias))
    # Begun in it or hanging in it: when Redis is paused, all callers wait for one request each.
    during = [start for start in load.starts if start.begun <= over_at and start.answered >= began]
    if not during:
        return ["no load while it happened"]
    others = [start for start in during if on.befallen and start.cell(fault.cells) not in on.befallen]
    refused = sorted({start.status for start in others if not start.accepted})
    return [f"starts of phones that it is not about were answered {refused}"] if refused else []


def _settled(on: Scene, load: Load) -> bool:
    try:
        ends, more_to_come = on.ends(), on.goes_on()
    except RedisError:
        return False
    if more_to_come:
        return False
    ids = [start.id for start in load.starts if start.accepted]
    return all(id in ends and ends[id].state in SETTLED for id in ids) and on.postman.idle and on.main.idle
