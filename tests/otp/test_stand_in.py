"""If the first of several servers is away, the second counts in its place: only its phones get no code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from redis.exceptions import MaxConnectionsError
from structlog.testing import capture_logs

from config.demo.embedded import EmbeddedServer
from otp import digests, services
from otp.errors import RateLimited, StoreUnavailable
from otp.guard import report
from otp.names import LIMIT
from sms import cells, names, optouts, probe, scripts, stand_in
from sms import services as sms
from sms.delivery.run import deliver
from sms.errors import Unavailable
from sms.message import State
from sms.testing import code_in, outbox
from tests.faults.stack import wait_for
from tests.hung import hung
from tests.settings import API_KEY
from tests.several import cells_of, client_of, spread

pytestmark = pytest.mark.one_server

NUMBERS = [f"+1202555{n:04}" for n in range(100, 160)]


@pytest.fixture(autouse=True)
def quick(settings: Any) -> None:
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}


@contextmanager
def away(server: EmbeddedServer) -> Iterator[None]:
    client_of(server).save()
    server.kill()
    try:
        yield
    finally:
        server.start()
        probe.redis(server=stand_in.first())  # some script finds it


def is_on(server: EmbeddedServer, number: str) -> bool:
    return cells.of_digest(digests.of_phone(number, "login")[0]) in cells_of(server)


def started(number: str) -> bool:
    """Whether a code was sent, and the right one is valid."""
    try:
        begun = services.start(number)
    except StoreUnavailable:
        return False
    assert services.check(begun.id, code_in(outbox[-1].body)).status == "valid"
    return True


def delivered(message_id: str) -> bool:
    """Whether it has come to its end, after one more try."""
    deliver(message_id)
    return sms.get(message_id).state is not State.QUEUED


def test_it_refuses_its_phones_and_nothing_else(three):
    theirs = [is_on(three[0], number) for number in NUMBERS]
    assert 0 < sum(theirs) < len(NUMBERS)
    with away(three[0]), capture_logs() as logs:
        assert [not started(number) for number in NUMBERS] == theirs
    assert [line["server"] for line in logs if line["event"] == "hub_stands_in"] == [names.cache_aliases()[1]]
    assert all(started(number) for number in NUMBERS)


def test_one_that_hangs_does_the_same(three):
    with hung(three[0]):
        for number in NUMBERS[:12]:
            assert started(number) is not is_on(three[0], number)


def test_limits_hold_there_and_the_first_goes_on_with_its_own(three, settings):
    settings.OTP_LIMITS = "all=3/1h"
    numbers = [number for number in NUMBERS if not is_on(three[0], number)]

    def sent() -> int:
        """How many codes the limit still lets through."""
        for count, number in enumerate(numbers):
            try:
                services.start(number)
            except RateLimited:
                return count
        return len(numbers)

    assert started(numbers[0])
    with away(three[0]):
        assert sent() == 3
        assert client_of(three[1]).keys(f"*{LIMIT}*")
    assert sent() == 2


def test_what_a_cell_refuses_has_not_counted_there(three, settings):
    settings.OTP_LIMITS = "all=1/1h"
    refused = next(number for number in NUMBERS if is_on(three[0], number))
    other = next(number for number in NUMBERS if not is_on(three[0], number))
    with away(three[0]):
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                services.start(refused)
        assert started(other)


def test_a_rule_of_the_guard_holds_there_too(three, settings):
    settings.GUARD_MODE = "enforce"
    number = next(number for number in NUMBERS if not is_on(three[0], number))
    report.rule("US", "block", 1)
    with away(three[0]):
        with pytest.raises(RateLimited) as caught:
            services.start(number)
        assert caught.value.code == "guard"
        assert report.release("US")
        assert started(number)


def test_its_caps_stop_nobody_where_nothing_is_verified_yet(three, settings):
    settings.GUARD_MODE = "enforce"
    settings.OTP_LIMITS = "off"
    numbers = [number for number in NUMBERS if not is_on(three[0], number)]
    assert len(numbers) > 25  # more than a new country may have
    with away(three[0]):
        for number in numbers:
            services.start(number)
        stand_in._state.cache_clear()  # as in a process that has just begun
        services.start(numbers[0])
    stand_in.lost(stand_in.first(), "away")
    stand_in._state().next_try = 0.0
    with pytest.raises(RateLimited):  # on the first server they hold, for whoever finds it back as well
        list(map(services.start, numbers))


def test_an_order_that_one_server_missed_is_told(three, settings):
    settings.GUARD_MODE = "enforce"
    number = next(number for number in NUMBERS if not is_on(three[0], number))
    with away(three[0]), capture_logs() as logs:
        report.rule("US", "block", 1)
        with pytest.raises(RateLimited):
            services.start(number)
        assert report.release("US")
        report.rule("US", "block", 1)
        stand_in._state.cache_clear()
        call_command("guard")
    assert [line["scope"] for line in logs if line["event"] == "guard_order_missed"][:1] == ["US"]
    assert report.release("US")  # the stand-in alone has it
    assert started(number)
    with away(three[1]):
        report.rule("US", "block", 1)
    with pytest.raises(RateLimited):
        services.start(number)


def test_a_session_that_ended_stays_ended(three):
    """The stand-in has the marks of no session."""
    one = Client()
    one.post("/dashboard/login", {"key": API_KEY})
    copy = Client()
    copy.cookies = deepcopy(one.cookies)
    assert copy.get("/dashboard/").status_code == 200
    one.post("/dashboard/logout")
    for server in three:
        with away(server):
            assert copy.get("/dashboard/").status_code != 200
    assert copy.get("/dashboard/").status_code != 200


def test_one_that_takes_no_writes_is_replaced_too(three):
    """As after a failover, while its replica is missing."""
    theirs = [is_on(three[0], number) for number in NUMBERS[:15]]
    client_of(three[0]).config_set("min-replicas-to-write", 1)
    try:
        assert [not started(number) for number in NUMBERS[:15]] == theirs
        stand_in._state().next_try = 0.0
        assert [not started(number) for number in NUMBERS[:15]] == theirs
    finally:
        client_of(three[0]).config_set("min-replicas-to-write", 0)
    stand_in._state().next_try = 0.0
    assert all(map(started, NUMBERS[:15]))


def test_a_script_finds_it_back_and_the_others_do_not_wait(three):
    number = next(number for number in NUMBERS if not is_on(three[0], number))
    with hung(three[0]):
        assert started(number)
        stand_in._state().next_try = 0.0
        assert [stand_in.server_to_ask() for _ in range(3)] == [stand_in.first()] + 2 * [stand_in.other()]
    assert stand_in.has_the_hub()
    stand_in._state().next_try = 0.0
    assert started(number)
    assert not stand_in.has_the_hub()


def test_two_that_hang_are_told_in_time(three):
    """Neither is asked twice."""
    number = next(number for number in NUMBERS if is_on(three[1], number))
    with hung(three[0]), hung(three[1]), pytest.raises(StoreUnavailable) as caught:
        services.start(number)
    assert not caught.value.begun


def test_a_count_is_undone_where_it_was_made(three, settings):
    settings.OTP_LIMITS = "all=2/1h"
    theirs = next(number for number in NUMBERS if is_on(three[0], number))
    others = [number for number in NUMBERS if not is_on(three[0], number)]
    with away(three[0]):
        services.start(others[0])
        with pytest.raises(StoreUnavailable):
            services.start(theirs)
        services.start(others[1])
        with pytest.raises(RateLimited):
            services.start(others[2])


def test_no_connection_left_is_no_server_away(three):
    stand_in.there(stand_in.first())
    assert isinstance(scripts._failed(stand_in.first(), MaxConnectionsError("too many")), Unavailable)
    assert not stand_in.has_the_hub()


def test_plain_messages_wait_for_the_list_of_those_who_opted_out(three):
    """Only the first server has it."""
    both = [number for number in NUMBERS if not is_on(three[0], number)][:2]
    optouts.add("test", both[:1])
    with away(three[0]), pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "of_any", lambda: cells_of(three[1])[-1])
        ids = [sms.send(number, "hello").id for number in both]
        assert [sms.get(id).state for id in ids] == [State.QUEUED, State.QUEUED]
        with pytest.raises(Unavailable):
            optouts.add("test", NUMBERS[2:3])
    assert outbox == []
    for id, state, error in zip(ids, (State.FAILED, State.SENT), ("opted_out", ""), strict=True):
        wait_for(partial(delivered, id), 30)
        assert (sms.get(id).state, sms.get(id).error) == (state, error)
    assert [message.to for message in outbox] == both[1:]


def test_without_the_second_nothing_stands_in(three):
    with away(three[1]), away(three[0]):
        assert not any(map(started, NUMBERS[:3]))
    assert all(map(started, NUMBERS[:3]))


def test_nothing_stands_in_while_its_own_cell_has_phones(three, settings):
    settings.REDIS_CELLS_BEFORE = 1
    assert stand_in.other() == ""
    with away(three[0]):
        assert not any(map(started, NUMBERS[:3]))


def test_one_server_has_none(three, settings):
    spread(settings, three[0].url)
    assert (stand_in.other(), stand_in.server_of_hub()) == ("", names.cache_aliases()[0])
