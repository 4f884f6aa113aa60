"""The faults: what happens, and what is promised while it does.

A fault is one function that begins it, ends it and returns; it is called several times, at
random instants, under load. To add one, write the function and put it into ``FAULTS``.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from sms import ids
from sms.services import OTP_QUEUE
from tests.faults import clients, hooks, silent, upgrade
from tests.faults.channels import (
    Addresses,
    MailFirst,
    ScriptedCalls,
    ScriptedMail,
    ScriptedTelegram,
    ScriptedWhatsApp,
)
from tests.faults.load import Load
from tests.faults.provider import SLOW, USUAL, Call, DeduplicatingProvider, Mood, ScriptedProvider
from tests.faults.rabbitmq import missing
from tests.faults.receipts import Manner
from tests.faults.report import Doubt
from tests.faults.scene import (
    RESTART_AFTER,
    Scene,
    Servers,
    cluster,
    one_server,
    rabbitmq,
    rabbitmq_nodes,
    sentinels,
    several,
    several_and_rabbitmq_nodes,
    two_servers,
)
from tests.faults.smsc import ScriptedSmsc
from tests.faults.stack import Stack

#: Seconds for which a left-out alias may get no call: the pause of the breaker, and a probe's time.
UNTIL_ASKED = 40.0


@dataclass(frozen=True, slots=True)
class Fault:
    """``definite``: every call has an outcome that is known, so no message may end as unknown or be doubled.

    Doubled may be only what ``inject`` or the supervisor notes as in doubt: what a worker held when it died,
    and messages whose call was not answered. Answers while Redis is away are recorded when it is back.
    ``servers``: what holds the records and the queues. ``alias``: the provider that a message must reach
    again before all counts as recovered; "": either. ``main``: the kind of the first provider of the route.
    ``stack``: what runs at first. ``cells``: over how many the phones are spread. ``load``: who asks for
    codes. ``once``: it cannot happen again.
    """

    name: str
    inject: Callable[[Scene], None]
    definite: bool = True
    servers: Servers = one_server
    missing: str = ""  # what this machine lacks for it
    alias: str = ""
    stack: type[Stack] = Stack
    main: type[ScriptedProvider] = ScriptedProvider
    load: Callable[[Scene, float], Load] = lambda scene, rate: Load(scene.stack, rate)
    once: bool = False
    cells: int = 1


@contextmanager
def _calls_in_hand(scene: Scene) -> Iterator[None]:
    """Inside it, the worker has several calls under way."""
    scene.main.answers_after = SLOW
    scene.pause(2 * SLOW)
    try:
        assert scene.until(lambda: len(scene.main.in_hand) > 1, UNTIL_ASKED), "no calls were under way"
        yield
    finally:
        scene.main.answers_after = USUAL


def _worker_killed(scene: Scene) -> None:
    with _calls_in_hand(scene):
        since = time.monotonic()
        scene.stack.kill("worker")
        until = time.monotonic()
    scene.doubt_what_is_in_hand(since, until)
    assert scene.doubts[-1].messages, "the worker had nothing in hand"
    _restart(scene, "worker")


def _worker_stopped(scene: Scene) -> None:
    with _calls_in_hand(scene):
        scene.stack.kill("worker", signal.SIGTERM)
    _restart(scene, "worker")


def _web_killed(scene: Scene) -> None:
    scene.stack.kill("web")
    _restart(scene, "web")


def _beat_killed(scene: Scene) -> None:
    """The broker loses its entries while no beat can bring them back."""
    scene.stack.kill("beat")
    worker = scene.stack.processes["worker"]
    worker.send_signal(signal.SIGSTOP)  # so that something is queued
    try:
        scene.pause(0.5)
        assert scene.redis.delete(OTP_QUEUE), "nothing was queued"
    finally:
        worker.send_signal(signal.SIGCONT)
    scene.pause(scene.rng.uniform(3, 6))
    _restart(scene, "beat")


def _two_beats(scene: Scene) -> None:
    second = scene.stack.spawn("beat-2")
    scene.pause(scene.rng.uniform(5, 9))  # it takes 2 s to start
    assert scene.stack.processes.get("beat-2") is second, "the second one did not stay"
    scene.stack.kill("beat-2")


def _redis_away(seconds: float) -> Callable[[Scene], None]:
    def inject(scene: Scene) -> None:
        with _calls_in_hand(scene):
            scene.store.kill()
        scene.pause(seconds)
        scene.over()
        scene.store.start()

    return inject


def _redis_paused(scene: Scene) -> None:
    with _calls_in_hand(scene):
        scene.store.process.send_signal(signal.SIGSTOP)
    try:
        scene.pause(5)
    finally:
        scene.store.process.send_signal(signal.SIGCONT)


def _broker_away(scene: Scene) -> None:
    with _calls_in_hand(scene):
        scene.broker.kill()
    scene.pause(10)
    scene.over()
    scene.broker.start()


def _master_killed(scene: Scene) -> None:
    """The sentinels make the replica the master; the old one comes back as its replica."""
    with _calls_in_hand(scene):
        scene.store.kill_master()
    scene.store.bring_back()


def _cluster_master_killed(scene: Scene) -> None:
    """The replica takes over from the master that has our keys; the old one comes back as its replica."""
    with _calls_in_hand(scene):
        scene.store.master.kill()
    scene.pause(scene.rng.uniform(2, 4))  # as long as an election may take
    scene.store.let_the_replica_follow()
    scene.over()
    scene.store.bring_back()


def _cluster_slot_migrated(scene: Scene) -> None:
    """The slot of our keys goes to another master, key by key, and the others hear of it last."""
    with _calls_in_hand(scene):
        scene.store.begin_to_move()
        scene.pause(scene.rng.uniform(1, 3))
        scene.store.move_keys()
        scene.store.end_to_move()
    scene.over()


#: Over how many cells phones are spread in the rows about cells, and one that is not at the hub's node.
CELLS, ONE_CELL = 16, 1


def _for_some(inject: Callable[[Scene], None], only: int = 0) -> Callable[[Scene], None]:
    """It befalls the cells of one node, or ``only`` one: phones of the others go on getting codes."""

    def inject_it(scene: Scene) -> None:
        befallen = scene.befallen = {only} if only else scene.store.cells
        assert befallen, "no phone is on that node"
        inject(scene)
        until = scene.over_at or time.monotonic()
        lately = [call for call in scene.calls if until - 1 < call.begun < until]
        assert any(ids.cell_of(call.reference) not in befallen for call in lately), "the others stood still"

    return inject_it


def _of_cells() -> Iterator[Fault]:
    """What may happen to one of several masters or servers."""
    in_cells = partial(Fault, definite=False, cells=CELLS)
    # As docs/scale.md wants it with cells.
    of_masters = partial(cluster, full_coverage="no")
    in_cluster = partial(in_cells, servers=partial(of_masters, ONE_CELL))
    yield in_cells("cells-hub-killed", _cluster_master_killed, servers=of_masters)
    yield in_cluster("cells-master-killed", _for_some(_cluster_master_killed))
    yield in_cluster("cells-master-paused", _for_some(_redis_paused))
    yield in_cluster("cells-slot-migrated", _for_some(_cluster_slot_migrated, ONE_CELL))
    yield in_cells("cells-server-killed", _for_some(_redis_away(10)), servers=several)
    yield in_cells("cells-first-server-killed", _for_some(_redis_away(10)), servers=partial(several, 0))
    yield in_cells("cells-first-server-paused", _for_some(_redis_paused), servers=partial(several, 0))
    yield in_cells(
        "cells-rabbitmq-node-killed",
        _rabbitmq_node_killed,
        servers=several_and_rabbitmq_nodes,
        missing=missing(),
    )


def _master_handed_over(scene: Scene) -> None:
    """The sentinels make the replica the master, as before an upgrade; the old one becomes its replica."""
    with _calls_in_hand(scene):
        scene.store.fail_over()
    scene.over()


def _rabbitmq_restarted(scene: Scene) -> None:
    with _calls_in_hand(scene):
        scene.broker.stop()
    scene.broker.start()


def _rabbitmq_node_killed(scene: Scene) -> None:
    with _calls_in_hand(scene):
        scene.broker.kill_node()
    scene.pause(5)
    scene.over()
    scene.broker.bring_back()


def _restart(scene: Scene, name: str) -> None:
    scene.pause(RESTART_AFTER)
    scene.over()
    scene.stack.start(name)


def _provider(mood: Mood) -> Callable[[Scene], None]:
    def inject(scene: Scene) -> None:
        before, since = len(scene.calls), time.monotonic()

        def spoilt() -> list[Call]:
            return [call for call in scene.calls[before:] if call.mood == mood]

        scene.main.turn(mood)
        try:
            if mood == "refuse":
                # This provider sees no call: the first one that it refuses goes to the other provider.
                found = scene.until(lambda: any(c.alias != "main" for c in scene.calls[before:]), UNTIL_ASKED)
            else:
                # If it is still left out since the last time, it is asked again only when its pause is over.
                found = scene.until(lambda: bool(spoilt()), UNTIL_ASKED)
            assert found, f"no call met a provider in the mood {mood!r}"
            scene.pause(scene.rng.uniform(3, 6))
        finally:
            scene.main.turn("well")
            scene.over()
        until = time.monotonic()
        scene.pause(0.5)  # for the calls that came before the turn
        scene.doubts.append(Doubt(since, until, {call.reference for call in spoilt() if call.taken}))

    return inject


def _smsc_dies(scene: Scene) -> None:
    """It dies with messages in its window, and comes back with the receipts that it has still to tell."""
    since = time.monotonic()
    scene.main.turn("refuse")
    scene.pause(scene.rng.uniform(3, 6))
    scene.main.turn("well")
    scene.over()
    until = time.monotonic()
    taken = {call.reference for call in scene.calls if call.alias == "main" and call.at >= since}
    scene.doubts.append(Doubt(since, until, taken))


def _both_fail(scene: Scene) -> None:
    """No alias takes anything for longer than the first round waits: the rounds bring it all home."""
    before = len(scene.calls)
    for provider in (scene.main, scene.spare):
        provider.turn("error")
    try:
        scene.pause(scene.rng.uniform(5, 8))
    finally:
        for provider in (scene.main, scene.spare):
            provider.turn("well")
        scene.over()
    failed = {call.alias for call in scene.calls[before:] if not call.taken}
    assert failed == {"main", "spare"}, f"calls failed at {failed} only"


def _receipts(manner: Manner) -> Callable[[Scene], None]:
    def inject(scene: Scene) -> None:
        before = scene.postman.strange
        scene.postman.manner = manner
        scene.pause(scene.rng.uniform(3, 6))
        scene.postman.manner = "usual"
        assert scene.postman.strange > before, f"no receipt was {manner}"

    return inject


def _of_other_channels() -> Iterator[Fault]:
    """Providers of the other channels may fail in the same ways."""
    by_number = partial(Fault, alias="main")
    by_address = partial(by_number, stack=MailFirst, load=lambda scene, rate: Addresses(scene.stack, rate))
    kinds = {
        "whatsapp": partial(by_number, main=ScriptedWhatsApp),
        "telegram": partial(by_number, main=ScriptedTelegram),
        "voice": partial(by_number, main=ScriptedCalls),
        "email": partial(by_address, main=ScriptedMail),
    }
    moods: tuple[Mood, ...] = ("throttle", "hang", "reset", "garbage")
    for channel, fault in kinds.items():
        for mood in moods:
            yield fault(f"{channel}-{mood}", _provider(mood), definite=mood == "throttle")


FAULTS = {
    fault.name: fault
    for fault in (
        *_of_other_channels(),
        Fault("worker-killed", _worker_killed, definite=False),
        Fault("worker-stopped", _worker_stopped),
        Fault("web-killed", _web_killed),
        Fault("beat-killed", _beat_killed),
        Fault("two-beats", _two_beats),
        Fault("redis-killed", _redis_away(RESTART_AFTER), definite=False),
        Fault("redis-away-15", _redis_away(15), definite=False),
        Fault("redis-away-60", _redis_away(60), definite=False),
        Fault("redis-paused", _redis_paused, definite=False),
        Fault("broker-away", _broker_away, definite=False, servers=two_servers),
        Fault("master-killed", _master_killed, definite=False, servers=sentinels),
        Fault("master-handed-over", _master_handed_over, definite=False, servers=sentinels),
        Fault("cluster-master-killed", _cluster_master_killed, definite=False, servers=cluster),
        Fault("cluster-slot-migrated", _cluster_slot_migrated, definite=False, servers=cluster),
        Fault("cluster-master-paused", _redis_paused, definite=False, servers=cluster),
        Fault("cluster-broker-away", _broker_away, definite=False, servers=cluster),
        *_of_cells(),
        Fault("rabbitmq-restarted", _rabbitmq_restarted, definite=False, servers=rabbitmq, missing=missing()),
        Fault(
            "rabbitmq-node-killed",
            _rabbitmq_node_killed,
            definite=False,
            servers=rabbitmq_nodes,
            missing=missing(),
        ),
        Fault("provider-refuses", _provider("refuse"), alias="main"),
        Fault("provider-500", _provider("error"), alias="main"),
        Fault("provider-throttles", _provider("throttle"), alias="main"),
        Fault("provider-hangs", _provider("hang"), definite=False, alias="main"),
        Fault("deduplicator-hangs", _provider("hang"), alias="main", main=DeduplicatingProvider),
        Fault("smsc-dies", _smsc_dies, definite=False, alias="main", main=ScriptedSmsc),
        Fault("provider-resets", _provider("reset"), definite=False, alias="main"),
        Fault("provider-garbage", _provider("garbage"), definite=False, alias="main"),
        Fault("provider-drips", _provider("drip"), definite=False, alias="main"),
        Fault("both-providers-500", _both_fail, alias="main"),
        Fault("channel-silent", silent.wait, stack=silent.TwoChannels, main=ScriptedWhatsApp),
        Fault("receipts-late", _receipts("late")),
        Fault("receipts-doubled", _receipts("doubled")),
        Fault("receipts-forged", _receipts("forged")),
        Fault("receipts-first", _receipts("first")),
        Fault("webhook-receiver-hangs", hooks.hang, stack=hooks.ToldStack),
        Fault("clients-silent", clients.SILENT),
        Fault("clients-slow", clients.SLOW),
        Fault(
            "upgrade-rolling",
            upgrade.roll,
            stack=upgrade.BothVersions,
            load=upgrade.Users,
            once=True,
            missing=upgrade.missing(),
        ),
    )
}
