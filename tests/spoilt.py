"""A Redis that cannot serve requests now, in every way that we know."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django_redis import get_redis_connection
from redis.exceptions import RedisError, ResponseError

from config.demo.embedded import EmbeddedServer
from tests.conftest import point_cache_at


def _admin() -> Any:
    return get_redis_connection()


@contextmanager
def _configured(name: str, value: str, back: str) -> Iterator[None]:
    admin = _admin()
    admin.config_set(name, value)
    yield
    admin.config_set(name, back)


@contextmanager
def out_of_memory(server: EmbeddedServer, settings: Any) -> Iterator[None]:
    with _configured("maxmemory", "1", "0"):
        yield


@contextmanager
def without_its_replicas(server: EmbeddedServer, settings: Any) -> Iterator[None]:
    with _configured("min-replicas-to-write", "1", "0"):
        yield


@contextmanager
def a_replica(server: EmbeddedServer, settings: Any) -> Iterator[None]:
    admin = _admin()
    admin.replicaof("127.0.0.1", "9")
    yield
    admin.replicaof("no", "one")


@contextmanager
def a_replica_without_its_master(server: EmbeddedServer, settings: Any) -> Iterator[None]:
    with a_replica(server, settings), _configured("replica-serve-stale-data", "no", "yes"):
        yield


@contextmanager
def without_a_disk(server: EmbeddedServer, settings: Any) -> Iterator[None]:
    admin = _admin()
    directory = admin.config_get("dir")["dir"]
    admin.config_set("save", "3600 1")
    shutil.rmtree(directory)
    with suppress(ResponseError):
        admin.bgsave()
    deadline = time.monotonic() + 5
    while admin.info("persistence")["rdb_last_bgsave_status"] == "ok":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield
    admin.config_set("save", "")


@contextmanager
def busy(server: EmbeddedServer, settings: Any) -> Iterator[None]:
    """One of somebody's scripts does not come to an end."""
    admin = _admin()

    def hang() -> None:
        with suppress(RedisError):
            admin.eval("while true do end", 0)

    hanging = threading.Thread(target=hang)
    hanging.start()
    deadline = time.monotonic() + 5
    while True:
        try:
            admin.get("anything")
        except ResponseError:
            break
        except RedisError:
            pass
        assert time.monotonic() < deadline
    yield
    admin.script_kill()
    hanging.join()


def _as_user(server: EmbeddedServer, settings: Any, *rules: str) -> None:
    _admin().execute_command("ACL", "SETUSER", "limited", "on", ">sesame", "+@all", *rules)
    point_cache_at(settings, server.url.replace("redis://", "redis://limited:sesame@"))


@contextmanager
def forbids_scripts(server: EmbeddedServer, settings: Any) -> Iterator[None]:
    _as_user(server, settings, "allkeys", "-@scripting")
    yield


@contextmanager
def forbids_our_keys(server: EmbeddedServer, settings: Any) -> Iterator[None]:
    _as_user(server, settings, "~cache:*")
    yield


@contextmanager
def forbids_what_scripts_do(server: EmbeddedServer, settings: Any) -> Iterator[None]:
    _as_user(server, settings, "allkeys", "-hset", "-hget", "-hmget", "-hgetall", "-zadd", "-set", "-zcount")
    yield


@contextmanager
def another_password(server: EmbeddedServer, settings: Any) -> Iterator[None]:
    point_cache_at(settings, server.url.replace("redis://", "redis://nobody:sesame@"))
    yield


@contextmanager
def no_such_database(server: EmbeddedServer, settings: Any) -> Iterator[None]:
    point_cache_at(settings, server.url.removesuffix("/0") + "/99")
    yield


@contextmanager
def no_room_for_clients(server: EmbeddedServer, settings: Any) -> Iterator[None]:
    with _configured("maxclients", "1", "100"):
        point_cache_at(settings, server.url.replace("127.0.0.1", "localhost"))
        yield


SPOILT: dict[str, Callable[..., Any]] = {
    made.__name__: made
    for made in (
        out_of_memory,
        without_its_replicas,
        a_replica,
        a_replica_without_its_master,
        without_a_disk,
        busy,
        forbids_scripts,
        forbids_our_keys,
        forbids_what_scripts_do,
        another_password,
        no_such_database,
        no_room_for_clients,
    )
}

WRITE_PROTECTED = ["out_of_memory", "without_its_replicas", "a_replica", "without_a_disk"]

#: Those that let nobody read either.
DUMB = SPOILT.keys() - {
    "out_of_memory",
    "without_its_replicas",
    "a_replica",
    "without_a_disk",
    "forbids_scripts",
}
