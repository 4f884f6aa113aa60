"""``OTPHandler`` held against a plain model of it, through whatever order of calls hypothesis finds.

Time passes on a real server whose clock libfaketime moves, and once more, quickly, on fakeredis.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import fakeredis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from otp import purposes, services, store
from otp.handler import OTPHandler
from otp.names import VERIFICATION
from sms import cells, names
from tests.attack.model import DAY, Code, Model, pause
from tests.conftest import point_cache_at
from tests.frozen import BEGIN, LIBRARY, FrozenServer

pytestmark = pytest.mark.first

PHONES = ("+12025550123", "+447400123456")
PURPOSES = {
    "login": {},
    "renewing": {"new_code_on_resend": True, "lifetime": 300, "cooldown": 20},
    "patient": {"attempts": 120, "lifetime": 600, "cooldown": [10, 700]},
    "brisk": {"cooldown": 5, "attempts": 7},
    "hasty": {"attempts": 1, "lifetime": 10, "cooldown": [60, 5]},
}


class FakeClock:
    """fakeredis asks Python for the time."""

    def __init__(self) -> None:
        self.now = BEGIN

    def advance(self, seconds: int) -> None:
        self.now += seconds


class Life(RuleBasedStateMachine):
    """The rules; a subclass says whose clock it is and where the server is."""

    clock: Any
    client: Any

    lines = st.integers(0, 2)  # few phones and purposes a run, so that much happens to each

    @initialize(
        lines=st.lists(
            st.tuples(st.sampled_from(PHONES), st.sampled_from(sorted(PURPOSES))),
            min_size=1,
            max_size=3,
            unique=True,
        )
    )
    def begin(self, lines):
        self.client.flushall()
        self.keys = lines
        self.model = Model(dict(purposes.all_purposes()))
        self.model.now = self.clock.now

    @rule(seconds=st.integers(1, 40) | st.integers(1, 1000))
    def time_passes(self, seconds):
        self.clock.advance(seconds)
        self.model.now = self.clock.now

    @rule(line=lines, which=st.integers(0, 4), beside=st.sampled_from([-1, 0, 1]), start=st.booleans())
    def something_ends(self, line, which, beside, start):
        """Time passes until the moment at which something ends, or one second less or more."""
        found = self.model.line(*self.key(line))
        moments = [found.resend_at, found.quiet_at, found.failed_at + pause(found.failures)]
        moments += [found.failed_at + DAY] if found.failures else []
        moments += [found.code.expires_at] if found.code else []
        left = moments[which % len(moments)] + beside - self.clock.now
        if left > 0:
            self.time_passes(left)
        if start:
            self.begin_at(*self.key(line))

    @rule(line=lines)
    def start(self, line):
        self.begin_at(*self.key(line))

    @rule(line=lines)
    def start_after_the_cooldown(self, line):
        key = self.key(line)
        left = self.model.line(*key).resend_at - self.clock.now
        if left > 0:
            self.time_passes(left)
        self.begin_at(*key)

    @rule(line=lines)
    def start_as_soon_as_possible(self, line):
        """Wait as long as the answer to an immediate start says. After a pause, a second wait may follow."""
        key = self.key(line)
        for _ in range(2):
            if wait := self.model.may_start(*key)[1]:
                self.time_passes(wait)
        self.begin_at(*key)

    @rule(line=lines, guesses=st.sampled_from([1, 2, 5, 50, 99, 100]))
    def start_guess_and_find(self, line, guesses):
        """Wrong guesses, then the right one: an owner who mistypes, or a program that guesses."""
        phone, purpose = self.key(line)
        self.start_as_soon_as_possible(line)
        code = self.model.line(phone, purpose).code
        for _ in range(min(guesses, self.model.purposes[purpose].attempts - 1)):
            self.guess(phone, purpose, self.wrong_code(code), "")
        self.guess(phone, purpose, code.code if code else "123456", "")

    @rule(line=lines, old=st.none() | st.integers(0, 5))
    def resend(self, line, old):
        """Resend the newest code, the same by its id, or an earlier one."""
        phone, purpose = self.key(line)
        self.send_again(phone, purpose, self.id(phone, purpose, old))

    @rule(line=lines, every=st.integers(20, 119))
    def resend_until_it_is_over(self, line, every):
        phone, purpose = self.key(line)
        for _ in range(30):
            self.time_passes(every)
            if self.send_again(phone, purpose, "") != "issued":
                break

    @precondition(lambda self: self.live())
    @rule(line=lines, by_id=st.booleans())
    def right(self, line, by_id):
        (phone, purpose), code = self.live()[line % len(self.live())]
        self.guess(phone, purpose, code.code, code.id if by_id else "")

    @rule(line=lines, old=st.none() | st.integers(0, 5))
    def a_guess_at_any_time(self, line, old):
        """Also without a code, and at an id that has ended."""
        phone, purpose = self.key(line)
        code = self.model.line(phone, purpose).code
        self.guess(phone, purpose, code.code if code else "123456", self.id(phone, purpose, old))

    @precondition(lambda self: self.live())
    @rule(line=lines, times=st.sampled_from([1, 2, 3, 6, 99, 100]), by_id=st.booleans())
    def wrong(self, line, times, by_id):
        (phone, purpose), code = self.live()[line % len(self.live())]
        for _ in range(min(times, self.model.purposes[purpose].attempts + 1)):
            self.guess(phone, purpose, self.wrong_code(code), code.id if by_id else "")

    @rule(line=lines, which=st.integers(0, 5), by_id=st.booleans())
    def an_old_code(self, line, which, by_id):
        phone, purpose = self.key(line)
        known = self.model.line(phone, purpose).old
        if known:
            old = known[which % len(known)]
            self.guess(phone, purpose, old.code, old.id if by_id else "")

    @rule(one=lines, other=lines)
    def another_lines_code(self, one, other):
        """The right code for one phone and purpose is a wrong guess at any other."""
        code = self.model.line(*self.key(one)).code
        if code and self.key(one) != self.key(other):
            phone, purpose = self.key(other)
            self.guess(phone, purpose, code.code, "")

    @rule(line=lines, by_id=st.booleans())
    def cancel(self, line, by_id):
        phone, purpose = self.key(line)
        code = self.model.line(phone, purpose).code
        expected = self.model.cancel(phone, purpose)
        if by_id and code:
            assert services.cancel(code.id) == expected
        else:
            assert OTPHandler.cancel(phone, purpose) == expected

    @invariant()
    def every_code_is_as_the_model_says(self):
        for key in self.model.lines:
            line = self.model.line(*key)
            for old in line.old[-3:]:
                found = store.read(old.id)
                assert found is None or found.status == "valid"
            if line.code:
                found = store.read(line.code.id)
                assert found.status == line.code.status
                assert found.expires_at == line.code.expires_at
                assert found.left == line.code.left or line.code.status == "valid"
                place = names.key(VERIFICATION + line.code.id, cells.of_id(line.code.id))
                by_phone = self.client.hget(place, "left_by_phone")
                assert int(by_phone) == line.code.left_by_phone or line.code.status == "valid"

    @invariant()
    def everything_ends(self):
        for key in self.client.scan_iter():
            assert self.client.pttl(key) > -1 or key.endswith(b"sms:tally:counts:all")

    def send_again(self, phone: str, purpose: str, id: str) -> str:
        status, wait = self.model.may_resend(phone, purpose, id)
        issue = OTPHandler.resend(phone, purpose, id=id)
        assert (issue.status, issue.retry_after) == (status, wait)
        if status == "issued":
            code = self.model.resent(phone, purpose, issue.code)
            self.same(code, issue, phone, purpose)
            assert issue.attempts_left == (code.left if id else code.left_by_phone)
        return status

    def begin_at(self, phone: str, purpose: str) -> None:
        status, wait = self.model.may_start(phone, purpose)
        issue = OTPHandler.generate_otp(phone, purpose)
        assert (issue.status, issue.retry_after) == (status, wait)
        if status == "issued":
            code = self.model.started(phone, purpose, issue.id, issue.code)
            self.same(code, issue, phone, purpose)
            assert issue.attempts_left == code.left

    def wrong_code(self, code: Code | None) -> str:
        return f"{(int(code.code) + 1) % 10**6:06}" if code else "654321"

    def live(self) -> list[tuple[tuple[str, str], Code]]:
        """The lines with a code that was neither accepted nor used up."""
        found = [(key, self.model.line(*key).code) for key in self.keys]
        return [(key, code) for key, code in found if code and code.status == "pending"]

    def key(self, line: int) -> tuple[str, str]:
        return self.keys[line % len(self.keys)]

    def id(self, phone: str, purpose: str, old: int | None) -> str:
        line = self.model.line(phone, purpose)
        known = [*([line.code] if line.code else []), *line.old]
        return known[old % len(known)].id if known and old is not None else ""

    def guess(self, phone: str, purpose: str, code: str, id: str) -> None:
        expected = self.model.guess(phone, purpose, code, id)
        checked = services.check(id, code) if id else OTPHandler.verify_otp(phone, code, purpose)
        assert (checked.status, checked.attempts_left) == expected

    def same(self, code: Code, issue: Any, phone: str, purpose: str) -> None:
        line = self.model.line(phone, purpose)
        assert issue.id == code.id
        assert issue.expires_at == code.expires_at
        assert issue.resend_at == line.resend_at


def run(clock: Any, client: Any, *, examples: int, steps: int) -> None:
    machine = type("Life", (Life,), {"clock": clock, "client": client})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture(scope="module")
def frozen() -> Iterator[FrozenServer]:
    with FrozenServer() as server:
        yield server


@pytest.mark.first(20)
@pytest.mark.timeout(300)  # where it fails, hypothesis looks for the shortest way there
@pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed (package faketime)")
def test_the_handler_does_what_the_model_does_on_a_real_server(frozen, settings):
    settings.OTP_PURPOSES = PURPOSES
    point_cache_at(settings, frozen.url)
    run(frozen, frozen.client, examples=150, steps=50)


def test_the_handler_does_what_the_model_does_on_fakeredis(settings, monkeypatch):
    settings.OTP_PURPOSES = PURPOSES
    server, clock = fakeredis.FakeServer(), FakeClock()
    point_cache_at(
        settings,
        f"redis://fake-{id(server)}:1/0",
        connection_class=fakeredis.FakeRedisConnection,
        server=server,
    )
    monkeypatch.setattr(time, "time", lambda: clock.now)
    run(clock, fakeredis.FakeRedis(server=server), examples=30, steps=40)
