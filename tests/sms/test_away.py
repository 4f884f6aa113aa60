"""A Redis that cannot do what is asked of it now: 503 at every door, whatever the server calls it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django_redis import get_redis_connection
from redis.exceptions import (
    BusyLoadingError,
    ClusterCrossSlotError,
    DataError,
    MasterDownError,
    RedisError,
    ResponseError,
)
from structlog.testing import capture_logs

from config.embedded import EmbeddedServer
from sms import away, services
from sms.errors import Unavailable
from sms.message import State
from sms.providers.memory import MemoryProvider
from tests.conftest import Api, point_cache_at, server_with

PHONE = "+12025550123"

SCRIPT_62 = "Error running script (call to f_8ec98a5cf545): @user_script:2: @user_script: 2:"
CANNOT = "The user executing the script can't"


@pytest.fixture
def server(settings: Any) -> Iterator[EmbeddedServer]:
    """A server of this test alone, which says BUSY soon; the cache is on it."""
    with server_with(lua_time_limit="50") as found:
        point_cache_at(settings, found.url)
        yield found


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


def _doors(api: Api, verification: str, message: str) -> dict[str, Callable[[], Any]]:
    """Everything that asks Redis for a caller over HTTP: the API, the pages, a provider's report."""
    form = {"phone": "+12025550188"}
    return {
        "start": lambda: api.post("/v1/verifications", {"phone": "+12025550177"}),
        "start once": lambda: api.post(
            "/v1/verifications", {"phone": "+12025550166"}, HTTP_IDEMPOTENCY_KEY="of-the-test"
        ),
        "check": lambda: api.post(f"/v1/verifications/{verification}/check", {"code": "000000"}),
        "resend": lambda: api.post(f"/v1/verifications/{verification}/resend"),
        "status": lambda: api.get(f"/v1/verifications/{verification}"),
        "cancel": lambda: api.delete(f"/v1/verifications/{verification}"),
        "send": lambda: api.post("/v1/messages", {"to": PHONE, "body": "Hello"}),
        "message": lambda: api.get(f"/v1/messages/{message}"),
        "page: start": lambda: api.client.post("/", form, headers={"Host": "otp.example.com"}),
    }


#: Those that write under any circumstances.
WRITING = {"start", "start once", "send", "page: start"}


@pytest.mark.parametrize("name", SPOILT)
def test_every_door_answers_503_and_works_again(server, settings, api, name):
    """No server's word for "not now" becomes an error of ours. Reading may still work."""
    started = api.post("/v1/verifications", {"phone": PHONE}).json()["id"]
    message = services.send(PHONE, "Hello").id
    doors = _doors(api, started, message)
    with SPOILT[name](server, settings):
        found = {door: ask().status_code for door, ask in doors.items()}
    must = doors.keys() if name in DUMB else WRITING
    assert {door: status for door, status in found.items() if door in must and status != 503} == {}
    assert {door: status for door, status in found.items() if status >= 500 and status != 503} == {}
    point_cache_at(settings, server.url)
    assert api.post("/v1/verifications", {"phone": "+12025550155"}).status_code == 202


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        # What real servers say: 6.2, then 7.0 to 8.2 and Valkey 9.1, then by a pipeline.
        (ResponseError(f"{SCRIPT_62} -OOM command not allowed when used memory > 'maxmemory'."), "full"),
        (ResponseError(f"{SCRIPT_62} -READONLY You can't write against a read only replica."), "read_only"),
        (ResponseError(f"{SCRIPT_62} -NOREPLICAS Not enough good replicas to write."), "read_only"),
        (ResponseError(f"{SCRIPT_62} -MISCONF Redis is configured to save RDB snapshots"), "read_only"),
        (ResponseError(f"{SCRIPT_62} {CANNOT} run this command or subcommand"), "forbidden_commands"),
        (ResponseError(f"{SCRIPT_62} {CANNOT} access at least one of the keys mentioned"), "forbidden_keys"),
        (ResponseError(f"{SCRIPT_62} Unknown Redis command called from Lua script"), "forbidden_commands"),
        (
            ResponseError(f"{CANNOT} access at least one of the keys script: 08dc, on @user_script:1."),
            "forbidden_keys",
        ),
        (
            ResponseError("NOREPLICAS Not enough good replicas to write. script: on @user_script:2."),
            "read_only",
        ),
        (ResponseError("BUSY Valkey is busy running a script."), "busy"),
        (ResponseError("Command # 1 (SET sms:sweep:otp 1) of pipeline caused error: BUSY Redis is"), "busy"),
        (ResponseError("ACL failure in script: No permissions to access a key script: "), "forbidden_keys"),
        (
            ResponseError("ACL failure in script: User u3 has no permissions to run"),
            "forbidden_commands",
        ),
        (
            ResponseError("unknown command 'EVALSHA', with args beginning with:"),
            "forbidden_commands",
        ),
        (ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), "read_only"),
        (BusyLoadingError("Redis is loading the dataset in memory"), "loading"),
        (MasterDownError("Link with MASTER is down"), "read_only"),
        (ClusterCrossSlotError("Keys in request don't hash to the same slot"), "cluster"),
        (OSError(24, "Too many open files"), "away"),
        # Ours: waiting does not mend it.
        (ResponseError(f"{SCRIPT_62} attempt to index a nil value (local 'OOM')"), ""),
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), ""),
        (DataError("Invalid input of type: 'dict'"), ""),
    ],
)
def test_the_words_of_every_server(error, reason):
    """One server's word for "not now" must be known in every form in which it comes."""
    assert away.reason(error) == reason


@pytest.mark.parametrize("name", sorted(SPOILT))
def test_it_is_loud_and_quotes_nothing(server, settings, monkeypatch, name):
    """One error line, however many ask; no key, address or password in it."""
    monkeypatch.setattr(away, "_told", {})
    with SPOILT[name](server, settings), capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(Unavailable):
                services.send(PHONE, "Hello")
    (line,) = [entry for entry in logs if entry["event"] == "redis_refuses"]
    assert line["log_level"] == "error"
    assert "sesame" not in str(line)
    assert "sms:" not in str(line)


@pytest.mark.parametrize("name", ["busy", "another_password", "forbids_our_keys"])
@pytest.mark.parametrize("command", [["dead_letters"], ["dead_letters", "an-id"], ["guard"]])
def test_a_command_ends_with_one_line(server, settings, name, command):
    with SPOILT[name](server, settings), pytest.raises(CommandError) as caught:
        call_command(*command)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["out_of_memory", "without_its_replicas", "a_replica", "without_a_disk", "busy"]
)
def test_an_acceptance_is_recorded_when_redis_writes_again(server, settings, monkeypatch, name):
    """Forgotten, it would be sent once more when its lease runs out."""
    spoilt = SPOILT[name](server, settings)

    def send(provider: MemoryProvider, sms: Any) -> str:
        spoilt.__enter__()
        threading.Timer(0.3, spoilt.__exit__, (None, None, None)).start()
        return sms.id

    monkeypatch.setattr(MemoryProvider, "send", send)
    message = services.send(PHONE, "Hello")
    assert services.get(message.id).state is State.SENT
