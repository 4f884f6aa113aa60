"""Everything that runs while a fault happens: servers, processes, providers and the load."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from config.demo.embedded import EmbeddedServer
from sms import ids, names
from sms.message import State
from tests.faults.cluster import Cluster
from tests.faults.load import Load
from tests.faults.provider import Call, ScriptedProvider
from tests.faults.rabbitmq import Nodes, RabbitMQ
from tests.faults.receipts import PUBLIC_URL, Postman
from tests.faults.report import SETTLED, Doubt, End
from tests.faults.sentinels import Sentinels
from tests.faults.several import Several
from tests.faults.stack import Stack, wait_for

#: Every write is on disk before it is answered, so that a killed server has lost nothing.
SERVER = {"appendfsync": "always"}

#: Seconds after which a process that ended is started again, as a supervisor does.
RESTART_AFTER = 1.0

#: Seconds within which a message that comes after the fault must reach a provider.
SOON = 1.0


class Scene:
    """The parts that a fault may break. It must wait by ``pause``, which also supervises."""

    def __init__(
        self,
        stack: Stack,
        *,
        servers: tuple[Any, Any],
        calls: list[Call],
        main: ScriptedProvider,
        spare: ScriptedProvider,
        postman: Postman,
        rng: random.Random,
    ) -> None:
        self.stack = stack
        self.store, self.broker = servers
        self.calls, self.main, self.spare, self.postman, self.rng = calls, main, spare, postman, rng
        self.stores = _clients(self.store)
        self.redis = self.stores[0]
        self.befallen: set[int] = set()  # the cells that a fault is about; none: it is about all
        self.doubts: list[Doubt] = []
        self.began_at = 0.0  # the fault of now
        self.restarts = 0  # by the supervisor alone
        self.over_at: float | None = None
        self._dead: dict[str, float] = {}

    def pause(self, seconds: float) -> None:
        """Let everything run for so long."""
        self.until(lambda: False, seconds)

    def until(self, what: Callable[[], bool], seconds: float) -> bool:
        """Wait until it is true, but no longer than ``seconds``. Returns what it is in the end."""
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                return False
            self._supervise()
            time.sleep(0.05)
        return True

    def over(self) -> None:
        """The fault ends now."""
        self.over_at = time.monotonic()

    def doubt_what_is_in_hand(self, since: float, until: float) -> None:
        """Note what a worker held that died in that time: it may have been sent."""
        held = {end.message for end in self.ends().values() if end.state == State.SENDING}
        self.doubts.append(Doubt(since, until, held))

    def ends(self) -> dict[str, End]:
        """Verification → what has become of its message."""
        ends = [end for store in self.stores for end in _ends(store)]
        # The message of a verification that has not ended, if there are two.
        return dict(sorted(ends, key=lambda each: each[1].state not in SETTLED))

    def goes_on(self) -> bool:
        """Whether a code may still go by another channel."""
        return any(key for store in self.stores for key in store.scan_iter(f"*{names.NEXT_CHANNEL}"))

    def recovery(self, load: Load, since: float, alias: str) -> float | None:
        """Seconds from ``since`` until a message that was started later reached ``alias`` soon; "": any.

        If the fault is about some cells, only their messages count.
        """
        taken = {
            call.to: call.at
            for call in self.calls
            if call.taken and call.at >= since and alias in ("", call.alias)
        }
        late = [
            start
            for start in list(load.starts)
            if start.accepted
            and start.begun >= since
            and (not self.befallen or ids.cell_of(start.id) in self.befallen)
        ]
        reached = [(taken[start.phone], start.answered) for start in late if start.phone in taken]
        good = [at for at, answered in reached if at - answered <= SOON]
        return min(good) - since if good else None

    def _supervise(self) -> None:
        """Start again what has ended by itself."""
        for name, process in list(self.stack.processes.items()):
            if process.poll() is None:
                continue
            if time.monotonic() - self._dead.setdefault(name, time.monotonic()) < RESTART_AFTER:
                continue
            if name == "worker":
                try:
                    # It also had in hand the outcomes that it could not write while Redis was away.
                    self.doubt_what_is_in_hand(self.began_at, self._dead[name])
                except RedisError:
                    continue
            del self._dead[name]
            del self.stack.processes[name]
            self.stack.start(name)
            self.restarts += 1


def _clients(store: Any) -> list[Any]:
    """Clients of every server that has records."""
    if isinstance(store, Several):
        return list(store.clients())
    if isinstance(store, Sentinels | Cluster):
        return [store.follow()]
    return [Redis.from_url(store.url, socket_timeout=5)]


def _ends(store: Any) -> Iterator[tuple[str, End]]:
    keys = list(store.scan_iter(f"*{names.RECORD}*", count=1000))  # maybe behind a tag
    pipe = store.pipeline(transaction=False)
    for key in keys:
        pipe.hmget(key, "verification_id", "state", "error")
    for key, record in zip(keys, pipe.execute(), strict=True):
        verification, state, error = ((part or b"").decode() for part in record)
        yield verification, End(key.decode().rpartition(":")[2], state, error)


#: Runs the server of the records and the one of the queues, which may be the same.
Servers = Callable[[], AbstractContextManager[tuple[Any, Any]]]


@contextmanager
def one_server() -> Iterator[tuple[EmbeddedServer, EmbeddedServer]]:
    with EmbeddedServer(config=SERVER) as server:
        yield server, server


@contextmanager
def two_servers() -> Iterator[tuple[EmbeddedServer, EmbeddedServer]]:
    with EmbeddedServer(config=SERVER) as records, EmbeddedServer(config=SERVER) as queues:
        yield records, queues


@contextmanager
def sentinels() -> Iterator[tuple[Sentinels, Sentinels]]:
    # As docs/redis.md says, a master without a replica takes no writes. Otherwise a former master that comes
    # back takes writes until it hears of the new one, and these are lost. The page sets a lag of 10 s. With
    # 1, a replica counts as gone within the seconds that a row has.
    with (
        TemporaryDirectory(prefix="otpost-sentinels-") as name,
        Sentinels(Path(name), min_replicas_to_write="1", min_replicas_max_lag="1") as found,
    ):
        yield found, found


@contextmanager
def cluster(cell: int = 0, full_coverage: str = "yes") -> Iterator[tuple[Cluster, EmbeddedServer]]:
    """``cell``: the one whose master has the replica. ``full_coverage``: "no", others go on without one."""
    with (
        TemporaryDirectory(prefix="otpost-cluster-") as name,
        Cluster(
            Path(name), cell=cell, appendfsync="always", cluster_require_full_coverage=full_coverage
        ) as records,
        EmbeddedServer(config=SERVER) as queues,
    ):
        yield records, queues


@contextmanager
def several(place: int = 1) -> Iterator[tuple[Several, EmbeddedServer]]:
    with Several(place, config=SERVER) as records, EmbeddedServer(config=SERVER) as queues:
        yield records, queues


@contextmanager
def rabbitmq() -> Iterator[tuple[EmbeddedServer, RabbitMQ]]:
    with (
        TemporaryDirectory(prefix="otpost-rabbitmq-") as name,
        EmbeddedServer(config=SERVER) as records,
        RabbitMQ(Path(name)) as queues,
    ):
        yield records, queues


@contextmanager
def rabbitmq_nodes() -> Iterator[tuple[EmbeddedServer, Nodes]]:
    with EmbeddedServer(config=SERVER) as records, _nodes() as queues:
        yield records, queues


@contextmanager
def several_and_rabbitmq_nodes() -> Iterator[tuple[Several, Nodes]]:
    with Several(config=SERVER) as records, _nodes() as queues:
        yield records, queues


@contextmanager
def _nodes() -> Iterator[Nodes]:
    with TemporaryDirectory(prefix="otpost-rabbitmq-") as name, Nodes(Path(name)) as found:
        yield found


@contextmanager
def scene(
    rng: random.Random,
    servers: Servers = one_server,
    kind: type[Stack] = Stack,
    main_kind: type[ScriptedProvider] = ScriptedProvider,
    cells: int = 1,
) -> Iterator[Scene]:
    """All of it, running."""
    calls: list[Call] = []
    with ExitStack() as running:
        directory = Path(running.enter_context(TemporaryDirectory(prefix="otpost-faults-")))
        records, queues = running.enter_context(servers())
        stack = kind(
            directory,
            REDIS_URL=records.url,
            REDIS_CELLS=str(cells),
            CELERY_BROKER_URL=queues.url,
            PUBLIC_URL=PUBLIC_URL,
            SMS_ROUTES="default=main>spare",
            SMS_LONGEST_WAIT="60",  # a backlog is wanted here, not refused
        )
        postman = Postman(stack.webs, rng)
        main, spare = main_kind("main", calls, postman), ScriptedProvider("spare", calls, postman)
        for provider in (main, spare):
            running.callback(provider.close)
        stack.environment |= {"SMS_PROVIDERS": f"main={main.url},spare={spare.url}", **main.environment}
        running.enter_context(stack)
        stack.begin()
        wait_for(lambda: stack.call("GET", "/readyz")[0] == 200)
        yield Scene(
            stack,
            servers=(records, queues),
            calls=calls,
            main=main,
            spare=spare,
            postman=postman,
            rng=rng,
        )
