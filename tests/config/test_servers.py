"""REDIS_URL and CELERY_BROKER_URL: one server, Sentinel, RabbitMQ; and what cannot work is refused."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.embedded import EmbeddedServer
from config.ports import free_port
from config.servers import broker, cache
from tests.config.test_settings import issues, manage
from tests.faults.stack import Stack, wait_for

SENTINEL = "redis+sentinel://user:se%3Bsame@one:26379,two,[::1]:26380/mymaster/3?sentinel_password=s%26p"


@pytest.mark.parametrize("url", ["redis://:p@host:6379/0", "rediss://host/1", "unix:///run/redis.sock"])
def test_one_server_stays_as_it_is(url):
    found = cache(url, connections=7)
    assert found["LOCATION"] == url
    assert (found["OPTIONS"]["SOCKET_TIMEOUT"], found["OPTIONS"]["SOCKET_CONNECT_TIMEOUT"]) == (1, 1)
    assert found["OPTIONS"]["CONNECTION_POOL_KWARGS"]["max_connections"] == 7
    assert "SENTINELS" not in found["OPTIONS"]


def test_sentinels_for_the_store():
    found = cache(SENTINEL, connections=7)
    options = found["OPTIONS"]
    assert found["LOCATION"] == "redis://mymaster/3"
    assert options["SENTINELS"] == [("one", 26379), ("two", 26379), ("::1", 26380)]
    assert (options["USERNAME"], options["PASSWORD"]) == ("user", "se;same")
    kwargs = options["SENTINEL_KWARGS"]
    assert kwargs["password"] == "s&p"
    assert kwargs["retry"].get_retries() == 0
    assert kwargs["socket_timeout"] * 3 == kwargs["socket_connect_timeout"] * 3 == 1


def test_sentinels_for_the_queues():
    found = broker(SENTINEL)
    options = found["CELERY_BROKER_TRANSPORT_OPTIONS"]
    assert found["CELERY_BROKER_URL"] == (
        "sentinel://user:se%3Bsame@one:26379/3;"
        "sentinel://user:se%3Bsame@two:26379/3;"
        "sentinel://user:se%3Bsame@[::1]:26380/3"
    )
    assert options["master_name"] == "mymaster"
    assert options["sentinel_kwargs"]["password"] == "s&p"
    assert options["priority_steps"] == [0]
    assert options["socket_timeout"] == 1


def test_the_shortest_way_to_write_sentinels():
    found = cache("sentinel://one/mymaster", connections=7)
    assert found["LOCATION"] == "redis://mymaster/0"
    assert found["OPTIONS"]["SENTINELS"] == [("one", 26379)]
    assert broker("sentinel://one/mymaster")["CELERY_BROKER_URL"] == "sentinel://one:26379/0"


def test_rabbitmq_gets_nothing_of_redis():
    found = broker("amqp://one;amqp://two;amqp://three")
    assert found["CELERY_BROKER_TRANSPORT_OPTIONS"] == {"max_retries": 2, "confirm_publish": True}
    assert found["CELERY_BROKER_CONNECTION_TIMEOUT"] == 0.5
    assert found["CELERY_TASK_DEFAULT_QUEUE_TYPE"] == "quorum"
    assert broker("amqp://one")["CELERY_BROKER_CONNECTION_TIMEOUT"] == 1


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+cluster://:sesame@one:6379", "names a Redis Cluster"),
        ("rediss+cluster://:sesame@one:6379", "names a Redis Cluster"),
        ("redis://:sesame@one:7000,two:7001,three:7002/0", "names several hosts"),
        ("redis://:sesame@one:7000,two:7001,three:7002/0", "the nodes of a Redis Cluster"),
        ("redis://:sesame@one:7000,two:7001,three:7002/0", "different slots"),
        ("redis://:sesame@one;redis://:sesame@two", "names several hosts"),
        ("redis://:sesame@one:6379/0;redis://:sesame@two:6379/0", "names several hosts"),
        ("rediss://:sesame@one;two/0", "the nodes of a Redis Cluster"),
        ("redis://:sesame@one/0?cluster=true", "names a Redis Cluster"),
        ("rediss://:sesame@one/0?db=1&Cluster_Enabled=1", "names a Redis Cluster"),
        ("redis+sentinel://:sesame@one,two", "must look like redis+sentinel://"),
        ("redis+sentinel://:sesame@one,two/0/mymaster", "must look like redis+sentinel://"),
        ("redis+sentinel://:sesame@one,two/mymaster/zero", "must look like redis+sentinel://"),
        ("redis+sentinel://:sesame@one:port/mymaster", "must look like redis+sentinel://"),
        ("redis+sentinel://:sesame@one,,two/mymaster", "must look like redis+sentinel://"),
        ("redis+sentinel://:sesame/12@one/mymaster", "must look like redis+sentinel://"),
        ("redis+sentinel://:12#sesame@one/mymaster", "must look like redis+sentinel://"),
        ("redis+sentinel://:sesame@one/mymaster?master=x", "must look like redis+sentinel://"),
        ("sentinel://:sesame@one:26379;sentinel://two:26379/mymaster", "must look like redis+sentinel://"),
        ("rediss+sentinel://:sesame@one/mymaster", "must look like redis+sentinel://"),
        ("sesame", "is no URL"),
    ],
)
def test_what_cannot_work_is_refused_by_name_and_not_repeated(name, url, words):
    with pytest.raises(ImproperlyConfigured) as caught:
        cache(url, connections=7) if name == "REDIS_URL" else broker(url)
    assert str(caught.value).startswith(name)
    assert words in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_rabbitmq_is_no_store():
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL must begin with redis://"):
        cache("amqp://one", connections=7)


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_a_start_on_a_cluster_is_refused(name):
    done = manage("check", **{name: "redis+cluster://:sesame@one:6379"})
    assert done.returncode != 0
    for words in (f"{name} names a Redis Cluster", "several keys", "different slots", "Sentinel", "amqp://"):
        assert words in done.stderr
    assert "sesame" not in done.stderr


@pytest.fixture
def cluster():
    # By itself it would take the port 10,000 above its own, which may be in use.
    config = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
    with EmbeddedServer(config=config) as server:
        yield server


@pytest.fixture
def server():
    with EmbeddedServer() as found:
        yield found


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_a_server_that_turns_out_to_be_a_cluster_is_refused(cluster, server, name):
    urls = {"REDIS_URL": server.url, "CELERY_BROKER_URL": server.url} | {name: cluster.url}
    done = manage("check", "--deploy", **urls)
    assert done.returncode != 0
    assert "sms.E007" in done.stderr
    assert f"{name} leads to" in done.stderr
    assert "different slots" in done.stderr


@pytest.mark.parametrize("program", ["web", "worker", "beat"])
@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_no_process_starts_on_a_cluster(tmp_path, cluster, server, name, program):
    urls = {"REDIS_URL": server.url, "CELERY_BROKER_URL": server.url} | {name: cluster.url}
    with Stack(tmp_path, **urls) as stack:
        process = stack.spawn(program)
        assert process.wait(30) != 0
        assert f"{name} leads to a Redis Cluster" in stack.log(program)


@pytest.mark.parametrize(("name", "word"), [("REDIS_URL", "redis"), ("CELERY_BROKER_URL", "broker")])
def test_a_web_starts_without_its_server_and_is_not_ready_when_that_is_a_cluster(
    tmp_path, cluster, server, name, word
):
    urls = {"REDIS_URL": server.url, "CELERY_BROKER_URL": server.url} | {name: cluster.url}
    cluster.kill()
    with Stack(tmp_path, **urls) as stack:
        stack.start("web")
        assert stack.call("GET", "/readyz")[1][word] == "away"
        cluster.start()
        wait_for(lambda: stack.call("GET", "/readyz")[1][word] == "cluster")
        assert stack.call("GET", "/readyz")[0] == 503


def test_a_server_that_takes_its_time_keeps_no_web_from_starting(tmp_path, server):
    """It takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with Stack(tmp_path, REDIS_URL=url, CELERY_BROKER_URL=url) as stack:
            began = time.monotonic()
            stack.start("web")
            assert time.monotonic() - began < 15


def test_one_server_passes_the_same_check():
    with EmbeddedServer() as server:
        done = manage("check", "--deploy", REDIS_URL=server.url)
        assert (done.returncode, issues(done)) == (0, set()), done.stderr


def test_celery_does_not_take_the_address_from_the_environment():
    """It would, before the setting, and cannot read this one."""
    url = "redis+sentinel://one,two,three/mymaster/0"
    code = (
        "import config.celery as c; app = c.app; "
        "print(app.connection_for_read().as_uri(), app.connection_for_write().as_uri())"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "CELERY_BROKER_URL": url}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["sentinel://:**@one:26379/0"] * 2, done.stderr  # it shows the first
