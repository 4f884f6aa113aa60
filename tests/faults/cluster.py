"""A Redis Cluster on loopback: three masters, and a replica of the one that has our keys."""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis import Redis
from redis.cluster import ClusterNode, RedisCluster
from redis.crc import key_slot
from redis.exceptions import RedisError, ResponseError

from config.demo.embedded import EmbeddedServer
from config.demo.ports import free_port
from tests.faults.stack import wait_for

PASSWORD = "of-the-cluster"


def slot_of(cell: int) -> int:
    """The slot of all keys of a cell, in an installation without a namespace."""
    return key_slot(f"{{c{cell}}}".encode())


def cells_on(server: Any) -> set[int]:
    """The cells that have keys on a server."""
    found = (re.match(rb"\{c(\d+)\}", key) for key in server.scan_iter("{c*", count=1000))
    return {int(tag[1]) for tag in found if tag}


_SLOTS = 16384


class Cluster:
    """Starts it on entry, ends it on exit. `url` is what REDIS_URL says. `config`: more of valkey.conf.

    `cell`: the one whose keys are "our keys" here; the hub, unless there are more.
    """

    def __init__(self, directory: Path, *, program: Path | None = None, cell: int = 0, **config: str) -> None:
        self._slot = slot_of(cell)
        own = {
            "cluster-enabled": "yes",
            "masterauth": PASSWORD,
            "repl-diskless-sync-delay": "0",
        } | {name.replace("_", "-"): value for name, value in config.items()}

        def node(name: str) -> EmbeddedServer:
            # By itself it would take the port 10,000 above its own, which may be in use.
            bus = {"cluster-port": str(free_port())} if program is None else {}
            return EmbeddedServer(
                directory=directory / name, password=PASSWORD, config=own | bus, program=program
            )

        #: The first of the masters has our keys.
        self.master, *self.others = (node(name) for name in ("one", "two", "three"))
        self.replica = node("four")

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in (*self.others, self.master))
        return f"redis+cluster://:{PASSWORD}@{hosts}"

    @property
    def process(self) -> Any:
        """The process of the master that has our keys."""
        return self.master.process

    @property
    def cells(self) -> set[int]:
        """The other cells on the master that has our keys."""
        return cells_on(self.client(self.master))

    def client(self, server: EmbeddedServer) -> Redis:
        """A client of one node."""
        return Redis.from_url(server.url, socket_timeout=5)

    def follow(self) -> Any:
        """A client of the whole cluster."""
        nodes = [ClusterNode("127.0.0.1", server.port) for server in (*self.others, self.replica)]
        return RedisCluster(startup_nodes=nodes, password=PASSWORD, socket_timeout=5)

    def wait_for_the_replica(self) -> None:
        """Wait until it has every write so far: what a lagging replica loses is not ours to test."""

        def in_step() -> bool:
            facts: Any = self.client(self.master).info("replication")
            return bool(facts["slave0"]["offset"] == facts["master_repl_offset"])

        wait_for(in_step)

    def let_the_replica_follow(self) -> None:
        """Make it the master instead of one that was killed, without a vote, which takes its time."""
        self.client(self.replica).execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
        self.master, self.replica = self.replica, self.master
        wait_for(lambda: self._owns(self.master) and self._is_up())

    def bring_back(self) -> None:
        """Start the server that was killed; returns when it is a replica with every write so far."""
        self.replica.start()
        wait_for(self._replica_is_there, seconds=90, every=0.1)

    def begin_to_move(self) -> None:
        """Begin to move the slot of our keys to another master, key by key; nothing has moved yet."""
        ids = [self._id(server) for server in (self.master, self.others[0])]
        self.client(self.others[0]).execute_command("CLUSTER", "SETSLOT", self._slot, "IMPORTING", ids[0])
        self.client(self.master).execute_command("CLUSTER", "SETSLOT", self._slot, "MIGRATING", ids[1])

    def move_keys(self, most: int = 0) -> None:
        """Move these keys, 0: all."""
        source, target = self.client(self.master), self.others[0]
        moved = 0
        while keys := source.execute_command("CLUSTER", "GETKEYSINSLOT", self._slot, min(most or 100, 100)):
            words = ("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "AUTH", PASSWORD, "KEYS")
            source.execute_command(*words, *keys)
            moved += len(keys)
            if moved >= most > 0:
                return

    def end_to_move(self) -> None:
        """Give the slot to the other master, to which all keys have moved. The replica stays where it is."""
        target = self._id(self.others[0])
        for server in (self.others[0], self.master, self.others[1]):
            self.client(server).execute_command("CLUSTER", "SETSLOT", self._slot, "NODE", target)
        self.master, self.others[0] = self.others[0], self.master

    def take_down(self) -> None:
        """A slot without a node stops the whole cluster (CLUSTERDOWN)."""
        owner = self.client(self.master)
        self.client(self.others[1]).execute_command("CLUSTER", "DELSLOTS", _SLOTS - 1)

        def is_down() -> bool:
            with suppress(ResponseError):  # it may still be told who had it, or not any more
                owner.execute_command("CLUSTER", "DELSLOTS", _SLOTS - 1)
            return bool(owner.cluster("INFO")["cluster_state"] == "fail")

        wait_for(is_down)

    def bring_up(self) -> None:
        self.client(self.others[1]).execute_command("CLUSTER", "ADDSLOTS", _SLOTS - 1)
        wait_for(self._is_up)

    def _all(self) -> list[EmbeddedServer]:
        return [self.master, *self.others, self.replica]

    def _id(self, server: EmbeddedServer) -> str:
        return str(self.client(server).execute_command("CLUSTER", "MYID").decode())

    def _owns(self, server: EmbeddedServer) -> bool:
        try:
            return self.client(server).info("replication")["role"] == "master"
        except RedisError:  # as its part changes it drops its connections
            return False

    def _is_up(self) -> bool:
        """Whether every master says so."""
        masters = (self.master, *self.others)
        return all(self.client(one).cluster("INFO")["cluster_state"] == "ok" for one in masters)

    def _replica_is_there(self) -> bool:
        try:
            facts = self.client(self.replica).info("replication")
        except RedisError:
            return False
        return bool(facts.get("master_link_status") == "up")

    def __enter__(self) -> Self:
        for server in self._all():
            server.start()
        first = self.client(self.master)
        bounds = [0, _SLOTS // 3, 2 * _SLOTS // 3, _SLOTS]
        parts = [range(low, high) for low, high in pairwise(bounds)]
        parts.sort(key=lambda part: self._slot not in part)
        for epoch, server in enumerate(self._all(), 1):
            client = self.client(server)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", epoch)
            if server is not self.replica:
                client.execute_command("CLUSTER", "ADDSLOTS", *parts[epoch - 1])
            bus = client.config_get("cluster-port").get("cluster-port") or server.port + 10_000
            if server is not self.master:
                first.execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, bus)
        wait_for(self._is_up)
        replica, owner = self.client(self.replica), self._id(self.master)
        wait_for(lambda: owner in str(replica.execute_command("CLUSTER", "NODES")))
        replica.execute_command("CLUSTER", "REPLICATE", owner)
        wait_for(self._replica_is_there)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for server in self._all():
            server.stop()
