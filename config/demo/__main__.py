"""`python -m config.demo`: everything Otpost needs, on this machine, for as long as it runs.

Starts a Redis-compatible server, a Celery worker, Celery beat and the web server with throw-away
secrets and a provider that only shows its messages, waits until /readyz is content, and says what
to do next. Ctrl-C ends all of it. Exit codes: 0 after a signal, 1 when something did not start,
2 when PORT or REDIS_URL cannot be used.
"""

import argparse
import contextlib
import functools
import json
import os
import secrets
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import urllib3

from config.demo import given_redis
from config.demo.console import Console
from config.demo.embedded import EmbeddedServer, EmbeddedServerError
from config.demo.leash import Leash
from config.demo.ports import free_port, hold, is_free
from config.demo.supervisor import Supervisor
from config.demo.throwaway import throwaway

_ROOT = Path(__file__).resolve().parents[2]
_PREFERRED_PORT = 8000
_READY_SECONDS = 60.0
_PROBE_SECONDS = 3.0
_SETTLE_SECONDS = 0.5
_KEPT_LINES = 60

_READY = """
Otpost is running. {sms}

  Open {url}/

  Or ask for a code from here:

  curl -X POST {url}/v1/verifications \\
    -H 'Authorization: Bearer {api_key}' \\
    -H 'Content-Type: application/json' \\
    -d '{{"phone": "+12025550123"}}'

  Ctrl-C stops it.
"""
_SHOWN_SMS = "No SMS leaves this machine: the page shows them."
_REAL_SMS = "SMS go out through the providers which SMS_PROVIDERS names."


class DemoError(Exception):
    """The demo cannot go on; the message says why and how to mend it."""


class Refused(DemoError):
    """What was asked for cannot be used."""


class Demo:
    """The processes of one demo, and what they print.

    Until all are ready their lines are kept back: they only matter if that moment does not come.
    """

    def __init__(self, leash: Leash, console: Console) -> None:
        self.supervisor = Supervisor(leash, on_line=self._on_line, on_end=self._on_end)
        self._leash = leash
        self._console = console
        self._ready = False
        self._kept: deque[tuple[str, str]] = deque(maxlen=_KEPT_LINES)

    def start(self, environment: dict[str, str], port: int) -> None:
        """Start worker, beat and web server; the latter listens on 127.0.0.1:`port`."""
        self._console.write("Starting Otpost; this takes a few seconds ...")
        web = f"config.web --host 127.0.0.1 --port {port} --workers 1"
        programs = {
            "worker": "celery --quiet -A config worker -Q otp,bulk",
            "beat": "celery --quiet -A config beat",
            "web": f"{web} --workers-kill-timeout 2 --log-level warning",
        }
        outputs: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        spawn = functools.partial(self._leash.spawn, env=environment, cwd=_ROOT, **outputs)
        for name, words in programs.items():
            self.supervisor.add(name, functools.partial(spawn, [sys.executable, "-m", *words.split()]))

    def wait_until_ready(self, port: int) -> None:
        """Return when GET /readyz answers 200, or when a signal came; else raise DemoError."""
        deadline = time.monotonic() + _READY_SECONDS
        while not self.supervisor.stop_requested():
            self.supervisor.step()
            problem = _not_ready(port)
            if problem is None:
                # The last lines about starting, so that none follows what we say.
                self.supervisor.run(_SETTLE_SECONDS)
                self._ready = True
                return
            if time.monotonic() > deadline:
                raise self._failure(f"Not ready within {_READY_SECONDS:.0f} seconds: {problem}")

    def run(self) -> None:
        """Show what the processes print until a signal asks for the end."""
        self.supervisor.run()
        # What they print while they stop reads like trouble and is none.
        self._ready = False
        self._console.write("Stopping ...")

    def _on_line(self, name: str, line: str) -> None:
        if self._ready:
            self._console.log(name, line)
        else:
            self._kept.append((name, line))

    def _on_end(self, name: str, reason: str, delay: float) -> None:
        if not self._ready:
            raise self._failure(f"The process '{name}' {reason} before the demo was ready.", name)
        self._console.log(name, f"{reason}, starting it again in {delay:.1f} s")

    def _failure(self, message: str, culprit: str | None = None) -> DemoError:
        for name, line in self._kept:
            if name == culprit or culprit is None:
                self._console.log(name, line)
        return DemoError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo until a signal ends it; returns the exit code."""
    options = _parser().parse_args(argv)
    try:
        with Leash() as leash, contextlib.ExitStack() as stack:
            demo = Demo(leash, Console(2 if options.json else 1))
            demo.supervisor.handle_signals(stop_with_parent=options.stop_with_parent)
            _run(demo, stack, port=_choose_port(options.port), as_json=options.json)
    except (DemoError, EmbeddedServerError) as error:
        Console(2).write(str(error))
        return 2 if isinstance(error, Refused) else 1
    return 0


def _run(demo: Demo, stack: contextlib.ExitStack, *, port: int, as_json: bool) -> None:
    """Run it with what has to be undone on `stack`."""
    namespace = f"demo-{secrets.token_hex(4)}"
    redis_url = os.environ.get("REDIS_URL", "")
    server = None
    if redis_url:
        if problem := given_redis.problem_with(redis_url):
            raise Refused(f"REDIS_URL {problem}. Mend it, or unset it to let the demo start a server.")
        stack.callback(given_redis.wipe, redis_url, namespace)
    else:
        server = EmbeddedServer()
        redis_url = server.url
        stack.callback(server.stop)
    if held := hold(port):
        stack.enter_context(held)
    stack.callback(demo.supervisor.stop)
    if server:
        demo.supervisor.add("redis", lambda: server.start().process)
    environment, api_key = throwaway(os.environ, port=port, redis_url=redis_url, namespace=namespace)
    demo.start(environment, port)
    demo.wait_until_ready(port)
    if demo.supervisor.stop_requested():
        return
    url = f"http://localhost:{port}"
    if as_json:
        facts = {
            "url": url,
            "api_key": api_key,
            "redis_port": server.port if server else None,
            "pids": {"demo": os.getpid(), **demo.supervisor.pids},
        }
        Console(1).write(json.dumps(facts))
    else:
        sms = _REAL_SMS if os.environ.get("SMS_PROVIDERS") else _SHOWN_SMS
        Console(1).write(_READY.format(url=url, api_key=api_key, sms=sms))
    demo.run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m config.demo",
        description="Run Otpost on this machine, with everything it needs and nothing to set up.",
        epilog="Environment: PORT; REDIS_URL, to use that server instead of an own one; "
        "SMS_PROVIDERS and PHONE_REGION, to try a real provider.",
    )
    parser.add_argument(
        "--port",
        default=os.environ.get("PORT"),
        help=f"the web server's port (default: {_PREFERRED_PORT}, or any if that is taken)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="when ready, print one line of JSON on standard output; the log goes to standard error",
    )
    parser.add_argument(
        "--stop-with-parent",
        action="store_true",
        help="stop also when the process which started this one has gone",
    )
    return parser


def _choose_port(wanted: str | None) -> int:
    """The port that was asked for, if it can be used, or a free one; raises DemoError."""
    if not wanted:
        if is_free(_PREFERRED_PORT):
            return _PREFERRED_PORT
        other = free_port()
        Console(2).write(f"Port {_PREFERRED_PORT} is taken by another program; using {other}.")
        return other
    try:
        if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
            problem = f"{wanted!r} is not a port number"
        elif is_free(int(wanted)):
            return int(wanted)
        else:
            problem = f"Port {wanted} is taken by another program"
    except PermissionError:
        problem = f"Port {wanted} needs the rights of root"
    other = free_port()
    raise Refused(f"{problem}. Choose another: `make demo PORT={other}`, or `--port {other}`.")


def _not_ready(port: int) -> str | None:
    """What GET /readyz says against being ready; None when it answers 200."""
    url = f"http://127.0.0.1:{port}/readyz"
    try:
        answer = urllib3.request("GET", url, timeout=_PROBE_SECONDS, retries=False)
    except urllib3.exceptions.HTTPError as error:
        return f"the web server does not answer ({error})."
    said = answer.data.decode(errors="replace").strip()
    return None if answer.status == 200 else f"/readyz answers {answer.status}: {said[:2000]}"


if __name__ == "__main__":
    sys.exit(main())
