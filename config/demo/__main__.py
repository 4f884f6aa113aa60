"""`python -m config.demo`: run everything Otpost needs on this machine, until it is stopped.

It starts a Redis-compatible server, a Celery worker, Celery beat and the web server, with throw-away secrets
and a provider that only shows its messages. Then it prints what to do next. Exit codes: 0 after a signal, 1
if something did not start, 2 if PORT or REDIS_URL cannot be used.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import urllib3

from config.demo import given, traffic
from config.demo.console import Console
from config.demo.embedded import EmbeddedServer, EmbeddedServerError
from config.demo.leash import Leash
from config.demo.ports import free_port, hold, is_free
from config.demo.supervisor import DemoError, Supervisor

_ROOT = Path(__file__).resolve().parents[2]
_PREFERRED_PORT = 8000
_READY_SECONDS = 60.0
_PROBE_SECONDS = 3.0
_SETTLE_SECONDS = 0.5
_PROGRAMS = {
    "worker": "celery --quiet -A config worker -Q otp,bulk,events",
    "beat": "celery --quiet -A config beat",
    "web": "config.web --host 127.0.0.1 --port {} --workers 1 --workers-kill-timeout 2 --log-level warning",
}

_READY = """
Otpost is running. {sms}

  A page and a virtual phone   {url}/
  The API, to read and to try  {url}/v1/docs
  The dashboard                {url}/dashboard/
  The key for these two        {api_key}

  Or ask for a code from here:

  curl -X POST {url}/v1/verifications \\
    -H 'Authorization: Bearer {api_key}' \\
    -H 'Content-Type: application/json' \\
    -d '{{"phone": "+12025550123"}}'

  Then check it. Replace ID by the id in the answer, and 123456 by the code that arrives:

  curl -X POST {url}/v1/verifications/ID/check \\
    -H 'Authorization: Bearer {api_key}' \\
    -H 'Content-Type: application/json' \\
    -d '{{"code": "123456"}}'

  Ctrl-C stops it.
"""


class Refused(DemoError):
    """PORT or REDIS_URL cannot be used."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo until a signal ends it. Returns the exit code."""
    options = _parser().parse_args(argv)
    console = Console(2 if options.json else 1)
    try:
        with Leash() as leash, ExitStack() as stack:
            supervisor = Supervisor(leash, console)
            supervisor.handle_signals(stop_with_parent=options.stop_with_parent)
            port = _choose_port(options.port)
            wanted = {"as_json": options.json, "with_traffic": options.traffic}
            if text := _start(supervisor, stack, console, port=port, **wanted):
                Console(1).write(text)
                supervisor.run()
                # Hide what the processes print while they stop. It looks like trouble but is not.
                supervisor.ready = False
                console.write("Stopping ...")
    except (DemoError, EmbeddedServerError) as error:
        Console(2).write(str(error))
        return 2 if isinstance(error, Refused) else 1
    return 0


def _start(
    supervisor: Supervisor,
    stack: ExitStack,
    console: Console,
    *,
    port: int,
    as_json: bool,
    with_traffic: bool,
) -> str:
    """Start everything, and push its cleanup onto `stack`. Returns the text to print; "" after a signal."""
    namespace = f"demo-{secrets.token_hex(4)}"
    server = None
    if redis_url := os.environ.get("REDIS_URL", ""):
        if problem := given.problem_with(redis_url):
            raise Refused(f"REDIS_URL {problem}. Correct it, or unset it to let the demo start a server.")
        stack.callback(given.wipe, redis_url, namespace)
    else:
        server = EmbeddedServer()
        redis_url = server.url
        stack.callback(server.stop)
    stack.enter_context(hold(port))
    stack.callback(supervisor.stop)
    if server:
        supervisor.add("redis", lambda: server.start().process)
    environment, api_key = given.throwaway(os.environ, port=port, redis_url=redis_url, namespace=namespace)
    if with_traffic:
        environment |= traffic.environment(environment, port, api_key)
    console.write("Starting Otpost; this takes a few seconds ...")
    outputs: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    spawn = partial(supervisor.leash.spawn, env=environment, cwd=_ROOT, **outputs)
    for name, words in _PROGRAMS.items():
        argv = [sys.executable, "-m", *words.format(port).split()]
        supervisor.add(name, partial(spawn, argv))
    _wait_until_ready(supervisor, port)
    if with_traffic:
        supervisor.add("traffic", partial(spawn, [sys.executable, "-m", "config.demo.traffic"]))
    if supervisor.stop_requested():
        return ""
    url = f"http://localhost:{port}"
    if as_json:
        redis_port, pids = server.port if server else None, {"demo": os.getpid(), **supervisor.pids}
        return json.dumps({"url": url, "api_key": api_key, "redis_port": redis_port, "pids": pids})
    sms = "No SMS leaves this machine: the page shows them."
    if os.environ.get("SMS_PROVIDERS"):
        sms = "SMS go out through the providers which SMS_PROVIDERS names."
    return _READY.format(url=url, api_key=api_key, sms=sms)


def _wait_until_ready(supervisor: Supervisor, port: int) -> None:
    """Return once GET /readyz answers 200 or a signal came. Raises DemoError."""
    deadline = time.monotonic() + _READY_SECONDS
    while not supervisor.stop_requested():
        supervisor.step()
        problem = _not_ready(port)
        if not problem:
            # Print the last lines about starting, so that none follows our text.
            supervisor.run(_SETTLE_SECONDS)
            supervisor.ready = True
            return
        if time.monotonic() > deadline:
            supervisor.fail(f"Not ready within {_READY_SECONDS:.0f} seconds: {problem}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m config.demo",
        description="Run Otpost on this machine, with everything it needs and nothing to set up.",
        epilog="Environment: PORT; REDIS_URL, to use that server instead of starting one; SMS_PROVIDERS and "
        "PHONE_REGION, to try a real provider; OTP_PURPOSES, METRICS_TOKEN, HOOKS and WEBHOOKS, to try "
        "those.",
    )
    option = parser.add_argument
    what = f"the web server's port (default: {_PREFERRED_PORT}, or any if that is taken)"
    option("--port", default=os.environ.get("PORT"), help=what)
    what = "when ready, print one line of JSON to standard output; the log goes to standard error"
    option("--json", action="store_true", help=what)
    what = (
        "simulate a day in two minutes, for the dashboard: three providers, one of which fails, and an attack"
    )
    option("--traffic", action="store_true", help=what)
    what = "also stop when the process that started this one is gone"
    option("--stop-with-parent", action="store_true", help=what)
    return parser


def _choose_port(wanted: str | None) -> int:
    """The requested port, or any free one if none was requested. Raises Refused."""
    port = wanted or str(_PREFERRED_PORT)
    problem = f"Port {port} is taken by another program"
    try:
        if not port.isdecimal() or not 0 < int(port) < 65536:
            problem = f"{port!r} is not a port number"
        elif is_free(int(port)):
            return int(port)
    except PermissionError:
        problem = f"Port {port} needs root"
    other = free_port()
    if wanted:
        raise Refused(f"{problem}. Choose another: `make demo PORT={other}`, or `--port {other}`.")
    Console(2).write(f"{problem}; using {other}.")
    return other


def _not_ready(port: int) -> str:
    """Why GET /readyz is not ready; "" if it answers 200."""
    url = f"http://127.0.0.1:{port}/readyz"
    try:
        answer = urllib3.request("GET", url, timeout=_PROBE_SECONDS, retries=False)
    except urllib3.exceptions.HTTPError as error:
        return f"the web server does not answer ({error})."
    said = answer.data.decode(errors="replace").strip()
    return "" if answer.status == 200 else f"/readyz answers {answer.status}: {said[:2000]}"


if __name__ == "__main__":
    sys.exit(main())
