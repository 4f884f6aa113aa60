"""The life of a message: written, claimed, handed over, recorded, swept, forgotten."""

from __future__ import annotations

import time

import pytest

from sms import (
    broker,
    conf,
    names,
    registry,
    scripts,
    services,
    signals,
    steps,
    store,
    sweeper,
    tasks,
)
from sms.checks import servers
from sms.delivery import run as delivery
from sms.errors import (
    InvalidBody,
    InvalidNumber,
    OutcomeUnknown,
    PermanentFailure,
    TemporaryFailure,
    Unavailable,
)
from sms.message import TRANSITIONS, Attempt, State, may_become
from sms.providers.base import Provider
from sms.testing import outbox
from tests.sms.house import exactly, lease_ends

PHONE = "+12025550123"


class Scripted(Provider):
    """A provider that does what the test says, one outcome after the other."""

    scheme = "scripted"

    def __init__(self) -> None:
        super().__init__("test")
        self.outcomes: list[Exception | None] = []
        self.sent = 0

    def send(self, sms):
        self.sent += 1
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome:
            raise outcome
        return f"theirs-{self.sent}"


@pytest.fixture
def provider(monkeypatch):
    scripted = Scripted()
    alias = registry.Alias(scripted, slots=registry.Slots(10), share=1)
    monkeypatch.setattr(registry, "aliases", lambda: {"test": alias})
    return scripted


@pytest.fixture
def queued(monkeypatch):
    """Messages wait until the test calls ``delivery.deliver``. The published entries are here."""
    published: list[str] = []
    monkeypatch.setattr(broker, "publish", lambda message_id, queue: published.append(message_id) or True)
    return published


def now_is_later(redis, message_id: str, *fields: str) -> None:
    """Let leases and rounds run out without waiting for them."""
    for field in fields:
        redis.hset(names.RECORD + message_id, field, 1)


def dies_in_the_call(redis, message_id: str) -> None:
    """The state after a worker was killed while a provider had the message. Its lease ran out."""
    redis.hset(names.RECORD + message_id, "calling", "test")
    lease_ends(redis, message_id)


def attempt(message_id: str) -> Attempt:
    """Claim a message that can be claimed."""
    verdict, found, _ = store.claim(message_id)
    assert verdict == "claimed"
    assert isinstance(found, Attempt)
    return found


@pytest.mark.usefixtures("any_redis")
def test_an_accepted_message_is_sent_and_its_text_erased(any_redis):
    message = services.send("+1 202 555 0123", "Hello")
    assert [(sms.to, sms.body) for sms in outbox] == [(PHONE, "Hello")]
    record = services.get(message.id)
    assert (record.state, record.alias, record.attempts) == (State.SENT, "test", 1)
    assert (record.country, record.masked) == ("US", "+1••••••••23")
    assert any_redis.get(names.BODY + message.id) is None
    assert any_redis.zcard(names.LEASES + "bulk") == 0
    kept = any_redis.hgetall(names.RECORD + message.id)
    assert b"2025550123" not in b" ".join([*kept, *kept.values()])
    assert 71 * 3600 < any_redis.ttl(names.RECORD + message.id) <= 72 * 3600


@pytest.mark.parametrize(
    ("to", "body", "error"),
    [
        ("911", "x", InvalidNumber),
        (PHONE, " ", InvalidBody),
        (PHONE, "x" * 1601, InvalidBody),
        (PHONE, "a\x00", InvalidBody),
    ],
)
def test_what_cannot_be_sent_leaves_nothing(redis, to, body, error):
    with pytest.raises(error):
        services.send(to, body)
    assert redis.keys() == []


def test_a_message_is_claimed_once(queued, any_redis):
    message = services.send(PHONE, "Hello")
    assert store.claim(message.id)[0] == "claimed"
    assert store.claim(message.id)[0] == "busy"
    assert store.claim("never-was") == ("gone", None, "")


def test_delivering_twice_sends_once(queued, provider):
    message = services.send(PHONE, "Hello")
    for _ in range(3):
        delivery.deliver(message.id)
    assert provider.sent == 1


def test_an_expired_message_is_marked_and_not_sent(queued, provider, any_redis):
    message = services.send(PHONE, "123456", expires_at=time.time() + 60)
    now_is_later(any_redis, message.id, "expires_at")
    delivery.deliver(message.id)
    assert provider.sent == 0
    assert services.get(message.id).state is State.EXPIRED


def test_a_temporary_failure_is_tried_again_in_rounds(queued, provider, redis, clock):
    provider.outcomes = [TemporaryFailure("busy", code="429")] * 2
    message = services.send(PHONE, "Hello")
    delivery.deliver(message.id)
    record = services.get(message.id)
    assert (record.state, record.error) == (State.QUEUED, "429")
    assert redis.exists(names.BODY + message.id)
    assert redis.zscore(names.LEASES + "bulk", message.id) / 1000 == exactly(clock.now + 3)
    delivery.deliver(message.id)  # too early, says the claim
    assert provider.sent == 1
    for _ in range(2):
        now_is_later(redis, message.id, "not_before")
        delivery.deliver(message.id)
    assert (provider.sent, services.get(message.id).state) == (3, State.SENT)


def test_retry_after_is_kept(queued, provider, redis, clock):
    provider.outcomes = [TemporaryFailure("busy", retry_after=45)]
    message = services.send(PHONE, "Hello")
    delivery.deliver(message.id)
    assert redis.zscore(names.LEASES + "bulk", message.id) / 1000 == exactly(clock.now + 45)


def test_no_round_begins_after_the_code_is_dead(queued, provider, clock):
    provider.outcomes = [TemporaryFailure("busy")]
    message = services.send(PHONE, "123456", expires_at=time.time() + 2)
    delivery.deliver(message.id)
    assert services.get(message.id).state is State.FAILED


def test_after_the_last_round_it_has_failed(queued, provider, redis):
    provider.outcomes = [TemporaryFailure("busy")] * 9
    message = services.send(PHONE, "Hello")
    for _ in range(6):
        now_is_later(redis, message.id, "not_before")
        delivery.deliver(message.id)
    assert (provider.sent, services.get(message.id).state) == (4, State.FAILED)


def test_a_permanent_failure_ends_it(queued, provider, redis):
    provider.outcomes = [PermanentFailure("no such number", code="21211")]
    message = services.send(PHONE, "Hello")
    delivery.deliver(message.id)
    record = services.get(message.id)
    assert (record.state, record.error) == (State.FAILED, "21211")
    assert not redis.exists(names.BODY + message.id)


@pytest.mark.parametrize(("resend_unknown", "sends"), [(True, 2), (False, 1)])
def test_an_unknown_outcome(queued, provider, redis, resend_unknown, sends):
    """A code goes out once more, anything else stays as it is."""
    provider.outcomes = [OutcomeUnknown("silence", code="read_timeout")] * 9
    message = services.send(PHONE, "Hello", resend_unknown=resend_unknown)
    for _ in range(4):
        now_is_later(redis, message.id, "not_before")
        delivery.deliver(message.id)
    assert (provider.sent, services.get(message.id).state) == (sends, State.UNKNOWN)


@pytest.mark.parametrize(("resend_unknown", "claims"), [(True, 2), (False, 1)])
def test_a_worker_that_dies_in_the_call(queued, any_redis, resend_unknown, claims):
    """Its lease runs out; a code is claimed once more, at most."""
    message = services.send(PHONE, "Hello", resend_unknown=resend_unknown)
    claimed = 0
    for _ in range(4):
        claimed += store.claim(message.id)[0] == "claimed"
        dies_in_the_call(any_redis, message.id)
    assert claimed == claims
    assert services.get(message.id).state is State.UNKNOWN


def test_an_acceptance_counts_even_if_the_lease_was_lost(queued, redis):
    """The worker was only slow: what the provider took is not sent again."""
    message = services.send(PHONE, "Hello", resend_unknown=True)
    first = attempt(message.id)
    lease_ends(redis, message.id)
    assert attempt(message.id).number == 2
    delivery._Run(first).record(State.FAILED, error="late")  # a stale failure says nothing
    assert services.get(message.id).state is State.SENDING
    delivery._Run(first).record(State.SENT, alias="a", provider_message_id="b")
    assert services.get(message.id).state is State.SENT


def test_only_a_waiting_message_can_be_cancelled(queued, any_redis):
    message = services.send(PHONE, "Hello")
    assert services.cancel(message.id)
    assert not services.cancel(message.id)
    assert not services.cancel("never-was")
    assert any_redis.get(names.BODY + message.id) is None


class TestSweeper:
    def test_what_was_lost_is_published_again(self, queued, redis):
        message = services.send(PHONE, "Hello")
        queued.clear()
        redis.zadd(names.LEASES + "bulk", {message.id: 1})
        assert sweeper.sweep("bulk", cutoff=2) == 1
        assert queued == [message.id]
        assert sweeper.sweep("bulk", cutoff=2) == 1  # nobody has taken it yet

    @pytest.mark.one_cell
    def test_few_entries_wake_enough(self, queued, redis):
        """A backlog that the broker has lost is not put back into it: tasks drain what is due."""
        ids = [services.send(PHONE, "Hello").id for _ in range(sweeper.LIMIT + 5)]
        redis.zadd(names.LEASES + "bulk", {id: n for n, id in enumerate(ids)})
        queued.clear()
        assert sweeper.sweep("bulk", cutoff=999) == sweeper.LIMIT
        assert queued == ids[: sweeper.LIMIT]

    def test_what_was_published_after_the_sweep_is_left_alone(self, queued, redis):
        """It is still in the queue behind the sweep: late, not lost."""
        message = services.send(PHONE, "Hello")
        redis.zadd(names.LEASES + "bulk", {message.id: 1000})
        assert sweeper.sweep("bulk", cutoff=999) == 0

    def test_a_record_that_is_gone_leaves_the_leases(self, queued, redis):
        redis.zadd(names.LEASES + "bulk", {"gone": 1})
        assert sweeper.sweep("bulk", cutoff=2) == 0
        assert redis.zcard(names.LEASES + "bulk") == 0

    def test_one_sweep_at_a_time(self, monkeypatch, redis):
        """Any number of beats, and an hour without workers, leave one sweep in the broker."""
        sent = []
        monkeypatch.setattr("celery.Task.apply_async", lambda *args, **kwargs: sent.append(kwargs["queue"]))
        for _ in range(5):
            tasks.sweep.apply_async(("otp",))
        assert sent == ["otp"]
        sweeper.sweep("otp", cutoff=0)
        tasks.sweep.apply_async(("otp",))
        assert sent == ["otp", "otp"]


def test_one_signal_per_fact(provider, redis):
    provider.outcomes = [TemporaryFailure("busy"), None, PermanentFailure("no")]
    heard = []
    pairs = {getattr(signals, name): name for name in dir(signals) if name.startswith("message_")}

    def hear(signal, message, **_):
        heard.append(pairs[signal])
        assert PHONE not in repr(message)

    for signal in pairs:
        signal.connect(hear)
    try:
        first = services.send(PHONE, "Hello")
        now_is_later(redis, first.id, "not_before")
        delivery.deliver(first.id)
        services.send(PHONE, "Hello")
    finally:
        for signal in pairs:
            signal.disconnect(hear)
    assert heard == ["message_queued", "message_retried", "message_sent", "message_queued", "message_failed"]


def test_a_receiver_that_raises_stops_nothing():
    def fail(**_):
        raise RuntimeError

    signals.message_sent.connect(fail)
    try:
        assert services.get(services.send(PHONE, "Hello").id).state is State.SENT
    finally:
        signals.message_sent.disconnect(fail)


def test_the_transitions_cover_every_state():
    assert set(TRANSITIONS) == set(State)
    assert may_become(State.CANCELLED) == {State.QUEUED}
    for final in (State.DELIVERED, State.FAILED, State.EXPIRED, State.CANCELLED):
        assert TRANSITIONS[final] == frozenset()


def test_a_lease_outlasts_the_longest_call():
    from sms.providers import transport

    longest = transport.LONGEST_CONNECT + transport.MAX_TIMEOUT
    assert longest < steps.LEASE  # which is renewed before each call
    assert longest + 5 < steps.LEASE + steps.LAST_CHANCE
    assert conf.get("MESSAGE_RECORD_HOURS") == 72


def test_a_redis_that_evicts_is_named(redis):
    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert [warning.id for warning in servers.eviction()] == ["sms.W002"]
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
    assert servers.eviction() == []


class TestCalledBackInTheCall:
    """The code dies while a worker has its message: that attempt is the last."""

    def test_a_temporary_failure_is_not_tried_again(self, queued, redis):
        message = services.send(PHONE, "123456", resend_unknown=True)
        first = attempt(message.id)
        assert not services.cancel(message.id)
        delivery._Run(first).record(State.QUEUED, retry_in=3.0, error="429")
        assert services.get(message.id).state is State.CANCELLED
        assert not redis.exists(names.BODY + message.id)

    def test_an_unknown_outcome_stays_unknown(self, queued):
        message = services.send(PHONE, "123456", resend_unknown=True)
        first = attempt(message.id)
        services.cancel(message.id)
        delivery._Run(first).record(State.QUEUED, "unknown", retry_in=3.0, error="read_timeout")
        assert services.get(message.id).state is State.UNKNOWN

    def test_a_dead_worker_is_not_made_up_for(self, queued, redis):
        message = services.send(PHONE, "123456", resend_unknown=True)
        attempt(message.id)
        services.send(PHONE, "654321", replaces=message.id)
        dies_in_the_call(redis, message.id)
        assert store.claim(message.id)[0] == "unknown"

    def test_a_worker_that_died_before_the_call_is_not_made_up_for(self, queued, redis):
        message = services.send(PHONE, "123456", resend_unknown=True)
        attempt(message.id)
        services.cancel(message.id)
        lease_ends(redis, message.id)
        assert store.claim(message.id)[0] == "cancelled"

    def test_an_acceptance_is_an_acceptance(self, queued):
        message = services.send(PHONE, "123456")
        first = attempt(message.id)
        services.cancel(message.id)
        delivery._Run(first).record(State.SENT, alias="a")
        assert services.get(message.id).state is State.SENT


@pytest.mark.parametrize("ending", ["cancelled", "expired", "failed"])
def test_what_may_have_been_sent_ends_as_unknown(queued, redis, ending):
    """Only a receipt can still say more, and so it must be let in."""
    message = services.send(PHONE, "123456", resend_unknown=True)
    delivery._Run(attempt(message.id)).record(State.QUEUED, "unknown", retry_in=3.0, error="read_timeout")
    now_is_later(redis, message.id, "not_before")
    if ending == "cancelled":
        services.cancel(message.id)
    elif ending == "expired":
        now_is_later(redis, message.id, "expires_at")
        delivery.deliver(message.id)
    else:
        delivery._Run(attempt(message.id)).record(State.FAILED, error="21211")
    assert services.get(message.id).state is State.UNKNOWN
    assert store.finish(message.id, State.DELIVERED)[0]


def test_a_sweep_stops_where_the_broker_is_away(monkeypatch, redis):
    tried = []
    monkeypatch.setattr(broker, "publish", lambda message_id, queue: tried.append(message_id))
    for _ in range(3):
        redis.zadd(names.LEASES + "bulk", {services.send(PHONE, "Hello").id: 1})
    tried.clear()
    sweeper.sweep("bulk", cutoff=2)
    assert len(tried) == 1


def test_a_server_that_cannot_write_is_away(redis, tmp_path):
    path = tmp_path / "full.lua"
    path.write_text('return redis.error_reply("MISCONF the disk is full")')
    script = scripts.Script(path)
    with pytest.raises(Unavailable):
        script((), ())
