"""`make demo` as a newcomer runs it: a code is sent, read on the virtual phone, and accepted.

    python .ci/demo_smoke.py CLONE

CLONE is a fresh clone. Starts the demo there, verifies one phone over HTTP, sends SIGTERM to make
and asserts that no process, port or file of it is left. Standard library only; Linux only, because
it looks for leftovers in /proc.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import IO, Any

PHONE = "+12025550123"
INSTALL_SECONDS = 600.0  # the clone has no .venv yet
DELIVERY_SECONDS = 20.0
STOP_SECONDS = 30.0


def main() -> int:
    """Exit code 0 if all went well; anything else raises."""
    parser = argparse.ArgumentParser(description="Run the demo of a clone once, from start to end.")
    parser.add_argument("clone", type=Path)
    clone: Path = parser.parse_args().clone

    # Every process of the demo inherits this variable, so that none can hide.
    mark = f"OTPOST_SMOKE={uuid.uuid4()}"
    with tempfile.TemporaryDirectory(prefix="otpost-smoke-") as scratch, log_of(scratch) as log:
        demo = start(clone, scratch, mark, log)
        try:
            facts = wait_until_ready(demo)
            verify_a_phone(facts["url"], facts["api_key"])
            no_library_of_tests(clone)
            is_child_of_make(demo, facts["pids"]["demo"])
        except BaseException:
            log.seek(0)
            print(log.read(), file=sys.stderr)
            raise
        finally:
            code = stop(demo)
            left = processes_with(mark)
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        if left:
            raise AssertionError(f"processes are left: {left}")
        print(f"make demo ended with code {code} on SIGTERM")
        nothing_listens(facts)
        # It makes its directories under TMPDIR, where only the log was before.
        files = [path.name for path in Path(scratch).iterdir() if path.name != "log"]
        files += subprocess.check_output(["git", "status", "--porcelain"], cwd=clone, text=True).splitlines()
        if files:
            raise AssertionError(f"files are left: {files}")
    print("nothing of it is left: no process, no port, no file")
    return 0


def log_of(scratch: str) -> IO[str]:
    """Where the demo's log goes; shown only if something fails."""
    return (Path(scratch) / "log").open("w+")


def start(clone: Path, scratch: str, mark: str, log: IO[str]) -> subprocess.Popen[str]:
    """`make demo` in a session of its own and with nothing of ours in its environment."""
    name, _, value = mark.partition("=")
    foreign = ("MAKE", "MFLAGS", "PORT", "REDIS_URL", "SMS_", "OTPOST_", "VIRTUAL_ENV")
    environment = {key: text for key, text in os.environ.items() if not key.startswith(foreign)}
    return subprocess.Popen(
        ["make", "demo", "ARGS=--json"],
        cwd=clone,
        env=environment | {name: value, "TMPDIR": scratch},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    )


def wait_until_ready(demo: subprocess.Popen[str]) -> dict[str, Any]:
    """The line of JSON that the demo prints once it is ready. make may print other lines before it."""
    began = time.monotonic()
    signal.signal(signal.SIGALRM, _too_late)
    signal.setitimer(signal.ITIMER_REAL, INSTALL_SECONDS)
    for line in demo.stdout or ():
        if line.startswith("{"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            print(f"ready after {time.monotonic() - began:.0f} s, the installation included")
            facts: dict[str, Any] = json.loads(line)
            return facts
        print(line, end="")
    raise AssertionError(f"make demo ended with code {demo.wait()} before it was ready")


def _too_late(*_: object) -> None:
    raise TimeoutError(f"the demo is not ready after {INSTALL_SECONDS:.0f} s")


def verify_a_phone(url: str, api_key: str) -> None:
    """Ask for a code, read it off the virtual phone, and have it accepted."""
    began = time.monotonic()
    status, started = call(f"{url}/v1/verifications", api_key, {"phone": PHONE})
    expect(status == 202 and started["status"] == "pending", started)
    code = read_code(url)
    print(f"a code arrived {time.monotonic() - began:.2f} s after it was asked for")
    check = f"{url}/v1/verifications/{started['id']}/check"
    status, checked = call(check, api_key, {"code": code})
    expect(status == 200 and checked["status"] == "valid", checked)
    status, checked = call(check, api_key, {"code": code})
    expect(status == 200 and checked["status"] != "valid", checked)
    print("it was valid once, and only once")


def no_library_of_tests(clone: Path) -> None:
    """The demo installs only the packages that it runs."""
    program = "from importlib.util import find_spec; print(*filter(find_spec, ['pytest', 'flask']))"
    found = subprocess.check_output([clone / ".venv" / "bin" / "python", "-c", program], text=True)
    expect(not found.strip(), found)


def is_child_of_make(make: subprocess.Popen[str], pid: int) -> None:
    """No shell is between make and the demo. So the demo notices when kill -9 ends make alone."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    expect(parent == make.pid, f"process {parent}")


def read_code(url: str) -> str:
    """The code in the last line (`@localhost #123456`) of the newest SMS to PHONE."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline:
        _, answer = call(f"{url}/phone/messages?after=0")
        for message in reversed(answer["messages"]):
            found = re.search(r"^@localhost #(\w+)$", message["body"].splitlines()[-1])
            if message["to"] == PHONE and found:
                return found[1]
        time.sleep(0.1)
    raise AssertionError(f"no code on the virtual phone within {DELIVERY_SECONDS:.0f} s")


def call(url: str, api_key: str = "", body: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """GET, or POST if there is a body; returns status and JSON, of an error too."""
    request = urllib.request.Request(url)  # noqa: S310 (the demo's own address)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if api_key:
        request.add_header("Authorization", f"Bearer {api_key}")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url} answers {error.code}: {error.read().decode()[:500]}") from error


def expect(holds: bool, answer: object) -> None:
    """Like assert, which -O would drop."""
    if not holds:
        raise AssertionError(f"unexpected answer: {answer}")


def stop(demo: subprocess.Popen[str]) -> int:
    """SIGTERM to make alone, as a supervisor would send it; returns its exit code."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    demo.terminate()
    try:
        code = demo.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(demo.pid, signal.SIGKILL)
        raise AssertionError(f"make demo did not end within {STOP_SECONDS:.0f} s of SIGTERM") from None
    # make may be gone a moment before what it had started.
    deadline = time.monotonic() + STOP_SECONDS
    while processes_in_session(demo.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    return code


def processes_in_session(session: int) -> list[int]:
    """The ids of the processes in the session that `session` led."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if os.getsid(int(entry.name)) == session:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found


def processes_with(mark: str) -> list[int]:
    """The ids of the processes that have `mark` in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def nothing_listens(facts: dict[str, Any]) -> None:
    """The ports of web server and Redis refuse connections."""
    for port in (int(facts["url"].rpartition(":")[2]), facts["redis_port"]):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            continue
        raise AssertionError(f"port {port} still answers")


if __name__ == "__main__":
    sys.exit(main())
