"""The proxies of the docs, with their own files, in front of a running web process.

That process has two WSGI threads, and a single slow body occupies one of them. So it is the proxy that must
hold slow bodies back. Caddy does not, so the web behind it does. Each proxy knows two processes, and the
second is away.
"""

from __future__ import annotations

import datetime
import getpass
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.demo.embedded import EmbeddedServer
from config.demo.ports import free_port
from tests.attack.conftest import environment
from tests.attack.test_inbound import WHATSAPP, of_size
from tests.faults.stack import Stack, wait_for
from tests.otp.hooks.test_supabase import SECRET
from tests.otp.hooks.test_supabase import headers as signed_by_supabase
from tests.otp.hooks.test_supabase import of_size as of_supabase
from tests.sms.providers.test_whatsapp import signed as signed_by_meta
from tests.starts import ROOT

pytestmark = pytest.mark.together(45)

HOST = "otp.example.com"

TLS = ssl.create_default_context()
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE  # its own, made here

#: Each with the file that docs has for it.
PROXIES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile"}


class Proxy(NamedTuple):
    """A running proxy, and its ports for TLS and plain HTTP."""

    port: int
    plain: int


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with EmbeddedServer() as server:
        settings = environment(server.url) | {"PUBLIC_URL": f"https://{HOST}", "TRUSTED_PROXIES": "127.0.0.1"}
        settings |= {"PAGES": "open", "HOOKS": f"supabase={SECRET}"}
        settings["SMS_PROVIDERS"] += f",whatsapp={WHATSAPP}"
        with Stack(tmp_path_factory.mktemp("stack"), **settings) as found:
            found.start("web")
            yield found


@pytest.fixture(scope="module")
def weak(stack: Stack) -> int:
    """The port of a web that any slow body holds up."""
    port = free_port()
    words = ["-m", "granian", "--interface", "wsgi", "--blocking-threads", "2", "--http", "1"]
    stack.leash.spawn(
        [sys.executable, *words, "--port", str(port), "config.wsgi:application"],
        env=stack.environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: answers(port))
    return port


def answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False


@pytest.fixture(scope="module", params=PROXIES)
def proxy(
    request: pytest.FixtureRequest, stack: Stack, weak: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """A proxy that runs as its file says; only addresses, paths and Caddy's certificate are ours."""
    name = request.param
    program = shutil.which(name) or f"/usr/sbin/{name}"
    if not Path(program).exists():
        pytest.skip(f"there is no {name} here")
    directory, found = tmp_path_factory.mktemp(name), Proxy(free_port(), free_port())
    certificate(directory)
    own = (ROOT / "docs" / PROXIES[name]).read_text()
    changes = {
        "127.0.0.1:8000": f"127.0.0.1:{stack.web_port if name == 'caddy' else weak}",
        "127.0.0.1:8001": f"127.0.0.1:{free_port()}",
        **CHANGES[name](directory, found),
    }
    for old, new in changes.items():
        assert old in own
        own = own.replace(old, new)
    path = directory / "proxy.conf"
    path.write_text(own)
    words = {
        "nginx": ["-c", str(path), "-e", str(directory / "log")],
        "haproxy": ["-f", str(path), "-db"],
        "caddy": ["run", "--config", str(path), "--adapter", "caddyfile"],
    }
    process = stack.leash.spawn(
        [program, *words[name]],
        env=os.environ | {"HOME": str(directory), "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: ask(found.port, "/healthz")[0] == 200 if is_open(found.port) else False)
        yield found
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def port(proxy: Proxy) -> int:
    """Its port for TLS."""
    return proxy.port


def for_nginx(directory: Path, proxy: Proxy) -> dict[str, str]:
    """The docs' file is only a part: this writes the rest of nginx's configuration around it."""
    kinds = " ".join(f"{kind}_temp_path {directory}/{kind};" for kind in TEMPORARY)
    around = (
        f"daemon off; user {getpass.getuser()}; pid {directory}/pid; error_log {directory}/log;\n"
        f"events {{ worker_connections 2000; }}\nhttp {{ {kinds}\n"
    )
    return {
        "limit_conn_zone": f"{around}limit_conn_zone",
        "pass http://otpost;\n    }\n}\n": "pass http://otpost;\n    }\n}\n}\n",
        "listen 443": f"listen 127.0.0.1:{proxy.port}",
        "listen 80": f"listen 127.0.0.1:{proxy.plain}",
        "listen [::]:443": f"listen [::1]:{proxy.port}",
        "listen [::]:80": f"listen [::1]:{proxy.plain}",
        "/etc/ssl/": f"{directory}/",
        "/var/log/nginx/": f"{directory}/",
    }


def for_haproxy(directory: Path, proxy: Proxy) -> dict[str, str]:
    return {
        "bind :443": f"bind 127.0.0.1:{proxy.port}",
        "bind :80": f"bind 127.0.0.1:{proxy.plain}",
        "/etc/haproxy/": f"{directory}/",
    }


def for_caddy(directory: Path, proxy: Proxy) -> dict[str, str]:
    options = f"admin off\ndefault_bind 127.0.0.1\nhttp_port {proxy.plain}\nhttps_port {proxy.port}"
    return {
        "\tservers {": f"{options}\n\tservers {{",
        f"\n{HOST} {{": f"\n{HOST} {{\n\ttls {directory}/{HOST}.pem {directory}/{HOST}.key",
    }


CHANGES = {"nginx": for_nginx, "haproxy": for_haproxy, "caddy": for_caddy}

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
    return TLS.wrap_socket(raw, server_hostname=HOST)


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


#: A form with a token and from our page, so that the web reads its body.
FORM = (
    f"POST / HTTP/1.1\r\nHost: {HOST}\r\nCookie: __Host-csrftoken={'c' * 32}\r\n"
    f"Origin: https://{HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
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
            assert time.monotonic() - began < 8  # a thread that a body holds is free after 10 s
        # The proxy gives up by itself; Caddy does so with a status that depends on its version.
        last = connections[-1]
        try:
            said = last.recv(1000)
        except ConnectionError:
            said = b""
        by_caddy = b"Server: Caddy" in said
        assert said == b"" or said.startswith(b"HTTP/1.1 408") or by_caddy


@pytest.mark.parametrize("proxy", ["nginx", "haproxy"], indirect=True)  # Caddy has no such limit
def test_one_address_gets_only_so_many_connections(port):
    sent, open_ones, refused = SLOW["a body"], [], 0
    with ExitStack() as stack:
        for _ in range(130):
            try:
                connection = stack.enter_context(connected(port, "127.0.2.1"))
                connection.sendall(sent)
                connection.settimeout(0.02)
                open_ones.append(connection)
            except OSError:
                refused += 1
        # A busy machine may take its time for those answers.
        deadline = time.monotonic() + 5
        while refused < 20 and time.monotonic() < deadline:
            for connection in list(open_ones):
                try:
                    refused += connection.recv(100).startswith(b"HTTP/1.1 503")
                except TimeoutError:
                    continue
                except OSError:
                    refused += 1
                open_ones.remove(connection)
        assert refused >= 20
        assert ask(port, "/healthz")[0] == 200


def test_what_a_user_says_of_the_connection_is_not_believed(port):
    assert ask(port, "/")[0] == 200  # no redirect to https: the proxy says that the request came by it
    for name in ("X-Forwarded-Proto", "X_Forwarded_Proto", "x_forwarded-proto"):
        assert ask(port, "/", (name, "http"))[0] == 200
    for name in ("X-Forwarded-Host", "X_Forwarded_Host"):
        assert ask(port, "/code", (name, "evil.example"))[1] in ("/", f"https://{HOST}/")


def test_where_a_process_is_away_the_other_is_asked(port):
    body = b'{"phone": "+12025550123"}'
    head = f"POST /v1/verifications HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    for _ in range(12):
        with connected(port) as connection:
            connection.sendall(
                f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            )
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 401  # the request has no key


def test_long_bodies_are_let_through_where_a_vendor_sends_them(port):
    webhook, call = of_size(3_000_000), json.dumps(of_supabase(60_000)).encode()
    for path, body, signature in (
        ("receipts/whatsapp", webhook, signed_by_meta(webhook)),
        ("inbound/whatsapp", webhook, signed_by_meta(webhook)),
        ("hooks/supabase", call, signed_by_supabase(call.decode())),
    ):
        lines = {"Host": HOST, "Connection": "close", "Content-Length": str(len(body))} | signature
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        with connected(port) as connection:
            connection.sendall(f"POST /v1/{path} HTTP/1.1\r\n{head}\r\n".encode() + body)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 200, path


def test_a_key_in_clear_is_refused_and_a_page_is_led_to_tls(proxy):
    programs = [(path, 403, None) for path in ("/v1/verifications", "/v2/Services")]
    for path, status, location in (*programs, ("/code", 301, f"https://{HOST}/code")):
        connection = http.client.HTTPConnection("127.0.0.1", proxy.plain, timeout=5)
        connection.request("GET", path, headers={"Host": HOST})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Location"]) == (status, location)
