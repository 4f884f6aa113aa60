"""Certificates of a test's own, and servers that show one."""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis
from redis.exceptions import RedisError

from config.demo.leash import Leash
from config.demo.ports import free_port
from tests.faults.stack import wait_for

PROGRAM = shutil.which("redis-server")
PASSWORD = "of-the-redis"
MASTER = "mymaster"
#: Of the tests' own connections.
NAME = "tests"
DAY = datetime.timedelta(days=1)


def missing() -> str:
    """The tool that this machine lacks for TLS; "" if none. The server in the tests' wheel has no TLS."""
    return "" if PROGRAM else "redis-server is not installed (apt install redis-server)"


class Authority:
    """A CA that is known only to readers of ``file``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA of {directory.name}")])
        self.file = directory / "ca.pem"
        directory.mkdir(exist_ok=True)
        may_sign = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        known = [(x509.BasicConstraints(ca=True, path_length=0), True), (may_sign, True)]
        made = self._sign(self._name, self._key, known, DAY)
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str, expired: bool = False) -> tuple[Path, Path]:
        """Certificate and key for these hosts or addresses, good for a day or until an hour ago."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([_general(name) for name in names])
        ends = datetime.timedelta(hours=-1) if expired else DAY
        certificate = self._sign(name, key, [(alternatives, False)], ends)
        stem = f"{names[0]}-expired" if expired else names[0]
        files = (self._directory / f"{stem}.pem", self._directory / f"{stem}.key")
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def _sign(
        self, name: x509.Name, key: Any, extensions: list[tuple[Any, bool]], ends: datetime.timedelta
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + ends)
        )
        # Required in every certificate by RFC 5280, and by Python from 3.13 on.
        ours, theirs = self._key.public_key(), key.public_key()
        known: list[tuple[Any, bool]] = [
            (x509.SubjectKeyIdentifier.from_public_key(theirs), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), False),
        ]
        for extension, critical in (*extensions, *known):
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class TlsRedis:
    """Starts on entry and ends on exit; takes only connections with TLS. Its log is in ``directory``.

    ``mutual``: nobody gets in, nor to its sentinel, without a certificate of the same authority.
    ``cluster``: it is one, of a single node.
    """

    def __init__(
        self,
        directory: Path,
        authority: Authority,
        *names: str,
        expired: bool = False,
        mutual: bool = False,
        cluster: bool = False,
    ) -> None:
        self._directory, self._authority, self._names = directory, authority, names
        self._expired, self._mutual, self._cluster = expired, mutual, cluster
        self.port = free_port()
        self._leash = Leash()

    @property
    def url(self) -> str:
        return f"rediss://:{PASSWORD}@127.0.0.1:{self.port}/0"

    @property
    def trusting(self) -> str:
        """The same, with its CA."""
        return f"{self.url}?ssl_ca_certs={self._authority.file}"

    @property
    def ours(self) -> str:
        """The rest of a URL that shows a certificate."""
        certificate, key = self._authority.issue("client.test")
        return f"&ssl_certfile={certificate}&ssl_keyfile={key}"

    def client(self) -> Any:
        return Redis.from_url(f"{self.url}?ssl_cert_reqs=none{self.ours}", client_name=NAME)

    def __enter__(self) -> Self:
        self._directory.mkdir(exist_ok=True)
        certificate, key = self._authority.issue(*self._names, expired=self._expired)
        options = self._options(certificate, key, self.port) | {"requirepass": PASSWORD}
        if self._cluster:
            options |= {"cluster-enabled": "yes", "tls-cluster": "yes", "cluster-port": str(free_port())}
        self._run(options)
        wait_for(self._answers)
        if self._cluster:
            self.client().execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_for(lambda: self.client().cluster("INFO")["cluster_state"] == "ok")
        return self

    def watch(self) -> int:
        """Start a sentinel for it, whose certificate is good; its port."""
        port = free_port()
        file = self._directory / "sentinel.conf"
        certificate, key = self._authority.issue(*self._names)
        options = self._options(certificate, key, port) | {
            "tls-replication": "yes",  # it connects to what it watches with TLS
            "sentinel": f"monitor {MASTER} 127.0.0.1 {self.port} 1\nsentinel auth-pass {MASTER} {PASSWORD}\n"
            # The sentinel may distrust the server too, but must still name it.
            f"sentinel down-after-milliseconds {MASTER} 3600000",
        }
        file.write_text("".join(f"{name} {value}\n" for name, value in options.items() if name != "save"))
        self._spawn([str(PROGRAM), str(file), "--sentinel"], "sentinel")
        wait_for(lambda: f"+monitor master {MASTER}" in (self._directory / "sentinel.log").read_text())
        return port

    def _options(self, certificate: Path, key: Path, port: int) -> dict[str, str]:
        return {
            "bind": "127.0.0.1",
            "port": "0",
            "tls-port": str(port),
            "tls-cert-file": str(certificate),
            "tls-key-file": str(key),
            "tls-ca-cert-file": str(self._authority.file),
            "tls-auth-clients": "yes" if self._mutual else "no",
            "dir": str(self._directory),
            "save": "",
        }

    def _run(self, options: dict[str, str]) -> None:
        words = (word for name, value in options.items() for word in (f"--{name}", value))
        self._spawn([str(PROGRAM), *words], "redis")

    def _spawn(self, argv: list[str], name: str) -> None:
        with (self._directory / f"{name}.log").open("ab") as log:
            self._leash.spawn(argv, stdout=log, stderr=log)

    def _answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except RedisError:
            return False

    def __exit__(self, *_: object) -> None:
        self._leash.close()


class TlsListener:
    """Shows a certificate to whoever connects at ``port``; ``heard`` is what they say then."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.heard: list[bytes] = []

    def _listen(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                connection, _ = self._socket.accept()
                with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as inside:
                    self.heard.append(inside.recv(1000))

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
