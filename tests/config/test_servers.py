"""REDIS_URL and CELERY_BROKER_URL: one server, Sentinel, cluster, RabbitMQ; what cannot work is refused."""

from __future__ import annotations

import socket
import time
from urllib.parse import quote

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from kombu import Connection
from redis.connection import parse_url

from config.demo.embedded import EmbeddedServer
from config.demo.ports import free_port
from config.servers import broker, cache, caches
from tests.faults.stack import Stack, wait_for
from tests.starts import issues, manage, python

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


def test_nodes_of_a_cluster_for_the_store():
    found = cache("redis+cluster://user:se%3Bsame@one:7000,two,[::1]:7001", connections=7)
    assert found["LOCATION"] == "redis://user:se%3Bsame@one:7000"
    assert found["OPTIONS"]["CONNECTION_FACTORY"] == "sms.cluster.ConnectionFactory"
    assert found["OPTIONS"]["NODES"] == [("one", 7000), ("two", 6379), ("::1", 7001)]
    assert cache("rediss+cluster://one/0", connections=7)["LOCATION"] == "rediss://one:6379"


def test_the_shortest_way_to_write_sentinels():
    found = cache("sentinel://one/mymaster", connections=7)
    assert found["LOCATION"] == "redis://mymaster/0"
    assert found["OPTIONS"]["SENTINELS"] == [("one", 26379)]
    assert broker("sentinel://one/mymaster")["CELERY_BROKER_URL"] == "sentinel://one:26379/0"


def test_rabbitmq_gets_nothing_of_redis():
    found = broker("amqp://one;amqp://two;amqp://three")
    options = {"max_retries": 2, "connect_retries_timeout": None, "confirm_publish": True}
    assert found["CELERY_BROKER_TRANSPORT_OPTIONS"] == options
    assert found["CELERY_BROKER_CONNECTION_TIMEOUT"] == 0.5
    assert found["CELERY_TASK_DEFAULT_QUEUE_TYPE"] == "quorum"
    assert found["CELERY_BROKER_USE_SSL"] is False
    assert broker("amqp://one")["CELERY_BROKER_CONNECTION_TIMEOUT"] == 1


RAW = "a;b[c,d]e%f:g@h"  # no letter of it is escaped, "/", "?" and "#" are not among them


@pytest.mark.parametrize(
    "url", [f"redis://user:{RAW}@host:6379/3", f"redis://user:{quote(RAW, safe='')}@host:6379/3"]
)
def test_a_password_may_hold_what_some_library_splits_a_url_at(url):
    """redis-py, kombu and Celery split URLs differently: what one took, another showed in a traceback."""
    store = parse_url(cache(url, connections=7)["LOCATION"])
    assert (store["username"], store["password"], store["host"], store["db"]) == ("user", RAW, "host", 3)
    queues = Connection(broker(url)["CELERY_BROKER_URL"])
    assert (queues.userid, queues.password, queues.hostname, queues.virtual_host) == (
        "user",
        RAW,
        "host",
        "3",
    )
    assert queues.alt == []


def test_the_passwords_of_several_rabbitmqs_may_hold_it_too():
    found = broker(f"amqp://user:{RAW}@one:5672/otpost;amqp://user:{RAW}@two")
    first, second = (Connection(url) for url in found["CELERY_BROKER_URL"].split(";"))
    assert (first.password, first.hostname, first.virtual_host) == (RAW, "one", "otpost")
    assert (second.password, second.hostname) == (RAW, "two")
    assert found["CELERY_BROKER_TRANSPORT_OPTIONS"]["max_retries"] == 1


def test_options_of_redis_py_are_none_of_kombus():
    url = "redis://one?db=3&socket_timeout=5&password=p%40q"
    assert cache(url, connections=7)["LOCATION"] == "redis://:p%40q@one/3?socket_timeout=5"
    assert broker(url)["CELERY_BROKER_URL"] == "redis://:p%40q@one/3"


def test_a_socket_for_the_queues_is_written_as_celery_reads_it():
    url = "unix://:se%3Bsame@/run/redis.sock?db=3"
    assert cache(url, connections=7)["LOCATION"] == url
    found = broker(url)["CELERY_BROKER_URL"]
    assert found == "redis+socket://:se%3Bsame@/run/redis.sock?virtual_host=3"
    assert broker("unix:///run/redis.sock")["CELERY_BROKER_URL"] == "redis+socket:///run/redis.sock"


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://:sesame@one/main", "the database must be a number, as in redis://"),
        ("redis://:sesame@one:6379/0/1", "the database must be a number"),
        ("redis://:sesame@one/-1", "the database must be a number"),
        ("redis://:sesame@one?db=main", "the database must be a number"),
        ("unix://:sesame@/run/redis.sock?db=main", "must look like redis://"),
        ("unix://run/redis.sock", "must look like redis://"),
        ("unix:///", "must look like redis://"),
        ("redis://:sesame@one:port/0", "must look like redis://"),
        ("redis://:sesame@one:99999/0", "must look like redis://"),
        ("redis://:se/same@one:6379/0", "must look like redis://"),
        ("redis://:se#same@one:6379/0", "must look like redis://"),
        ("redis://:se?same@one:6379/0", "must look like redis://"),
        ("redis://:sesame@[::1:6379/0", "must look like redis://"),
        ("redis://:sesame@one two/0", "must look like redis://"),
        ("redis://:sesame@one/0?socket_timeout=sesame", "must look like redis://"),
        ("redis://:sesame@one/0?no_such_option=sesame", "must look like redis://"),
        ("redis+sentinel://:sesame@one/mymaster/-1", "must look like redis+sentinel://"),
        ("redis-cluster://:sesame@one:6379", "must look like redis+cluster://"),
        ("redis://:sesame@one:7000,two:7001,three:7002/0", "names several hosts"),
        ("rediss://:sesame@one;two/0", "names several hosts"),
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
        ("rediss+sentinel://:sesame@one", "must look like redis+sentinel://"),
        (
            "redis://:sesame@one/0?ssl_ca_certs=/ca.pem",
            "has ssl_ca_certs=, but no TLS. Begin it with rediss",
        ),
        ("redis+sentinel://:sesame@one/m?ssl_cert_reqs=none", "Begin it with rediss+sentinel://"),
        ("rediss://:sesame@one/0?ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs= must be required or none"),
        ("rediss://:sesame@one/0?ssl_cert_reqs=optional", "ssl_cert_reqs= must be required or none"),
        ("rediss://:sesame@one/0?ssl_cert_reqs=", "ssl_cert_reqs= must be required or none"),
        ("rediss://:sesame@one/0?ssl_check_hostname=no", "ssl_check_hostname= must be true or false"),
        ("rediss://:sesame@one/0?ssl_ca_certs=/no/such.pem", "ssl_ca_certs= must name a file that can be"),
        ("sesame", "is not a URL"),
    ],
)
def test_what_cannot_work_is_refused_by_name_and_not_repeated(name, url, words):
    with pytest.raises(ImproperlyConfigured) as caught:
        cache(url, connections=7) if name == "REDIS_URL" else broker(url)
    assert str(caught.value).startswith(name)
    assert words in str(caught.value)
    assert "sesame" not in str(caught.value)


def aliases(url: str) -> list[str]:
    """Those of OTPOST_CACHE, each in CACHES."""
    entries, found = caches(url, connections=7)
    assert isinstance(found, list)
    assert list(entries) == ["default", *found]
    assert entries["default"] is entries[found[0]]
    return found


def test_one_server_is_the_default_cache():
    entries, alias = caches("redis://one", connections=7)
    assert (list(entries), alias) == (["default"], "default")


def test_several_servers_are_named_by_their_addresses():
    """However they are written, with whatever password: an alias decides which cells its server has."""
    urls = (
        "redis://:a;b@One;rediss://user:p@two:6380/3 ; unix:///run/redis.sock?db=2;redis://:s@[::1]:6379/0",
        "redis://other@one:6379/0;redis://two:6380?db=3;unix://:x@/run/redis.sock?db=2;redis://[::1]",
    )
    for url in urls:
        assert aliases(url) == ["one:6379/0", "two:6380/3", "/run/redis.sock/2", "[::1]:6379/0"]


def test_each_of_several_servers_has_its_own_password_and_tls():
    entries, _ = caches("redis://:a;b@one;rediss://user:p@two/3;unix:///run/redis.sock", connections=7)
    assert entries["one:6379/0"]["LOCATION"] == "redis://:a%3Bb@one"
    assert entries["two:6379/3"]["LOCATION"] == "rediss://user:p@two/3"
    pools = {alias: entry["OPTIONS"]["CONNECTION_POOL_KWARGS"] for alias, entry in entries.items()}
    assert [alias for alias, pool in pools.items() if "ssl_check_hostname" in pool] == ["two:6379/3"]


def test_groups_of_sentinels_are_named_by_their_masters():
    url = "redis+sentinel://:a@s1,s2/codes-1/0;redis+sentinel://:b@s2,s1/codes-2"
    assert aliases(url) == ["codes-1/0", "codes-2/0"]
    entries, _ = caches(url, connections=7)
    assert entries["codes-1/0"]["OPTIONS"]["PASSWORD"] == "a"
    assert entries["codes-2/0"]["OPTIONS"]["SENTINELS"] == [("s2", 26379), ("s1", 26379)]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://:sesame@one;redis+cluster://:sesame@two,three", "a Redis Cluster and another server"),
        ("redis://:sesame@one;redis://:other@one:6379/0", "names one:6379/0 twice"),
        (
            "redis+sentinel://:sesame@a,b/mymaster;redis+sentinel://:sesame@c,d/mymaster",
            "names mymaster/0 twice. Name each server once. Give each group's master a name",
        ),
        ("redis://:sesame@one;redis://:sesame@two/main", "the database must be a number"),
        ("redis://:sesame@one;amqp://:sesame@two", "must begin with redis://"),
        ("redis://:sesame@one;two/0", "Write several servers as redis://"),
        ("sentinel://:sesame@one:26379;sentinel://two:26379/mymaster", "must look like redis+sentinel://"),
    ],
)
def test_several_servers_that_cannot_work_are_refused_and_not_repeated(url, words):
    with pytest.raises(ImproperlyConfigured, match=r"^REDIS_URL") as caught:
        caches(url, connections=7)
    assert words in str(caught.value)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("setting", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_the_queues_are_on_one_server(setting):
    several = "redis://:sesame@one;redis+sentinel://:sesame@two/mymaster"
    with pytest.raises(ImproperlyConfigured, match="names several servers, but the queues must be on one"):
        broker(several)
    done = manage("check", **{"CELERY_BROKER_URL": "", "REDIS_CELLS": "64", setting: several})
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "in CELERY_BROKER_URL." in done.stderr
    assert "sesame" not in done.stderr


def test_several_servers_need_cells():
    several = {"REDIS_URL": "redis://:sesame@one;redis://:sesame@two", "CELERY_BROKER_URL": "redis://one"}
    done = manage("check", **several)
    assert done.returncode != 0
    assert "(sms.E049) REDIS_URL names 2 servers, but REDIS_CELLS is 1" in done.stderr
    assert "sesame" not in done.stderr
    assert manage("check", REDIS_CELLS="64", **several).returncode == 0


@pytest.mark.parametrize(
    "url", ["amqp://user:se/same@one", "amqp://:sesame@one:port", "amqp://:sesame@[::1/v"]
)
def test_a_rabbitmq_that_cannot_be_read_is_refused_and_not_repeated(url):
    with pytest.raises(ImproperlyConfigured, match="CELERY_BROKER_URL must look like amqp://") as caught:
        broker(url)
    assert "same" not in str(caught.value)


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
@pytest.mark.parametrize("url", ["redis://:sesame@one/main", "redis://:se/same@one", "redis://:sesame@[one"])
def test_a_url_that_cannot_be_read_ends_a_start_with_one_line(name, url):
    done = manage("check", **{name: url})
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith(name)
    assert "same" not in done.stderr


def test_rabbitmq_is_no_store():
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL must begin with redis://"):
        cache("amqp://one", connections=7)


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://:sesame@one/1",
        "redis+cluster://:sesame@one,",
        "redis+cluster://:sesame@one?db=0",
        "rediss+cluster://:se/same@one",
    ],
)
def test_a_cluster_that_cannot_be_read_is_refused_and_not_repeated(url):
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL must look like redis\\+cluster://") as caught:
        cache(url, connections=7)
    assert "same" not in str(caught.value)


def test_the_mend_is_that_of_the_setting():
    for url in ("redis://one,two", "redis://one?cluster=1"):
        with pytest.raises(ImproperlyConfigured, match="Cluster as redis\\+cluster://"):
            cache(url, connections=7)
        with pytest.raises(ImproperlyConfigured, match="Name a RabbitMQ"):
            broker(url)


@pytest.mark.parametrize("broker_url", ["", "redis+cluster://:sesame@one:6379"])
def test_no_queue_stands_in_a_cluster(broker_url):
    done = manage("check", REDIS_URL="redis+cluster://:sesame@one", CELERY_BROKER_URL=broker_url)
    assert done.returncode != 0
    assert "CELERY_BROKER_URL (without one, REDIS_URL) names a Redis Cluster" in done.stderr
    assert "amqp://" in done.stderr
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
    assert ("redis+cluster://" if name == "REDIS_URL" else "amqp://") in done.stderr


@pytest.mark.parametrize("program", ["web", "worker", "beat"])
@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_no_process_starts_on_a_cluster(tmp_path, cluster, server, name, program):
    urls = {"REDIS_URL": server.url, "CELERY_BROKER_URL": server.url} | {name: cluster.url}
    with Stack(tmp_path, **urls) as stack:
        process = stack.spawn(program)
        assert process.wait(30) != 0
        assert f"{name} leads to a Redis Cluster" in stack.log(program)


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_a_web_starts_without_its_server_and_is_not_ready_when_that_is_a_cluster(
    tmp_path, cluster, server, name
):
    part = "redis" if name == "REDIS_URL" else "broker"
    urls = {"REDIS_URL": server.url, "CELERY_BROKER_URL": server.url} | {name: cluster.url}
    cluster.kill()
    with Stack(tmp_path, **urls) as stack:
        stack.start("web")
        assert stack.call("GET", "/readyz")[1][part] == "away"
        cluster.start()
        if part == "broker":
            wait_for(lambda: stack.call("GET", "/readyz")[1][part] == "cluster_down")  # it has no slots yet
            redis.Redis.from_url(cluster.url).execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        wait_for(lambda: stack.call("GET", "/readyz")[1][part] == "cluster")
        assert stack.call("GET", "/readyz")[0] == 503


def test_a_server_that_takes_its_time_keeps_no_web_from_starting(tmp_path, server):
    """It takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with Stack(tmp_path, REDIS_URL=url, CELERY_BROKER_URL=url) as stack:
            began = time.monotonic()
            stack.start("web")
            assert time.monotonic() - began < 15


@pytest.fixture
def limited(server):
    """URLs of the same server that cannot work, by what is wrong with them."""
    admin = redis.Redis.from_url(server.url)
    admin.execute_command("ACL", "SETUSER", "scripts", "on", ">sesame", "allkeys", "+@all", "-@scripting")
    admin.execute_command("ACL", "SETUSER", "keys", "on", ">sesame", "~cache:*", "+@all")
    return {
        "password": server.url.replace("redis://", "redis://nobody:sesame@"),
        "database": server.url.removesuffix("/0") + "/99",
        "forbidden_commands": server.url.replace("redis://", "redis://scripts:sesame@"),
        "forbidden_keys": server.url.replace("redis://", "redis://keys:sesame@"),
    }


@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("REDIS_URL", "password", "REDIS_URL: Redis refuses the user name or password."),
        ("CELERY_BROKER_URL", "password", "REDIS_URL): The broker refuses the user name or password."),
        ("REDIS_URL", "database", "REDIS_URL: Redis has no such database"),
        ("CELERY_BROKER_URL", "database", "REDIS_URL): The broker has no such database"),
        ("REDIS_URL", "forbidden_commands", "REDIS_URL: Redis forbids its user a command"),
        ("REDIS_URL", "forbidden_keys", "REDIS_URL: Redis forbids its user the keys"),
    ],
)
def test_a_server_that_does_not_let_us_in_is_named_before_anything_starts(
    server, limited, name, wrong, words
):
    urls = {"REDIS_URL": server.url, "CELERY_BROKER_URL": server.url} | {name: limited[wrong]}
    done = manage("check", "--deploy", **urls)
    assert done.returncode != 0
    assert "(sms.E032)" in done.stderr
    assert words in done.stderr
    assert "sms.I001" not in done.stderr  # it does answer
    assert "sesame" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("program", ["web", "worker", "beat"])
def test_no_process_starts_with_a_wrong_password(tmp_path, limited, program):
    url = limited["password"]
    with Stack(tmp_path, REDIS_URL=url, CELERY_BROKER_URL=url) as stack:
        assert stack.spawn(program).wait(30) != 0
        assert "REDIS_URL: Redis refuses the user name or password." in stack.log(program)
        assert "Traceback" not in stack.log(program)
        assert "sesame" not in stack.log(program)


def test_a_full_server_is_a_warning(server):
    redis.Redis.from_url(server.url).config_set("maxmemory", "1")
    done = manage("check", "--deploy", REDIS_URL=server.url, CELERY_BROKER_URL=server.url)
    assert (done.returncode, "(sms.W020) REDIS_URL: Redis is full." in done.stderr) == (0, True)


def test_a_code_goes_out_over_a_socket(tmp_path):
    """kombu has another word for it than redis-py."""
    path, outbox = tmp_path / "redis.sock", tmp_path / "outbox.jsonl"
    with EmbeddedServer(config={"unixsocket": str(path)}, password="se;sa[me"):
        url = f"unix://:se;sa[me@{path}?db=1"
        with Stack(
            tmp_path, REDIS_URL=url, CELERY_BROKER_URL="", SMS_PROVIDERS=f"main=file://{outbox}?clear=yes"
        ) as stack:
            stack.start("web", "worker")
            assert stack.call("POST", "/v1/verifications", {"phone": "+12025550123"})[0] == 202
            wait_for(lambda: outbox.exists() and outbox.read_text())
            assert "same" not in stack.log("web") + stack.log("worker")


def test_one_server_passes_the_same_check():
    with EmbeddedServer() as server:
        done = manage("check", "--deploy", REDIS_URL=server.url)
        assert (done.returncode, issues(done)) == (0, set()), done.stderr


def test_celery_does_not_take_the_address_from_the_environment():
    """By default it prefers that variable to the setting, and cannot read this one."""
    url = "redis+sentinel://one,two,three/mymaster/0"
    code = (
        "import config.celery as c; app = c.app; "
        "print(app.connection_for_read().as_uri(), app.connection_for_write().as_uri())"
    )
    done = python("-c", code, DJANGO_SETTINGS_MODULE="tests.settings", CELERY_BROKER_URL=url)
    assert done.stdout.split() == ["sentinel://:**@one:26379/0"] * 2, done.stderr  # it shows the first


@pytest.mark.parametrize("scheme", ["rabbit", "azureservicebus", "http"])
def test_a_broker_that_celery_does_not_know_is_refused_by_name(scheme):
    """Celery's own answer is a traceback: of a name that is not known, of a package that is missing."""
    with pytest.raises(ImproperlyConfigured, match="CELERY_BROKER_URL must begin with redis://") as caught:
        broker(f"{scheme}://user:sesame@host")
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis+socket:///run/redis.sock", "memory://"])
def test_a_broker_of_celerys_own_spelling_is_left_as_it_is(url):
    assert broker(url)["CELERY_BROKER_URL"] == url
