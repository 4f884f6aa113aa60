"""One attempt: claim the message, find it a provider, record what came of it.

The failover rule. Outcome → for this message → for the alias (see ``sms.delivery.health``):

    accepted             sent; a receipt may follow                      healthy
    temporary            next alias in the same run                      counts; Retry-After kept,
                                                                         600 s at most
    refused (number,     failed at once: another alias would be          healthy
      text)              paid to learn the same
    refused (account,    next alias in the same run                      left out at once, in that
      sender, address)                                                   country or everywhere; loud
    unknown              a code waits SMS_RECEIPT_WAIT for a receipt,    counts
                         then goes to the next alias, once; any other
                         message ends as ``unknown``
    worker died in it    the lease and a last chance run out, a sweep    counts
                         brings it back, then as unknown, at once
    receipt: undelivered a live code goes to the next alias, once;       counts in its country; left
                         where its route has no other, and any other     out there only while another
                         message, ends as ``failed``                     of the route is well
    no key opens it      waits for a worker that has the key; stands     –
                         among the dead letters meanwhile

"Once" is once in all: a code that an alias may have, or could not deliver, is handed over one more time,
and to that alias only if its outcome is unknown and its route has no other. All aliases failed: again
after ROUNDS seconds (without that alias) while the message lives, then ``failed`` and a dead letter, or
``unknown`` if one may have it. Over a rate or out of slots the message waits, which is no failure. A code
that a receipt called undelivered and that died before the next alias had it: ``failed``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured

from sms import conf, receipts, resources, routing, segments, store
from sms.delivery import health, outcome, wakeups
from sms.delivery.handover import hand_over
from sms.delivery.health import Ended
from sms.delivery.slots import Alias
from sms.errors import (
    AccountFailure,
    NoRoute,
    OutcomeUnknown,
    PermanentFailure,
    TemporaryFailure,
    Unavailable,
)
from sms.facts import tell
from sms.message import Attempt, Chosen, Message, State
from sms.providers.base import Sms
from sms.registry import aliases
from sms.seal import Unsealable, unseal

log = structlog.get_logger("sms")

#: Seconds to wait after the first, second and third round. A code lives 120 s by default.
ROUNDS = (3.0, 10.0, 20.0)

#: Seconds after which a message for which no alias has a slot or is healthy looks again.
SOON = 1.0

#: Waits of up to so many seconds end at the millisecond, by ``wakeups``; sweeps travel behind the queue.
PUNCTUAL = 5.0

#: Seconds before its place in a line is due that what waits for longer than PUNCTUAL comes back.
EARLY = 2.0

#: What no key opens is tried again after this part of its age, so that many of them keep no worker busy,
#: but after so many seconds at least and at most.
PART_OF_AGE, LEAST, MOST = 1 / 8, 2.0, 300.0


def deliver(message_id: str, queues: Sequence[str] = ()) -> Message | None:
    """Run one attempt for ``message_id``, or else for what is due in ``queues``; see ``store.claim``.

    Returns the message that it was about; None if there is nothing more to do for this worker.
    """
    known = aliases()
    Alias.wait_for_slot(known.values())
    claim = store.claim(message_id, queues, {name: alias.able for name, alias in known.items()})
    if claim.left_out:
        health.tell_left_out(claim.left_out, "", "worker_died")
    if claim.verdict == "gone":  # of another installation that shares the broker, or Redis was emptied
        log.warning("message_gone", message_id=message_id)
        return deliver("", queues) if queues else None
    if isinstance(claim.found, Attempt):
        return claim.found.message if _Run(claim.found).go() else None
    if claim.found is not None:  # the claim settled it: expired or unknown
        tell(claim.found)
    return claim.found


class _Run:
    """One claim: asks the aliases of the route, one after the other, until one has an answer."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.message = attempt.message
        self.content = {"to": "", "body": ""}
        self.begun = time.monotonic()
        self.failed: dict[str, float] = {}  # aliases that did not take it, with their Retry-After (0: none)
        self.full: set[str] = set()  # aliases whose last slot another thread took first
        self.ended: list[Ended] = []  # how calls ended that Redis has not been told of
        self.error = ""

    @property
    def remaining(self) -> float:
        return self.begun + self.attempt.remaining - time.monotonic()

    def go(self) -> bool:
        """Ask one alias after the other; always ends with a record of what came of it. False if this worker
        cannot open the message: those that can shall have the next one too.
        """
        chosen = self.attempt.chosen
        try:
            self.content = unseal(self.attempt.sealed)
            route = routing.find(self.message.country, self.content["to"])
        except Unsealable:
            self.not_called(chosen)
            self.leave_unopened()
            return False
        except ImproperlyConfigured:  # of this worker alone, maybe: nobody has the message
            self.not_called(chosen)
            self.choose(())
            raise
        except NoRoute:
            self.not_called(chosen)
            self.record(State.FAILED, error="no_route")
            return True
        hops = routing.drawn(route, self.attempt.hops)
        if hops is None:  # the claim chose by another route
            self.not_called(chosen)
            hops, chosen = routing.order(route), None
        senders = {hop.alias: hop.sender for hop in hops}
        while chosen := chosen or self.choose(tuple(senders)):
            if not chosen.alias or chosen.wait:
                self.wait_for(chosen)
                return True
            alias = aliases()[chosen.alias]
            with alias.slot() as taken:
                if taken and self.call(alias, senders[alias.name], probe=chosen.probe):
                    return True
            if not taken:
                self.full.add(alias.name)
                self.not_called(chosen)
            chosen = None
        self.wait(SOON)
        return True

    def choose(self, hops: Sequence[str]) -> Chosen | None:
        """Whom to ask next. None: it may not be sent any more, there is no slot, or Redis is away."""
        known = {name: alias for name, alias in aliases().items() if name in hops}
        try:
            chosen = self.ask(known, hops)
            if chosen is None:  # only now, as Redis knows of no call in which this worker could die
                Alias.wait_for_slot([known[name] for name in hops if name not in {*self.failed, *self.full}])
                chosen = self.ask(known, hops)
        except Unavailable:
            return None
        return chosen

    def ask(self, known: Mapping[str, Alias], hops: Sequence[str]) -> Chosen | None:
        """Tell Redis how the last call ended, and let it choose. Raises ``Unavailable``."""
        choice = store.choose(
            self.attempt,
            hops=hops,
            parts=segments.count(self.content["body"]),
            failed=dict.fromkeys(self.failed, True),
            aliases={
                name: alias.able | ({"free": False} if name in self.full else {})
                for name, alias in known.items()
            },
            calls=[ended._asdict() for ended in self.ended],
        )
        health.tell(self.ended, choice.changed)
        self.ended.clear()
        return choice.chosen

    def not_called(self, chosen: Chosen | None) -> None:
        """If it was to be a probe, the next one need not wait for its end."""
        if chosen and chosen.probe:
            self.ended.append(Ended(chosen.alias, self.message.country, probe=True))

    def call(self, alias: Alias, sender: str, *, probe: bool) -> bool:
        """Ask one alias; True if that settles this run."""
        started = time.monotonic()
        country = self.message.country
        sms = Sms(
            id=self.message.id,
            to=self.content["to"],
            body=self.content["body"],
            expires_in=self.remaining,
            callback_url=receipts.address(alias.name, self.message.id),
            sender=sender,
        )
        bad = Ended(alias.name, country, probe, bad=1)
        try:
            provider_message_id = hand_over(alias.provider, sms)
        except TemporaryFailure as error:
            if not resources.ran_out(error):
                self.fail(bad._replace(retry_after=error.retry_after or 0.0, error=error.code or "temporary"))
                return False
            self.wait(SOON)  # the fault of this process, which ``sms.consumer`` ends
        except AccountFailure as error:
            self.fail(bad._replace(here=error.here, at_once=True, error=error.code or "account"))
            return False
        except PermanentFailure as error:
            calls = health.succeeded(alias.name, country, probe=probe)
            self.record(State.FAILED, calls=calls, alias=alias.name, error=error.code or "permanent")
        except OutcomeUnknown as error:
            why = error.code or "unknown"
            wait = conf.get("SMS_RECEIPT_WAIT")
            again = self.attempt.resend_unknown and wait < self.remaining
            self.record(
                State.QUEUED if again else State.UNKNOWN,
                "unknown",
                retry_in=wait if again else None,
                calls=(bad._replace(error=why),),
                alias=alias.name,
                avoid=alias.name,
                error=why,
            )
        else:
            self.record(
                State.SENT,
                calls=health.succeeded(alias.name, country, probe=probe),
                alias=alias.name,
                provider_message_id=provider_message_id,
                error="",
                took_ms=round((time.monotonic() - started) * 1000),
            )
        return True

    def fail(self, ended: Ended) -> None:
        """An alias has definitely not taken it."""
        self.error = ended.error
        self.failed[ended.alias] = ended.retry_after
        self.ended.append(ended)
        log.info("alias_failed", message_id=self.message.id, alias=ended.alias, error=ended.error)

    def wait_for(self, chosen: Chosen) -> None:
        """Nobody may be asked now: come back when somebody may, or in the next round."""
        if chosen.alias:
            self.wait(chosen.wait - (EARLY if chosen.wait > PUNCTUAL else 0.0))
        elif self.failed:
            self.round_is_over()
        else:
            self.wait(max(chosen.wait, SOON))

    def round_is_over(self) -> None:
        """Every alias has failed: another round if there is one in time, else a dead letter."""
        rounds = self.attempt.rounds
        # One that may be asked earlier must not wait for another's Retry-After.
        delay = max(ROUNDS[rounds], min(self.failed.values())) if rounds < len(ROUNDS) else None
        if delay is not None and delay < self.remaining:
            self.record(State.QUEUED, "round_over", retry_in=delay, error=self.error)
        else:
            self.record(State.FAILED, "dead_letter", error=self.error)

    def leave_unopened(self) -> None:
        """It may be another installation's, or of before a change of the keys, so it is not ours to end."""
        age = self.message.expires_at - self.attempt.remaining - self.message.created_at  # by Redis' clock
        wait = min(max(age * PART_OF_AGE, LEAST), MOST)
        self.record(State.QUEUED, "unopened", retry_in=wait, error="unsealable")

    def wait(self, seconds: float) -> None:
        """Come back later; nothing has failed."""
        self.record(State.QUEUED, retry_in=min(seconds, max(self.remaining, 0.0)))

    def record(
        self,
        target: State,
        why: store.Why = "",
        *,
        retry_in: float | None = None,
        calls: Sequence[Ended] = (),
        **more: Any,
    ) -> None:
        """Write the outcome down, and bring the message back where that is soon; see ``outcome.record``."""
        ended = [*self.ended, *calls]
        message = outcome.record(self.attempt, target, why, retry_in=retry_in, calls=ended, **more)
        # Without a time a receipt came first, and another alias is next.
        wait = retry_in or 0.0
        if message is not None and message.state is State.QUEUED and wait <= PUNCTUAL:
            wakeups.publish_in(wait, message.id, message.queue)
