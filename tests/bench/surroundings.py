"""Needed by every measure: servers, the settings, processes, and how long to measure."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from config.demo.embedded import EmbeddedServer
from config.demo.leash import Leash
from otp.api import keys

from .provider import Provider

ROOT = Path(__file__).resolve().parents[2]

#: Seconds that a process has to begin its work, and to end it.
PATIENCE = 60.0
STOP = 5.0


class Surroundings:
    """One Redis server for codes, messages and queues, one provider, and this process set up.

    As a context manager; nothing that it starts outlives it. The settings are those of production,
    with secrets for one run. What the environment says about a worker (WORKER_CONCURRENCY) stays.
    """

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self.capacity: float | None = None  # sends a second of one worker, once measured
        self._leash = Leash()
        self._logs = Path(tempfile.mkdtemp(prefix="otpost-bench-"))
        self._leash.remove_at_end(self._logs)
        self.server = EmbeddedServer()

    def __enter__(self) -> Self:
        self.server.start()
        self.provider = Provider(self._leash)
        self.api_key, digest = keys.make()
        self.environment = {
            **os.environ,
            "ALLOWED_HOSTS": "127.0.0.1",
            "API_KEYS": f"bench:{digest}",
            "CELERY_BROKER_URL": self.server.url,
            "DATABASE_URL": "",
            "DEBUG": "false",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "GUARD_MODE": "off",  # nobody types these codes
            "LOG_LEVEL": "INFO",
            "OTP_LIMITS": "phone=5/10m,10/1d;ip=20/10m;phone-ip=7/1d",  # without the ceiling of a small site
            "PHONE_REGION": "",
            "PHONE_SECRET_KEY": secrets.token_hex(32),
            "PROVIDER_URL": self.provider.url,
            "PUBLIC_URL": "https://otp.example.com",
            "REDIS_URL": self.server.url,
            "SECRET_KEY": secrets.token_hex(32),
            "SMS_DESTINATIONS": "*",
            "SMS_PROVIDERS": f"bench=twilio://AC{'0' * 32}:{'0' * 32}@?from=%2B15005550006"
            f"&base_url={self.provider.url}",
            "SMS_LONGEST_WAIT": "0",  # backlogs are made on purpose
            "SMS_ROUTES": "",
            # A key as from cryptography's Fernet.generate_key.
            "SMS_SEAL_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "TRUSTED_PROXIES": "",
        }
        # A line per message would drown our own.
        os.environ.update(self.environment | {"LOG_LEVEL": "WARNING"})
        import django

        django.setup()
        import config.celery  # noqa: F401  # `send` publishes through the current Celery app

        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.provider.stop()
        self.server.stop()
        self._leash.close()

    def another_server(self) -> EmbeddedServer:
        """A second Redis server, to be used as a context manager."""
        return EmbeddedServer()

    def rounds(self, usual: int) -> range:
        """Rounds of a measure: fewer when it has to be quick."""
        return range(max(1, usual // 3) if self.quick else usual)

    def seconds(self, usual: float) -> float:
        """Seconds of a slice: fewer when it has to be quick."""
        return usual / 2 if self.quick else usual

    def say(self, text: str) -> None:
        """One line of progress."""
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)

    def python(
        self,
        *arguments: str,
        environment: Mapping[str, str] = MappingProxyType({}),
        stdout: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start ``python -m ARGUMENTS`` in the project; what it logs goes to a file, as in production."""
        with (self._logs / f"{arguments[0]}.log").open("ab") as log:
            return self._leash.spawn(
                [sys.executable, "-m", *arguments],
                env={**self.environment, **environment},
                cwd=ROOT,
                stdout=log if stdout is None else stdout,
                stderr=log,
            )

    @contextlib.contextmanager
    def beat(self, environment: Mapping[str, str] = MappingProxyType({})) -> Iterator[None]:
        """Run beat, which asks for a sweep once a second, as wherever there is a worker."""
        process = self.python(
            "celery", "-A", "config", "beat", "--loglevel", "WARNING", environment=environment
        )
        try:
            yield
        finally:
            self.end(process)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End a process and what it has started: SIGTERM, a few seconds, then SIGKILL."""
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP)
        if process.poll() is None:
            process.kill()
            process.wait()
        self._leash.release(process)

    def wait_for(
        self,
        what: str,
        reached: Callable[[], bool],
        process: subprocess.Popen[bytes],
        seconds: float = PATIENCE,
    ) -> None:
        """Wait until ``reached``. Raises ``RuntimeError``, with the last of the logs, if that fails."""
        deadline = time.monotonic() + seconds
        while not reached():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{what}: it did not happen.\n{self._last_words()}")
            time.sleep(0.05)

    def wait_for_some(self, reached: Callable[[], bool], seconds: float) -> None:
        """Wait until ``reached``, but no longer than that."""
        deadline = time.monotonic() + seconds
        while not reached() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _last_words(self) -> str:
        logs = sorted(self._logs.glob("*.log"), key=lambda log: log.stat().st_mtime)
        return "\n".join(logs[-1].read_text(errors="replace").splitlines()[-15:]) if logs else ""
