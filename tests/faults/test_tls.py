"""No process gives a password to a server without a good certificate: Redis alone, behind Sentinel or as a
cluster, or RabbitMQ: not the store, the queues or remote control.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from kombu import Connection

from config import celery  # noqa: F401  # kombu knows our transport through it
from config.demo.embedded import EmbeddedServer
from config.demo.ports import free_port
from config.servers import broker, cache
from otp.handler import OTPHandler
from sms.errors import TemporaryFailure
from sms.providers import from_url
from sms.providers.base import Sms
from tests.faults import rabbitmq
from tests.faults.certificates import MASTER, NAME, PASSWORD, Authority, TlsListener, TlsRedis, missing
from tests.faults.load import phone
from tests.faults.stack import Stack, wait_for
from tests.faults.test_pipeline import Outbox
from tests.starts import manage, python

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]


@pytest.fixture
def known(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "known")


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.jsonl")


@pytest.fixture
def right(tmp_path: Path, known: Authority) -> Iterator[TlsRedis]:
    with TlsRedis(tmp_path / "right", known, "127.0.0.1") as found:
        yield found


@pytest.fixture
def mutual(tmp_path: Path, known: Authority) -> Iterator[TlsRedis]:
    with TlsRedis(tmp_path / "mutual", known, "127.0.0.1", mutual=True) as found:
        yield found


@pytest.fixture
def wrong_host(tmp_path: Path, known: Authority) -> Iterator[TlsRedis]:
    with TlsRedis(tmp_path / "wrong", known, "another.test") as found:
        yield found


def clients(server: TlsRedis) -> int:
    """How many other clients have sent a command. One in its handshake, or broken off there, has not."""
    others = [client for client in server.client().client_list() if client["name"] != NAME]
    return len([client for client in others if client["cmd"] != "NULL"])


def by_sentinel(port: int) -> str:
    return f"rediss+sentinel://:{PASSWORD}@127.0.0.1:{port}/{MASTER}/0"


def deploy(store: str, broker: str) -> str:
    """The words of `check --deploy` about the two."""
    done = manage("check", "--deploy", REDIS_URL=store, CELERY_BROKER_URL=broker)
    assert PASSWORD not in done.stderr
    return done.stderr


#: Parts of its output.
UNBELIEVED, AWAY = "Fix the certificate; for a CA", "nothing answers there"


def as_cluster(server: TlsRedis) -> str:
    return server.trusting.replace("rediss://", "rediss+cluster://").replace("/0?", "?")


def refused(stack: Stack) -> bool:
    """Whether the worker logs that it did not believe the server."""
    return "CERTIFICATE_VERIFY_FAILED" in stack.log("worker")


def inspect_ping(**environment: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "celery", "-A", "config", "inspect", "ping", "--timeout", "5", **environment)


def test_with_the_ca_named_all_of_it_works(tmp_path, right, outbox):
    with Stack(tmp_path, REDIS_URL=right.trusting, CELERY_BROKER_URL="", SMS_PROVIDERS=outbox.url) as stack:
        stack.start("web", "worker", "beat")
        assert stack.call("POST", "/v1/verifications", {"phone": phone(1)})[0] == 202
        wait_for(outbox)
        wait_for(lambda: stack.call("GET", "/readyz")[0] == 200)
        assert "pong" in inspect_ping(**stack.environment).stdout


@pytest.mark.parametrize("why", ["unknown ca", "another host"])
@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_a_server_that_is_not_verified_gets_no_password(tmp_path, right, wrong_host, name, why):
    """By the store nor by who publishes, consumes, asks for sweeps or pings: none of them uses it."""
    bad = right.url if why == "unknown ca" else wrong_host.trusting
    good = right.trusting
    server = right if why == "unknown ca" else wrong_host
    urls = {"REDIS_URL": good, "CELERY_BROKER_URL": good} | {name: bad}
    with Stack(tmp_path, **urls, SMS_PROVIDERS="main=memory://") as stack:
        stack.start("web")
        for program in ("worker", "beat"):
            stack.spawn(program)
        assert stack.call("POST", "/v1/verifications", {"phone": phone(1)})[0] == 503
        part = "redis" if name == "REDIS_URL" else "broker"
        assert stack.call("GET", "/readyz")[1][part] == "certificate"
        if name == "CELERY_BROKER_URL":
            assert "pong" not in inspect_ping(**stack.environment).stdout
            wait_for(partial(refused, stack))
            assert why == "unknown ca" or clients(server) == 0  # the store's clients are at the other server
        for log in map(stack.log, stack.processes):
            assert PASSWORD not in log


def test_a_word_turns_it_off_and_check_deploy_names_it(tmp_path, right):
    url = f"{right.url}?ssl_cert_reqs=none"
    done = manage("check", "--deploy", REDIS_URL=url)
    assert done.returncode == 0, done.stderr
    assert "sms.W012" in done.stderr
    assert "REDIS_URL" in done.stderr
    assert "CELERY_BROKER_URL" in done.stderr
    assert PASSWORD not in done.stderr
    assert "sms.W012" not in manage("check", "--deploy", REDIS_URL=right.trusting).stderr


@pytest.mark.parametrize("why", ["unknown ca", "another host", "expired"])
def test_whoever_shows_such_a_certificate_hears_nothing(known, why):
    """Be it a Redis, a sentinel or a RabbitMQ, of the store or of the queues."""
    host = "another.test" if why == "another host" else "127.0.0.1"
    ca = "" if why == "unknown ca" else f"?ssl_ca_certs={known.file}"
    with TlsListener(*known.issue(host, expired=why == "expired")) as server:
        at = f"{PASSWORD}@127.0.0.1:{server.port}"
        assert deploy(f"rediss://:{at}/0{ca}", f"amqps://guest:{at}//{ca}").count(UNBELIEVED) == 2
        sentinel = by_sentinel(server.port) + ca
        assert deploy(sentinel, sentinel).count(AWAY) == 2  # redis-py does not say why
        assert server.heard == []


def test_sentinel_and_what_it_leads_to_see_our_certificate(mutual, tmp_path, known, outbox):
    url = f"{by_sentinel(mutual.watch())}?ssl_ca_certs={known.file}"
    with Stack(
        tmp_path, REDIS_URL=url + mutual.ours, CELERY_BROKER_URL="", SMS_PROVIDERS=outbox.url
    ) as stack:
        stack.start("web", "worker")
        assert stack.call("POST", "/v1/verifications", {"phone": phone(1)})[0] == 202
        wait_for(outbox)
    assert deploy(url, mutual.trusting).count(AWAY) == 2  # without it


def test_what_a_sentinel_leads_to_is_verified_too(tmp_path, known):
    with TlsRedis(tmp_path / "expired", known, "127.0.0.1", expired=True) as server:
        url = f"{by_sentinel(server.watch())}?ssl_ca_certs={known.file}"
        assert deploy(url, url).count(UNBELIEVED) == 2
        assert clients(server) == 0


def test_a_node_of_a_cluster_sees_our_certificate(tmp_path, known, settings):
    with TlsRedis(tmp_path / "nodes", known, "127.0.0.1", mutual=True, cluster=True) as server:
        with EmbeddedServer() as queues:
            assert AWAY in deploy(as_cluster(server), queues.url)  # without it
        settings.CACHES = {"default": cache(as_cluster(server) + server.ours, connections=4)}
        assert OTPHandler.generate_otp(phone(1)).status == "issued"


def test_a_node_of_a_cluster_is_verified(tmp_path, known):
    with (
        TlsRedis(tmp_path / "expired", known, "127.0.0.1", expired=True, cluster=True) as server,
        EmbeddedServer() as queues,
    ):
        assert UNBELIEVED in deploy(as_cluster(server), queues.url)
        assert clients(server) == 0


@pytest.mark.parametrize("names_the_ca", [False, True])
def test_a_provider_that_is_not_verified_gets_nothing(known, names_the_ca):
    """Neither number nor code, nor its own password: the next one has the message."""
    certificate, key = known.issue("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            connection, _ = listener.accept()
            with suppress(OSError), context.wrap_socket(connection, server_side=True) as inside:
                while b"123456" not in b"".join(heard):  # what is left unread would reset the connection
                    heard.append(inside.recv(1000))
                inside.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        url = f"twilio://AC1:token@?from=x&base_url=https://127.0.0.1:{listener.getsockname()[1]}"
        provider = from_url("main", url + f"&ssl_ca_certs={known.file}" * names_the_ca, pool_size=1)
        with pytest.raises(TemporaryFailure):
            provider.send(Sms(id="id", to=phone(1), body="123456"))
        thread.join(10)
    assert bool(b"".join(heard)) is names_the_ca


@pytest.mark.skipif(bool(rabbitmq.missing()), reason=rabbitmq.missing() or "-")
def test_rabbitmq_is_verified_each_node_by_its_own_name_and_sees_our_certificate(tmp_path, known, outbox):
    """The first of two nodes is away, so that the second is asked after it."""
    certificate, key = known.issue("localhost")
    port = free_port()
    config = (
        f"listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {known.file}\n"
        f"ssl_options.certfile = {certificate}\nssl_options.keyfile = {key}\n"
        "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n"
    )
    ours, our_key = known.issue("client.test")
    ca = f"?ssl_ca_certs={known.file}"
    query = f"{ca}&ssl_certfile={ours}&ssl_keyfile={our_key}"
    with EmbeddedServer() as server, rabbitmq.RabbitMQ(tmp_path, config):
        at = f"amqps://guest:guest@localhost:{port}//"
        url = f"amqps://guest:guest@localhost:{free_port()}//{query};{at}{query}"
        with Stack(tmp_path, REDIS_URL=server.url, CELERY_BROKER_URL=url, SMS_PROVIDERS=outbox.url) as stack:
            stack.start("web", "worker")
            assert stack.call("POST", "/v1/verifications", {"phone": phone(1)})[0] == 202
            wait_for(outbox)
        nodes = url.replace(f"localhost:{port}", f"127.0.0.1:{port}").split(";")
        for order in (nodes, nodes[::-1]):  # that the other one is away says less
            assert UNBELIEVED in deploy(server.url, ";".join(order))
        assert AWAY in deploy(server.url, at + ca)  # without our certificate


def test_localhost_keeps_its_name_for_the_next_connection(known):
    """kombu makes an address of it, which the certificate does not name."""
    with TlsListener(*known.issue("localhost")) as server:
        said = broker(f"amqps://guest:{PASSWORD}@localhost:{server.port}//?ssl_ca_certs={known.file}")
        with Connection(said["CELERY_BROKER_URL"], ssl=said["CELERY_BROKER_USE_SSL"]) as connection:
            for _ in range(2):
                with suppress(OSError):  # it answers nothing
                    connection.transport.establish_connection()
        wait_for(lambda: len(server.heard) == 2)
    assert {said[:4] for said in server.heard} == {b"AMQP"}
