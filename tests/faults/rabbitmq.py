"""A RabbitMQ of the test's own on loopback, out of the system's package."""

from __future__ import annotations

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
    """What this machine lacks for it; "" if nothing."""
    if not PROGRAM.exists() or shutil.which("epmd") is None:
        return "rabbitmq-server is not installed (apt install rabbitmq-server)"
    return ""


class RabbitMQ:
    """Starts on entry and ends on exit, with all that it started; `stop` and `start` in between."""

    def __init__(self, directory: Path, config: str = "") -> None:
        """``config``: what its rabbitmq.conf says."""
        self._config = config
        self._directory = directory / "rabbitmq"
        self._port, self._names_port, self._nodes_port = (free_port() for _ in range(3))
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
        self._process = self._spawn([str(PROGRAM)], "server")
        wait_for(self._answers, 60, every=0.1)

    def stop(self) -> None:
        """In good order; its directory stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._leash.release(self._process)
            self._process = None

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
        environment = os.environ | {
            "HOME": str(self._directory),  # where it keeps the secret that nodes share
            "ERL_EPMD_PORT": str(self._names_port),
            "RABBITMQ_NODENAME": "otpost@localhost",
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
        with (self._directory / f"{name}.log").open("ab") as log:
            return self._leash.spawn(argv, env=environment, cwd=self._directory, stdout=log, stderr=log)

    def __enter__(self) -> Self:
        self._directory.mkdir()
        # The server would start it as well, but as a daemon, which outlives it.
        self._spawn(["epmd", "-port", str(self._names_port), "-address", "127.0.0.1"], "epmd")
        wait_for(lambda: not is_free(self._names_port))
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leash.close()
