"""A RabbitMQ of the test's own on loopback, out of the system's package: one node, or a cluster of three."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from kombu import Connection
from kombu.exceptions import OperationalError

from config.demo.leash import Leash
from config.demo.ports import free_port, is_free
from tests.faults.stack import wait_for

# The package's command in /usr/sbin becomes another user, who cannot write where tests do.
PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def missing() -> str:
    """The tool that this machine lacks for it; "" if none."""
    if not PROGRAM.exists() or shutil.which("epmd") is None:
        return "rabbitmq-server is not installed (apt install rabbitmq-server)"
    return ""


class RabbitMQ:
    """Starts on entry and ends on exit, with all that it started; `stop` and `start` in between."""

    def __init__(
        self, directory: Path, config: str = "", name: str = "rabbitmq", names_port: int = 0
    ) -> None:
        """``config``: what its rabbitmq.conf says. ``names_port``: shared by the nodes of its cluster."""
        self._config, self._name = config, name
        self._directory = directory / name
        self._port, self._nodes_port = free_port(), free_port()
        self.names_port, self._names_itself = names_port or free_port(), not names_port
        self._leash = Leash()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    @property
    def runs(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Returns when it lets somebody in, with what its directory holds."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Start, and do not wait for it."""
        self._process = self._spawn([str(PROGRAM)], "server")

    def wait(self) -> None:
        wait_for(self._answers, 60, every=0.1)

    def stop(self) -> None:
        """In good order; its directory stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._leash.release(self._process)
            self._process = None

    def kill(self) -> None:
        """As a power cut would; its directory stays."""
        if self._process is not None:
            self._leash.release(self._process)
            self._process = None

    def control(self, *words: str) -> str:
        """The output of `rabbitmqctl`."""
        command = [str(PROGRAM.with_name("rabbitmqctl")), "--silent", *words]
        return subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, check=True
        ).stdout

    def pause(self) -> None:
        """It hangs: what comes in is taken by the kernel, and nobody answers."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with Connection(self.url, connect_timeout=2) as connection:
                connection.ensure_connection(max_retries=0)
        except OperationalError:
            return False
        return True

    def _spawn(self, argv: list[str], name: str) -> subprocess.Popen[bytes]:
        (self._directory / "enabled_plugins").write_text("[].")
        # Without these it reads those of the system.
        (self._directory / "rabbitmq.conf").write_text(self._config)
        (self._directory / "rabbitmq-env.conf").touch()
        with (self._directory / f"{name}.log").open("ab") as log:
            return self._leash.spawn(
                argv, env=self._environment(), cwd=self._directory, stdout=log, stderr=log
            )

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "HOME": str(self._directory),  # where it keeps the secret that nodes share
            "ERL_EPMD_PORT": str(self.names_port),
            "RABBITMQ_NODENAME": f"{self._name}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._nodes_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(self._directory / "data"),
            "RABBITMQ_LOG_BASE": str(self._directory),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._directory / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(self._directory / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self._directory / "rabbitmq-env.conf"),
        }

    def prepare(self) -> None:
        """All but the start."""
        self._directory.mkdir()
        secret = self._directory / ".erlang.cookie"
        secret.write_text("OTPOSTOTPOSTOTPOST")
        secret.chmod(0o400)
        if self._names_itself:
            # The server would start it as well, but as a daemon, which outlives it.
            self._spawn(["epmd", "-port", str(self.names_port), "-address", "127.0.0.1"], "epmd")
            wait_for(lambda: not is_free(self.names_port))

    def __enter__(self) -> Self:
        self.prepare()
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leash.close()


class Nodes:
    """A cluster of three nodes; a queue goes on while two of them live."""

    def __init__(self, directory: Path) -> None:
        names = ("one", "two", "three")
        config = "cluster_formation.peer_discovery_backend = classic_config\n" + "".join(
            f"cluster_formation.classic_config.nodes.{number} = {name}@localhost\n"
            for number, name in enumerate(names, 1)
        )
        first = RabbitMQ(directory, config, names[0])
        others = (RabbitMQ(directory, config, name, first.names_port) for name in names[1:])
        self.nodes = [first, *others]

    @property
    def url(self) -> str:
        return ";".join(node.url for node in self.nodes)

    def kill_node(self) -> None:
        """The node that processes try first."""
        self.nodes[0].kill()

    def bring_back(self) -> None:
        """Returns when it has joined the cluster again."""
        self.nodes[0].start()
        wait_for(self._is_whole)

    def _is_whole(self) -> bool:
        status = json.loads(self.nodes[0].control("cluster_status", "--formatter", "json"))
        return len(status["running_nodes"]) == len(self.nodes)

    def __enter__(self) -> Self:
        for node in self.nodes:
            node.prepare()
            node.begin()  # together, or each would wait for the others and give up
        for node in self.nodes:
            node.wait()
        wait_for(self._is_whole)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for node in reversed(self.nodes):  # the first knows the names of all
            node.__exit__(kind, error, traceback)
