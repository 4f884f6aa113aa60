"""The store in a Redis Cluster: what happens to its nodes, to the slot of our keys, and to answers."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from redis import Redis

from config.demo.embedded import EmbeddedServer
from otp import services as codes
from otp.errors import StoreUnavailable
from otp.handler import OTPHandler
from sms import names, probe, services, store
from sms.errors import Unavailable
from sms.message import State
from tests.conftest import point_cache_at
from tests.faults.cluster import PASSWORD, Cluster
from tests.faults.cutter import Cutter
from tests.faults.stack import Stack, wait_for
from tests.faults.test_pipeline import Outbox, phones

pytestmark = pytest.mark.together(40)

ONE, OTHER, THIRD = phones(3)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture
def inside(cluster, settings, redis):
    """The store of this process is the cluster, which is empty."""
    point_cache_at(settings, cluster.url)
    cluster.follow().flushall()
    return cluster


def start(phone: str) -> Any:
    issued = OTPHandler.generate_otp(phone)
    assert issued.status == "issued"
    return issued


def starts_are_refused() -> str:
    """The reason that probing gives."""
    with pytest.raises(StoreUnavailable):
        OTPHandler.generate_otp(THIRD)
    with pytest.raises(Unavailable) as caught:
        probe.redis()
    return caught.value.reason


def started() -> bool:
    try:
        return OTPHandler.generate_otp(THIRD).status in ("issued", "pending")  # if an answer came too late
    except StoreUnavailable:
        return False


def keys(cluster: Cluster) -> set[bytes]:
    return set(cluster.follow().scan_iter())


def test_all_keys_stand_in_one_slot_and_are_found_there(inside, settings, capsys):
    settings.OTPOST_NAMESPACE = "shop"
    settings.GUARD_MODE = "enforce"
    message = services.send(ONE, "Hello")
    assert store.get(message.id).state == State.SENT
    assert store.record_receipt(message.id, State.DELIVERED, alias="test").moved
    assert OTPHandler.verify_otp(OTHER, start(OTHER).code).status == "valid"
    codes.start(THIRD)
    assert keys(inside)
    assert all(key.startswith(b"{shop:c0}") for key in keys(inside))
    assert names.queue("otp") == "shop:otp"
    call_command("guard", "--all")
    assert "US" in capsys.readouterr().out


def test_a_master_that_dies(inside):
    issued = start(ONE)
    inside.wait_for_the_replica()
    inside.master.kill()
    assert starts_are_refused() == "away"
    inside.let_the_replica_follow()
    wait_for(started)
    assert OTPHandler.verify_otp(ONE, issued.code).status == "valid"
    inside.bring_back()


def test_a_slot_that_moves(inside):
    """Key by key. Until all have moved, no script may run that would see half of them."""
    issued = start(ONE)
    wrong = "000000" if issued.code != "000000" else "111111"
    before = keys(inside)
    inside.begin_to_move()
    for most in (1, 0):
        assert starts_are_refused() == "moving"
        # The script would find the code, count the guess, and only then miss another key.
        with pytest.raises(StoreUnavailable):
            codes.check(issued.id, wrong)
        inside.move_keys(most)
    assert starts_are_refused() == "moving"
    assert keys(inside) == before
    inside.end_to_move()
    # A client still connected to the former node hears of the move, and misses nothing.
    checked = OTPHandler.verify_otp(ONE, issued.code)
    assert (checked.status, checked.attempts_left) == ("valid", 2)
    wait_for(started)
    for step in (inside.begin_to_move, inside.move_keys, inside.end_to_move):
        step()
    assert start(OTHER)


def test_a_cluster_that_is_down(inside):
    issued = start(ONE)
    inside.take_down()
    assert starts_are_refused() == "cluster_down"
    inside.bring_up()
    assert OTPHandler.verify_otp(ONE, issued.code).status == "valid"


def test_what_may_have_run_is_not_tried_again(inside, settings):
    """A wrong guess counts once, though its answer was lost and another node knows the way."""
    issued = start(ONE)
    wrong = "000000" if issued.code != "000000" else "111111"
    with Cutter(inside.master.port, b'"invalid"', answers=True) as cutter:
        hosts = f"127.0.0.1:{cutter.port},127.0.0.1:{inside.others[0].port}"
        point_cache_at(settings, f"redis+cluster://:{PASSWORD}@{hosts}")
        with pytest.raises(StoreUnavailable):
            OTPHandler.verify_otp(ONE, wrong)
        assert cutter.cut.is_set()
    assert OTPHandler.verify_otp(ONE, wrong).attempts_left == 1


def test_the_whole_with_its_queues_elsewhere(inside, tmp_path):
    """Web, worker and beat go on without a restart; what the broker loses a sweep brings back."""
    outbox = Outbox(tmp_path / "outbox.jsonl")
    with (
        EmbeddedServer() as broker,
        Stack(
            tmp_path, REDIS_URL=inside.url, CELERY_BROKER_URL=broker.url, SMS_PROVIDERS=outbox.url
        ) as stack,
    ):

        def begin(phone: str) -> tuple[int, Any]:
            return stack.call("POST", "/v1/verifications", {"phone": phone})[:2]

        def is_right(id: str, phone: str) -> bool:
            (code,) = (sms["body"][-6:] for sms in outbox() if sms["to"] == phone)
            answer = stack.call("POST", f"/v1/verifications/{id}/check", {"code": code})[1]
            return bool(answer["status"] == "valid")

        stack.start("web", "beat")
        status, first = begin(ONE)
        assert status == 202
        assert Redis.from_url(broker.url).delete("otp")
        stack.start("worker")
        wait_for(lambda: len(outbox()) == 1)
        assert is_right(first["id"], ONE)
        wait_for(lambda: stack.call("GET", "/readyz")[0] == 200)
        inside.wait_for_the_replica()
        inside.master.kill()
        assert begin(OTHER)[0] == 503
        inside.let_the_replica_follow()
        second = wait_for(lambda: (found := begin(OTHER))[0] == 202 and found[1])
        wait_for(lambda: len(outbox()) == 2)
        assert is_right(second["id"], OTHER)
        assert all(PASSWORD not in stack.log(name) for name in stack.processes)
    inside.bring_back()
