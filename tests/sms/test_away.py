"""A Redis that cannot serve requests now: 503 at every door, whatever the server calls it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    DataError,
    MasterDownError,
    MovedError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from config.demo.embedded import EmbeddedServer
from sms import away, services
from sms.errors import Unavailable
from sms.message import State
from sms.providers.memory import MemoryProvider
from tests.conftest import Api, point_cache_at, server_with
from tests.spoilt import DUMB, SPOILT

PHONE = "+12025550123"

SCRIPT_62 = "Error running script (call to f_8ec98a5cf545): @user_script:2: @user_script: 2:"
CANNOT = "The user executing the script can't"


@pytest.fixture
def server(settings: Any) -> Iterator[EmbeddedServer]:
    """A server of this test alone, which says BUSY soon; the cache is on it."""
    with server_with(lua_time_limit="50") as found:
        point_cache_at(settings, found.url)
        yield found


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
        # The words of real servers: 6.2, then 7.0 to 8.2 and Valkey 9.1, then by a pipeline.
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
        (MovedError("10282 127.0.0.1:7001"), "cluster"),
        (AskError("10282 127.0.0.1:7001"), "moving"),
        (TryAgainError("Multiple keys request during rehashing of slot"), "moving"),
        (ClusterDownError("The cluster is down"), "cluster_down"),
        (OSError(24, "Too many open files"), "away"),
        (
            RedisConnectionError("Error 1 connecting to one:6379. [SSL: CERTIFICATE_VERIFY_FAILED]"),
            "certificate",
        ),
        # Faults of ours, which waiting does not fix.
        (ResponseError(f"{SCRIPT_62} attempt to index a nil value (local 'OOM')"), ""),
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), ""),
        (DataError("Invalid input of type: 'dict'"), ""),
    ],
)
def test_the_words_of_every_server(error, reason):
    """One server's word for "not now" must be known in every form in which it comes."""
    assert away.reason(error) == reason


@pytest.mark.parametrize("name", sorted(SPOILT.keys() - {"no_room_for_clients"}))
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
