"""The state after a claim whose worker never learns of it, or cannot go on."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from sms import cells, ids, names, receipts, services, store
from sms.delivery import drain, health, outcome
from sms.delivery import run as delivery
from sms.errors import TemporaryFailure, Unavailable
from sms.message import State
from tests.sms.house import lease_ends


def lose_the_next_claim(monkeypatch) -> None:
    """The script runs, and its answer gets lost."""
    claim = store.claim

    def lost(*args, **more):
        claim(*args, **more)
        raise Unavailable("away")

    monkeypatch.setattr(store, "claim", lost)


def test_a_claim_whose_answer_got_lost_leaves_no_doubt_about_a_message(house, monkeypatch):
    """It is sent once, and never twice. A plain message could not be sent again in doubt."""
    id = house.send()
    with monkeypatch.context() as patch:
        lose_the_next_claim(patch)
        with pytest.raises(Unavailable):
            delivery.deliver(id)
    lease_ends(house.redis, id)
    assert house.deliver(id).state is State.SENT
    assert house.calls == "a"


def test_a_worker_whose_routes_cannot_be_read_ends_no_code(house, settings):
    id = house.code()
    settings.SMS_ROUTES = {"default": "a>nonsense"}
    with pytest.raises(ImproperlyConfigured):
        delivery.deliver(id)
    settings.SMS_ROUTES = {"default": "a>b"}
    lease_ends(house.redis, id)
    assert house.deliver(id).state is State.SENT
    assert house.calls == "a"
    assert house.redis.hget(names.HEALTH + "a", "bad") == b"0"


def test_good_outcomes_count_at_once(house):
    for _ in range(3):
        house.deliver(house.code())
    assert house.redis.hget(names.HEALTH + "a", "good") == b"3"
    assert not house.redis.exists(names.HEALTH + "a:US")


def test_an_outcome_that_is_written_twice_counts_once(house):
    house.providers["a"].outcomes = [TemporaryFailure("x")]
    id = house.code()
    claim = store.claim(id, (), {name: house.aliases[name].able for name in "ab"})
    ended = [health.Ended("a", "US", bad=1)._asdict()]
    number = claim.found.number
    for _ in range(2):
        store.finish(id, State.FAILED, attempt=number, calls=ended)
    assert house.redis.hget(names.HEALTH + "a", "bad") == b"1"


def test_an_acceptance_that_is_written_again_after_its_receipt_counts_once(house, monkeypatch):
    finish, answers = store.finish, []

    def lost(id, *args, **more):
        answers.append(finish(id, *args, **more))
        if len(answers) == 1:
            receipts.take("a", {}, f"{id} delivered".encode(), "/", "")
            raise Unavailable("away")
        return answers[-1]

    monkeypatch.setattr(store, "finish", lost)
    monkeypatch.setattr(outcome, "RECORD_RETRY", 0)
    assert house.deliver(house.code()).state is State.DELIVERED
    assert [answer.moved for answer in answers] == [True, False]
    assert house.redis.hget(names.HEALTH + "a", "good") == b"1"


@pytest.mark.usefixtures("one_list")
def test_a_record_that_lacks_what_every_record_has_stops_no_queue(house):
    id = house.code()
    broken = ids.new(cells.of_id(id))
    house.redis.hset(names.RECORD + broken, mapping={"state": "queued", "queue": "otp"})
    house.redis.zadd(names.LEASES + "otp", {broken: 1})
    delivery.deliver("", ["otp"], cells.of_id(id))
    assert services.get(id).state is State.SENT
    assert house.redis.zscore(names.LEASES + "otp", broken) is None


def test_a_code_that_cannot_be_opened_takes_no_entry_from_another_message(house, settings, monkeypatch):
    from cryptography.fernet import Fernet

    right, wrong = settings.SMS_SEAL_KEYS, [Fernet.generate_key().decode()]
    settings.SMS_SEAL_KEYS = wrong
    house.code()
    settings.SMS_SEAL_KEYS = right
    bulk = house.send(queue="bulk")
    monkeypatch.setattr(drain, "_queues", ("otp", "bulk"))
    drain.drain(bulk)
    assert services.get(bulk).state is State.SENT


@pytest.mark.usefixtures("one_list")
def test_a_task_goes_on_with_whatever_is_due_and_ends(house, monkeypatch):
    """Codes before everything else, though its own message is not a code."""
    bulk, codes = house.send(queue="bulk"), {house.code() for _ in range(3)}
    monkeypatch.setattr(drain, "_queues", ("otp", "bulk"))
    drain.drain(bulk)
    asked = [sms.id for sms in house.providers["a"].calls]
    assert set(asked[:3]) == codes
    assert asked[3:] == [bulk]
