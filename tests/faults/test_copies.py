"""``OTPOST_COPIES``: nothing is accepted before so many replicas hold it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from redis import Redis

from config.demo.embedded import EmbeddedServer
from otp import services as codes
from otp.errors import StoreUnavailable
from sms import probe, scripts, services
from sms.errors import Unavailable
from sms.scripts import COPIED_WITHIN
from tests.conftest import point_cache_at
from tests.faults.cluster import Cluster
from tests.faults.stack import wait_for
from tests.faults.test_pipeline import phones
from tests.hung import hung

pytestmark = [pytest.mark.together(20), pytest.mark.one_server]

ONE, OTHER, THIRD = phones(3)


class Pair:
    """A master and its replica."""

    def __init__(self) -> None:
        self.master = EmbeddedServer()
        follow = {"replicaof": f"127.0.0.1 {self.master.port}"}
        self.replica = EmbeddedServer(config=follow | {"repl-diskless-sync-delay": "0"})

    @property
    def url(self) -> str:
        return self.master.url

    def __enter__(self) -> Pair:
        self.master.start()
        self.replica.start()
        master: Any = Redis.from_url(self.master.url)
        wait_for(lambda: master.execute_command("WAIT", 1, 100) == 1)
        return self

    def __exit__(self, *_: object) -> None:
        self.replica.stop()
        self.master.stop()


@pytest.fixture(params=["a pair", "a cluster"])
def pair(request, tmp_path, settings, monkeypatch, redis):
    """On a busy machine a replica may take longer than the half second that it has."""
    settings.OTPOST_COPIES = 1
    monkeypatch.setattr(scripts, "COPIED_WITHIN", 10_000)
    with Pair() if request.param == "a pair" else Cluster(tmp_path) as found:
        point_cache_at(settings, found.url, socket_timeout=20)
        yield found


def held_by(server: EmbeddedServer) -> set[bytes]:
    """The ids of what it knows of, codes and messages alike."""
    client: Any = Redis.from_url(server.url)
    return {key.rsplit(b":", 1)[-1] for key in client.keys("*")}


def test_what_was_accepted_outlives_its_master_at_once(pair):
    started = codes.start(ONE)
    sent = services.send(OTHER, "hello")
    pair.master.kill()
    held = held_by(pair.replica)
    assert {started.id.encode(), started.message_id.encode(), sent.id.encode()} <= held


def test_without_its_copy_nothing_is_accepted_and_readiness_says_why(pair, api, monkeypatch):
    probe.redis()
    with hung(pair.replica), monkeypatch.context() as usual:
        usual.setattr(scripts, "COPIED_WITHIN", COPIED_WITHIN)
        for accept in (lambda: codes.start(ONE), lambda: services.send(OTHER, "hello"), probe.redis):
            began = time.monotonic()
            with pytest.raises((StoreUnavailable, Unavailable)) as caught:
                accept()
            assert time.monotonic() - began < 3
        assert getattr(caught.value, "reason", "") == "copies"
        answer = api.post("/v1/verifications", {"phone": THIRD})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    codes.start("+12022000009")


def test_what_is_not_promised_does_not_wait(pair):
    started = codes.start(ONE)
    with hung(pair.replica):
        assert codes.check(started.id, "x").status == "invalid"
