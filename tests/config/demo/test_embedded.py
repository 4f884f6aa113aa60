"""The embedded server: a real one, with a password or without, that can be killed and comes back."""

import json
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from config.demo.embedded import EmbeddedServer, EmbeddedServerError
from config.demo.ports import is_free
from tests.config.observe import alive, eventually


def client_of(server: EmbeddedServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


def test_a_server_killed_and_started_again_keeps_its_keys() -> None:
    """Data written a second ago is in the file that it reads back, on the same port."""
    with EmbeddedServer() as server, client_of(server) as client:
        port = server.port
        client.config_set("appendfsync", "always")
        client.set("answer", "42")
        server.kill()
        assert is_free(port)
        server.start()
        assert server.port == port
        assert client.get("answer") == "42"


def test_a_server_stopped_keeps_its_keys_in_a_directory_of_ours(tmp_path: Path) -> None:
    """At a stop in good order even the last second is written, everysec or not."""
    server = EmbeddedServer(directory=tmp_path / "data")
    with server, client_of(server) as client:
        client.set("answer", "42")
    assert (tmp_path / "data").exists()
    with server, client_of(server) as client:
        assert client.get("answer") == "42"


def test_its_own_directory_is_private_and_goes_with_it() -> None:
    with EmbeddedServer() as server, client_of(server) as client:
        directory = Path(client.config_get("dir")["dir"])
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert not directory.exists()


def test_defaults_are_those_for_production() -> None:
    """A queue loses messages when keys are evicted; a code must survive a restart."""
    with EmbeddedServer() as server, client_of(server) as client:
        settings = client.config_get("*")
        assert settings["bind"] == "127.0.0.1"
        assert settings["appendonly"] == "yes"
        assert settings["appendfsync"] == "everysec"
        assert settings["maxmemory-policy"] == "noeviction"
        assert settings["save"] == ""


def test_settings_can_be_added_and_replaced() -> None:
    with (
        EmbeddedServer(config={"maxmemory": "50mb", "appendonly": "no"}) as server,
        client_of(server) as client,
    ):
        assert client.config_get("maxmemory")["maxmemory"] == str(50 * 1024 * 1024)
        assert client.config_get("appendonly")["appendonly"] == "no"


def test_a_password_is_asked_for_and_shown_nowhere(tmp_path: Path) -> None:
    """Also one with characters that mean something in a URL or in a configuration file."""
    password = 'p"a\\s s#w/o@rd'
    with EmbeddedServer(password=password, directory=tmp_path) as server:
        with client_of(server) as client:
            assert client.ping()
        once = Retry(NoBackoff(), 0)
        with redis.Redis(port=server.port, retry=once) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
        processes = subprocess.check_output(["ps", "-A", "-ww", "-o", "args"], text=True)
        assert str(server.port) in processes
        assert password not in processes
        for file in tmp_path.rglob("*"):
            assert file.is_dir() or password not in file.read_text(errors="replace")


def test_a_setting_it_does_not_know_is_an_error_with_its_own_words() -> None:
    with pytest.raises(EmbeddedServerError, match=r"(?s)ended with code 1.*no-such-setting"):
        EmbeddedServer(config={"no-such-setting": "yes"}).start()


def test_a_taken_port_is_an_error_that_names_it() -> None:
    """It must not take the answer of the server that is already there for its own."""
    with EmbeddedServer() as first:
        with pytest.raises(EmbeddedServerError, match=f"port {first.port} is taken"):
            EmbeddedServer(first.port).start()
        with client_of(first) as client:
            assert client.ping()


def test_stop_and_kill_may_come_in_any_order() -> None:
    server = EmbeddedServer()
    server.stop()
    server.start()
    server.start()
    server.kill()
    server.kill()
    server.stop()
    server.stop()
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_does_not_outlive_its_parent(number: int) -> None:
    """Not even without a `with`, and its directory goes as well."""
    script = """
import json, sys, time
from pathlib import Path
from config.demo.embedded import EmbeddedServer

server = EmbeddedServer().start()
print(json.dumps([server.process.pid, server.port]), flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, port = json.loads(parent.stdout.readline())
        with redis.Redis(port=port, decode_responses=True) as client:
            directory = Path(client.config_get("dir")["dir"])
        parent.send_signal(number)
        parent.wait(30)
        assert eventually(lambda: not alive([pid]))
        assert eventually(lambda: not directory.exists())


def test_it_waits_for_the_data_to_be_read_back() -> None:
    """While a server loads it answers, but not with data: `start` returns after that."""
    with EmbeddedServer(config={"enable-debug-command": "yes"}) as server, client_of(server) as client:
        client.config_set("appendfsync", "always")
        client.execute_command("DEBUG", "POPULATE", "20000", "key", "10")
        client.bgrewriteaof()
        assert eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
        client.config_set("key-load-delay", "50")
        server.kill()
        started = time.monotonic()
        server.start()
        assert client.dbsize() == 20000
        assert time.monotonic() - started < 5
