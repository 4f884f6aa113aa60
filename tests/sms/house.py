"""Three scripted aliases and the messages that wait for them."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from heapq import heappop, heappush
from random import Random

import pytest

from sms import broker, cells, names, registry, scripts, services, store
from sms.delivery import health, wakeups
from sms.delivery import run as delivery
from sms.message import Attempt, Chosen, Message, Receipt, State
from sms.providers.base import Provider, Sms
from sms.scripts import Script, client

PHONE = "+12025550123"


class Scripted(Provider):
    """Does what the test says, one outcome after the other; ``always`` once they are used up."""

    scheme, name = "scripted", "Scripted"
    takes_receipts = True

    def __init__(self, alias: str) -> None:
        super().__init__(alias)
        self.outcomes: list[Exception | None] = []
        self.always: Exception | None = None
        self.calls: list[Sms] = []
        self.times: list[float] = []
        self.looks: list[tuple[float, str]] = []  # when, and at which id of its own
        self.found: State | Exception | None = None  # what the next look finds
        self.takes_long = 0.0  # seconds of a look
        self.meanwhile_looking: Callable[[], object] | None = None  # what happens before it answers
        self.told: list[
            tuple[float, str, bool]
        ] = []  # when, of which id of its own, whether its code was typed
        self.revoked: list[tuple[float, str]] = []  # when, and which id of its own
        self.revoking: Exception | None = None  # how that ends
        self.meanwhile: Callable[[Sms], object] | None = None  # what happens before it answers
        self.hangs: threading.Event | None = None

    def send(self, sms):
        self.calls.append(sms)
        self.times.append(time.time())
        if self.meanwhile:
            self.meanwhile(sms)
        if self.hangs:
            self.hangs.wait(30)
        outcome = self.outcomes.pop(0) if self.outcomes else self.always
        if outcome:
            raise outcome
        return f"{self.alias}-{len(self.calls)}"

    def parse_receipts(self, headers, body, url):
        named, word = body.decode().split()
        own = self.refers_by_own_id
        return [Receipt("" if own else named, State(word), word, named if own else "")]

    def look_up(self, reference, provider_message_id):
        self.looks.append((time.time(), provider_message_id))
        time.sleep(self.takes_long)
        if self.meanwhile_looking:
            self.meanwhile_looking()
        if isinstance(self.found, Exception):
            raise self.found
        return self.found and Receipt(reference, self.found, self.found.value, provider_message_id)

    def feed_back(self, reference, provider_message_id, *, converted):
        self.told.append((time.time(), provider_message_id, converted))

    def revoke(self, reference, provider_message_id):
        self.revoked.append((time.time(), provider_message_id))
        if self.revoking:
            raise self.revoking


def busiest(times: list[float]) -> int:
    """The most calls of any second."""
    return max(sum(begin <= at < begin + 1 for at in times) for begin in times)


def exactly(seconds: float):
    """To the millisecond; a time of the epoch too, of which a float has no more."""
    return pytest.approx(seconds, rel=0, abs=0.0011)


def count_calls(*ended: health.Ended) -> None:
    """Tell Redis that calls for some message ended so."""
    some = Attempt(Message("some", State.SENDING, "otp", "US", "", 0, 0), 1, b"", 0, False)
    calls = [one._asdict() for one in ended]
    with client() as redis:
        redis.hset(names.key(names.RECORD + "some"), mapping={"attempts": 1, "calling": ended[0].alias})
        choice = store.choose(some, hops=(), parts=1, failed={}, aliases={}, calls=calls)
        redis.delete(names.key(names.RECORD + "some"))
    health.tell(ended, choice.changed)


def lease_ends(redis, id: str) -> None:
    """Its lease has run out, and so has the time that whoever called may still write down the outcome."""
    record = names.RECORD + id
    redis.hset(record, mapping={"lease_until": 1, "overdue": redis.hget(record, "attempts")})


def leave_out(alias: str) -> None:
    """Leave it out from now on, until a probe works."""
    count_calls(health.Ended(alias, "US", bad=1, at_once=True))


#: Put before each script while the clock stands still. No key ends by the server's own clock either.
STOPPED = """
-- In a cluster a script sees one slot alone: that of its cell.
local tag = string.match(KEYS[#KEYS] or '', '^{.-}') or '{c0}'
local server, redis = redis, setmetatable({}, { __index = redis })
function redis.call(name, ...)
  local words = { ... }
  if name == 'TIME' then
    return server.call('MGET', tag .. 'tests:seconds', tag .. 'tests:micros')
  elseif name == 'EXPIRE' or name == 'PEXPIRE' then
    return 1
  elseif name == 'SET' then
    return server.call(name, words[1], words[2])
  end
  return server.call(name, ...)
end
"""


class Clock:
    """The time of the scripts, on a real server, and of Python. It stands still until the test moves it on.

    So a test says exactly what happens when, however busy the machine is.
    """

    def __init__(self, monkeypatch, redis, seed: int = 0) -> None:
        self.now = round(time.time(), 3)
        self._order = Random(seed)  # of what is due in the same millisecond
        self._due: list[tuple[float, float, Callable[[], object]]] = []  # a heap
        made = Script._text

        def text(script: Script) -> tuple[str, str]:
            stopped = STOPPED + made(script)[0]
            return stopped, hashlib.sha1(stopped.encode(), usedforsecurity=False).hexdigest()

        monkeypatch.setattr(Script, "_text", text)
        monkeypatch.setattr(time, "time", lambda: self.now)
        self._set(self.now)

    def after(self, seconds: float, what: Callable[[], object]) -> None:
        """Do it when the clock comes to that time."""
        heappush(self._due, (round(self.now + seconds, 3), self._order.random(), what))

    def advance(self, seconds: float) -> None:
        """Move on, and do what is due meanwhile, each in its time. The work may move it on as well."""
        until = round(self.now + seconds, 3)
        while self._due and self._due[0][0] <= until:
            at, _, what = heappop(self._due)
            self._set(max(at, self.now))
            what()
        self._set(max(until, self.now))

    def _set(self, now: float) -> None:
        self.now = now
        seconds, millis = divmod(round(now * 1000), 1000)
        for cell in cells.every():
            tag = names.prefix(cell) if cell else "{c0}"
            time_is = {f"{tag}tests:seconds": seconds, f"{tag}tests:micros": millis * 1000}
            scripts.connection(cell).mset(time_is)


class House:
    """Three scripted aliases a, b, c; messages wait until the test delivers them."""

    def __init__(self, monkeypatch, settings, redis) -> None:
        self.redis = redis
        self.monkeypatch = monkeypatch
        self.published: list[str] = []
        self.providers = {name: Scripted(name) for name in "abc"}
        self.slots = registry.Slots(10)
        self.aliases = {
            name: registry.Alias(provider, slots=self.slots, share=registry.SHARE)
            for name, provider in self.providers.items()
        }
        settings.SMS_PROVIDERS = dict.fromkeys(self.providers, "memory://")
        settings.SMS_ROUTES = {"default": "a>b"}
        monkeypatch.setattr(registry, "aliases", lambda: self.aliases)
        monkeypatch.setattr(broker, "publish", lambda id, _: self.published.append(id) or True)
        self.settings = settings

    def rate(self, name, rate=0.0, segment_rate=0.0):
        self.aliases[name] = registry.Alias(
            self.providers[name], slots=self.slots, share=1, rate=rate, segment_rate=segment_rate
        )

    def send(self, **options):
        return services.send(PHONE, "123456", **options).id

    def code(self):
        return self.send(queue="otp", expires_at=time.time() + 120, resend_unknown=True)

    def deliver(self, id):
        self.redis.hset(names.RECORD + id, "not_before", 1)
        delivery.deliver(id)
        return services.get(id)

    def choose(self, id: str, hops: str, parts: int = 1) -> Chosen:
        """Claim it, and see which alias a worker would call. If none now, it comes back when the test says
        so.
        """
        self.redis.hset(names.RECORD + id, "not_before", 1)
        attempt = store.claim(id).found
        assert isinstance(attempt, Attempt)
        able = {name: self.aliases[name].able for name in hops}
        chosen = store.choose(attempt, hops=list(hops), parts=parts, failed={}, aliases=able, calls=[]).chosen
        assert chosen is not None
        if chosen.wait or not chosen.alias:
            store.finish(id, State.QUEUED, attempt=attempt.number, retry_in=chosen.wait)
        return chosen

    def work_by(self, clock: Clock) -> None:
        """Deliver whatever is published, and what has waited for its turn, as ``clock`` comes to it."""

        def publish_in(seconds, id, _):
            clock.after(seconds, lambda: delivery.deliver(id))

        self.monkeypatch.setattr(wakeups, "publish_in", publish_in)
        self.monkeypatch.setattr(broker, "publish", lambda id, queue: publish_in(0, id, queue) or True)

    @contextmanager
    def workers(self, count):
        """So many threads deliver whatever is published, and what has waited for its rate."""
        with pytest.MonkeyPatch.context() as patch:
            woken, told = wakeups.Wakeups(), threading.Event()
            pool = ThreadPoolExecutor(count)

            def publish(id, _):
                if id == "last":
                    told.set()
                else:
                    pool.submit(delivery.deliver, id)

            patch.setattr(wakeups, "publish_in", woken.publish_in)
            patch.setattr(broker, "publish", publish)
            try:
                yield
            finally:
                pool.shutdown()
                # Nothing comes back in the next test: what was due is forgotten, or refused by the pool.
                with woken._changed:
                    woken._due.clear()
                woken.publish_in(0, "last", "otp")
                assert told.wait(30)

    def wait_for(self, alias, count):
        deadline = time.monotonic() + 60  # only to end where it never comes
        while len(self.providers[alias].calls) < count:
            assert time.monotonic() < deadline, f"{len(self.providers[alias].calls)} calls"
            time.sleep(0.01)

    @property
    def calls(self) -> str:
        """``aab``: who was called, in no order between aliases."""
        return "".join(name * len(provider.calls) for name, provider in self.providers.items())

    def hold(self, name, **until):
        """Leave out an alias, or one in a country, as a breaker does: ``hold_until`` and so on (ms)."""
        self.redis.hset(names.HEALTH + name, mapping=until)
        if cells.many():
            self.redis.zadd(names.LEFT_OUT, {name: 1})

    def pause_is_over(self, alias):
        self.redis.hset(names.HEALTH + alias, "open_until", 1)

    def left_out(self) -> set[str]:
        """Alias, or alias:country."""
        keys = (key.decode() for key in self.redis.keys(names.HEALTH + "*"))
        return {key.removeprefix(names.HEALTH) for key in keys if self.redis.hexists(key, "open_until")}
