"""The proxies of docs/proxies.md, as they stand there, in front of a running web process.

That process is one of WSGI with two threads, which a single slow body takes one of, so what is held
against it must be held by the proxy.
"""

from __future__ import annotations

import datetime
import http.client
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.demo.embedded import EmbeddedServer
from config.demo.ports import free_port
from tests.attack.conftest import environment
from tests.faults.stack import Stack, wait_for
from tests.starts import ROOT

pytestmark = pytest.mark.together

HOST = "otp.example.com"

TLS = ssl.create_default_context()
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE  # its own, made here

PROXIES = {"nginx": "/usr/sbin/nginx", "haproxy": "/usr/sbin/haproxy"}


def sample(language: str) -> str:
    """The configuration as the page has it."""
    text = (ROOT / "docs" / "proxies.md").read_text()
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with EmbeddedServer() as server:
        settings = environment(server.url) | {"PUBLIC_URL": f"https://{HOST}", "TRUSTED_PROXIES": "127.0.0.1"}
        with Stack(tmp_path_factory.mktemp("stack"), **settings) as found:
            words = ["-m", "granian", "--interface", "wsgi", "--blocking-threads", "2", "--http", "1"]
            found.processes["web"] = found.leash.spawn(
                [sys.executable, *words, "--port", str(found.web_port), "config.wsgi:application"],
                env=found.environment,
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            wait_for(lambda: answers(found.web_port))
            yield found


def answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False


@pytest.fixture(scope="module", params=PROXIES)
def port(
    request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """Where a proxy speaks TLS, started with the page's lines; only addresses and paths are ours."""
    program = shutil.which(request.param) or PROXIES[request.param]
    if not Path(program).exists():
        pytest.skip(f"there is no {request.param} here")
    directory, found = tmp_path_factory.mktemp(request.param), free_port()
    certificate(directory)
    own = sample(request.param)
    changes = {
        "127.0.0.1:8000": f"127.0.0.1:{stack.web_port}",
        "listen 443": f"listen 127.0.0.1:{found}",
        "bind :443": f"bind 127.0.0.1:{found}",
        "/etc/ssl/": f"{directory}/",
        "/etc/haproxy/": f"{directory}/",
    }
    for old, new in changes.items():
        own = own.replace(old, new)
    path = directory / "proxy.conf"
    if request.param == "nginx":
        kinds = " ".join(f"{kind}_temp_path {directory}/{kind};" for kind in TEMPORARY)
        path.write_text(
            f"daemon off; pid {directory}/pid; error_log {directory}/log;\n"
            f"events {{ worker_connections 2000; }}\nhttp {{ access_log off; {kinds}\n{own} }}"
        )
        words = [program, "-c", str(path), "-e", str(directory / "log")]
    else:
        path.write_text(own)
        words = [program, "-f", str(path), "-db"]
    process = stack.leash.spawn(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: ask(found, "/healthz")[0] == 200 if is_open(found) else False)
        yield found
    finally:
        process.terminate()
        process.wait(20)


TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def certificate(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / f"{HOST}.pem").write_bytes(made + private)
    (directory / f"{HOST}.key").write_bytes(private)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def connected(port: int, source: str = "127.0.0.1") -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", port), timeout=15, source_address=(source, 0))
    return TLS.wrap_socket(raw)


def ask(port: int, path: str, *headers: tuple[str, str], source: str = "127.0.0.1") -> tuple[int, str]:
    """Status and ``Location`` of a GET."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    with connected(port, source) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{lines}\r\n".encode()
        )
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.headers["Location"] or ""


@contextmanager
def attackers(port: int, count: int, sent: bytes) -> Iterator[list[ssl.SSLSocket]]:
    """Connections from several addresses, fewer from each than the proxy allows."""
    with ExitStack() as stack:
        found = []
        for number in range(count):
            connection = stack.enter_context(connected(port, f"127.0.1.{number % 4 + 1}"))
            connection.sendall(sent)
            found.append(connection)
        yield found


#: A form with a token, so that its body is wanted.
FORM = (
    f"POST / HTTP/1.1\r\nHost: {HOST}\r\nCookie: __Host-csrftoken={'c' * 32}\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\n"
)

SLOW = {
    "nothing": b"",
    "half a head": f"POST /v1/receipts/sandbox HTTP/1.1\r\nHost: {HOST}\r\n".encode(),
    "a body": f"{FORM}Content-Length: 1000\r\n\r\nx".encode(),
    "a body in chunks": f"{FORM}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n".encode(),
}


def test_slow_clients_reach_no_thread_of_ours(port):
    with ExitStack() as stack:
        for sent in SLOW.values():
            connections = stack.enter_context(attackers(port, 60, sent))
        for path in ("/healthz", "/", "/v1/openapi.json"):
            began = time.monotonic()
            assert ask(port, path)[0] == 200
            assert time.monotonic() - began < 3
        # The proxy gives up by itself.
        last = connections[-1]
        try:
            said = last.recv(1000)
        except ConnectionError:
            said = b""
        assert said == b"" or said.startswith(b"HTTP/1.1 408")


def test_one_address_gets_only_so_many_connections(port):
    sent = SLOW["a body"]
    with ExitStack() as stack:
        refused = 0
        for _ in range(130):
            try:
                connection = stack.enter_context(connected(port, "127.0.2.1"))
                connection.sendall(sent)
                connection.settimeout(0.02)
                refused += connection.recv(100).startswith(b"HTTP/1.1 503")
            except TimeoutError:
                pass
            except OSError:
                refused += 1
        assert refused >= 20
        assert ask(port, "/healthz")[0] == 200


def test_what_a_user_says_of_the_connection_is_not_believed(port):
    assert ask(port, "/")[0] == 200  # no redirect to https: the proxy has said that it is
    for name in ("X-Forwarded-Proto", "X_Forwarded_Proto", "x_forwarded-proto"):
        assert ask(port, "/", (name, "http"))[0] == 200
    for name in ("X-Forwarded-Host", "X_Forwarded_Host"):
        assert ask(port, "/code", (name, "evil.example"))[1] in ("/", f"https://{HOST}/")
