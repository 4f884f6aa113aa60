"""One attempt: claim the message, find it a provider, record what came of it.

The failover rule. Outcome → for this message → for the alias (see ``sms.delivery.health``):

    accepted             sent; a receipt may follow                      healthy
    temporary            next alias in the same run                      counts; Retry-After kept,
                                                                         600 s at most
    refused (number,     next alias of another channel in the same       healthy
      text),             run, none of this one: it would be paid to
      unreachable        learn the same; failed if there is none
    refused (opted out)  the same; the number goes on the opt-out list   healthy
                         of the alias: see ``sms.optouts``
    refused (account,    next alias in the same run                      left out at once, in that
      sender, address)                                                   country or everywhere; loud
    unknown, of one that repeated there at once, under the same      each counts
      de-duplicates      key, REPEATS times; then as any other
    unknown              a code waits SMS_RECEIPT_WAIT for a receipt,    counts
                         then goes to the next alias, once; any other
                         message ends as ``unknown``
    worker died in it    the lease and a last chance run out, a sweep    counts
                         brings it back, then as unknown, at once
    receipt: undelivered a live code goes to the next alias, once;       counts in its country; left
                         where its route has no other, and any other     out there only while another
                         message, ends as ``failed``                     of the route is well
    receipt: unreachable the same                                        learns nothing
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
from contextlib import suppress
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured

from sms import answers, conf, optouts, receipts, registry, resources, routing, segments, store, traces, ways
from sms.delivery import health, outcome, wakeups
from sms.delivery.handover import hand_over
from sms.delivery.health import Ended
from sms.delivery.slots import Alias
from sms.errors import (
    AccountFailure,
    NoRoute,
    OutcomeUnknown,
    PermanentFailure,
    ProviderError,
    TemporaryFailure,
    Unavailable,
    Unreachable,
)
from sms.facts import about, tell
from sms.message import Attempt, Channel, Chosen, Message, State
from sms.providers.base import Sms
from sms.seal import Unsealable, unseal

log = structlog.get_logger("sms")

#: Seconds to wait after the first, second and third round. A code lives 120 s by default.
ROUNDS = (3.0, 10.0, 20.0)

#: How often a message whose outcome is unknown is handed over again to a vendor that de-duplicates.
REPEATS = 2

#: Seconds after which a message for which no alias has a slot or is healthy looks again.
SOON = 1.0

#: Waits of up to so many seconds end at the millisecond, by ``wakeups``; sweeps travel behind the queue.
PUNCTUAL = 5.0

#: Seconds before its place in a line is due that what waits for longer than PUNCTUAL comes back.
EARLY = 2.0

#: What is sealed of a message, and handed to a provider.
CONTENT = ("to", "body", "code", "purpose", "locale", "email")

#: What no key opens is tried again after this part of its age, so that many of them keep no worker busy,
#: but after so many seconds at least and at most.
PART_OF_AGE, LEAST, MOST = 1 / 8, 2.0, 300.0


def deliver(message_id: str, queues: Sequence[str] = ()) -> Message | None:
    """Run one attempt for ``message_id``, or else for what is due in ``queues``; see ``store.claim``.

    Returns the message that it was about; None if there is nothing more to do for this worker.
    """
    known = registry.aliases()
    Alias.wait_for_slot(known.values())
    claim = store.claim(message_id, queues, {name: alias.able for name, alias in known.items()})
    if claim.left_out:
        health.tell_left_out(claim.left_out, "", "worker_died")
    if claim.verdict == "gone":  # of another installation that shares the broker, or Redis was emptied
        log.warning("message_gone", message_id=message_id)
        return deliver("", queues) if queues else None
    if isinstance(claim.found, Attempt):
        with traces.deliver(claim.found.message):
            opened = _Run(claim.found).go()
        return claim.found.message if opened else None
    if claim.found is not None:  # the claim settled it: expired or unknown
        with traces.deliver(claim.found):
            traces.recorded(claim.found)
            tell(claim.found)
    return claim.found


class _Run:
    """One claim: asks the aliases of the route, one after the other, until one has an answer."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.message = attempt.message
        self.content = {"to": "", "body": ""}
        self.hops: tuple[str, ...] = ()  # its route, in the order in which it is asked
        self.begun = time.monotonic()
        self.failed: dict[str, float] = {}  # aliases that did not take it, with their Retry-After (0: none)
        self.full: set[str] = set()  # aliases whose last slot another thread took first
        self.ended: list[Ended] = []  # how calls ended that Redis has not been told of
        self.error = ""
        self.calls = 0  # of providers, in this run

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
            named = self.content.get("channels", "")
            route = ways.again(
                self.message.country,
                self.content["to"],
                is_code="code" in self.content,
                email=self.content.get("email", ""),
                channels=[Channel(name) for name in named.split(",") if name],
            )
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
            self.record(State.FAILED, error="no_route", fault="no_route")
            return True
        hops = routing.drawn(route, self.attempt.hops)
        if hops is None:  # the claim chose by another route
            self.not_called(chosen)
            hops, chosen = routing.order(route), None
        senders = {hop.alias: hop.sender for hop in hops}
        self.hops = tuple(senders)
        while chosen := chosen or self.choose(tuple(senders)):
            if not chosen.alias or chosen.wait:
                self.wait_for(chosen)
                return True
            alias = registry.aliases()[chosen.alias]
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
        known = {name: alias for name, alias in registry.aliases().items() if name in hops}
        try:
            chosen = self.ask(known, hops)
            if chosen is None:  # only now, as Redis knows of no call in which this worker could die
                Alias.wait_for_slot([known[name] for name in hops if name not in {*self.failed, *self.full}])
                chosen = self.ask(known, hops)
        except Unavailable:
            return None
        return chosen

    def ask(self, known: Mapping[str, Alias], hops: Sequence[str], *, unknown: bool = False) -> Chosen | None:
        """Tell Redis how the last call ended, and let it choose. ``unknown``: that call may have worked, and
        this thread still holds its slot. Raises ``Unavailable``.
        """
        is_code = self.message.queue == store.OTP_QUEUE
        choice = store.choose(
            self.attempt,
            hops=hops,
            unknown=unknown,
            marks=() if is_code else optouts.marks(self.content["to"]),
            parts=segments.count(self.content["body"]),
            failed=dict.fromkeys(self.failed, True),
            aliases={
                name: alias.able | ({"free": unknown} if unknown or name in self.full else {})
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

    def call(self, alias: Alias, sender: str, *, probe: bool, repeats: int = REPEATS) -> bool:
        """Ask one alias; True if that settles this run. ``repeats``: how often it may be asked again if it is
        unknown what came of it.
        """
        started = time.monotonic()
        self.calls += 1
        country = self.message.country
        sms = Sms(
            id=self.message.id,
            expires_in=self.remaining,
            callback_url=receipts.address(alias.name, self.message.id),
            answer_url=self.answer_url(alias),
            sender=sender,
            key=f"{self.message.id}.{self.attempt.key}",
            **{name: self.content.get(name, "") for name in CONTENT},
        )
        try:
            with traces.call("send", alias.provider, self.message, self.message.attempts + self.calls):
                provider_message_id = hand_over(alias.provider, sms)
        except ProviderError as error:
            bad = Ended(alias.name, country, probe, bad=1, took=_ms_since(started))
            # A repetition that was not taken says nothing of the hand-off before.
            if isinstance(error, OutcomeUnknown) or repeats < REPEATS:
                return self.outcome_unknown(alias, sender, bad, repeats, error)
            return self.not_taken(alias, bad, error)
        else:
            ended = Ended(alias.name, country, probe, outcome="accepted", took=_ms_since(started))
            self.record(
                State.SENT,
                calls=health.succeeded(ended),
                alias=alias.name,
                provider_message_id=provider_message_id,
                # Of a code without a verification nobody hears whether it was typed.
                after=alias.after(is_code=bool(self.message.verification_id), id=provider_message_id),
                error="",
                took_ms=ended.took,
            )
        return True

    def answer_url(self, alias: Alias) -> str:
        """Where the vendor asks for the code, if it does so."""
        if not alias.provider.asks_for_code:
            return ""
        return answers.address(alias.name, self.message.id, self.content, self.remaining)

    def not_taken(self, alias: Alias, bad: Ended, error: ProviderError) -> bool:
        """The vendor definitely has it not; True if that settles this run."""
        if isinstance(error, TemporaryFailure):
            if not resources.ran_out(error):
                why = error.code or "temporary"
                self.fail(bad._replace(outcome="temporary", retry_after=error.retry_after or 0.0, error=why))
                return False
            self.wait(SOON)  # the fault of this process, which ``sms.consumer`` ends
        elif isinstance(error, AccountFailure):
            why = error.code or "account"
            self.fail(bad._replace(outcome="account", here=error.here, at_once=True, error=why))
            return False
        else:
            return self.refused(alias, bad, error)
        return True

    def refused(self, alias: Alias, bad: Ended, error: ProviderError) -> bool:
        """The number gets nothing by the channel of an alias; True if its route has no other."""
        opted_out = isinstance(error, PermanentFailure) and error.opted_out
        if opted_out:
            optouts.reported(alias.name, self.content["to"], message_id=self.message.id)
        outcome = "unreachable" if isinstance(error, Unreachable) else "refused"
        ended = health.succeeded(bad._replace(outcome=outcome, error=error.code or "permanent"))
        known, channel = registry.aliases(), alias.provider.channel
        others = [hop for hop in self.hops if known[hop].provider.channel != channel]
        if others and not self.failed.keys() >= set(others):
            self.failed |= {hop: self.failed.get(hop, 0.0) for hop in self.hops if hop not in others}
            self.error = error.code or "permanent"
            self.ended += ended
            log.info("channel_failed", **about(self.message, alias=alias.name, error=self.error))
            traces.event("failover", alias=alias.name, word=self.error)
            return False
        fault = "opted_out" if opted_out else "number_refused"
        self.record(State.FAILED, calls=ended, alias=alias.name, error=error.code or "permanent", fault=fault)
        return True

    def outcome_unknown(
        self, alias: Alias, sender: str, bad: Ended, repeats: int, error: ProviderError
    ) -> bool:
        """Nobody knows whether the vendor has it. One that de-duplicates is asked again at once."""
        bad = bad._replace(outcome="unknown", error=error.code or "unknown")
        calls: tuple[Ended, ...] = (bad,)
        if alias.provider.repeats_safely and repeats:
            self.ended.append(bad)
            calls = ()
            with suppress(Unavailable):
                chosen = self.ask({alias.name: alias}, (alias.name,), unknown=True)
                if chosen and chosen.alias and not chosen.wait:
                    log.info("repeated", **about(self.message, alias=alias.name, error=bad.error))
                    traces.event("repeat", alias=alias.name, word=bad.error)
                    return self.call(alias, sender, probe=chosen.probe, repeats=repeats - 1)
        wait = conf.get("SMS_RECEIPT_WAIT")
        again = self.attempt.resend_unknown and wait < self.remaining
        self.record(
            State.QUEUED if again else State.UNKNOWN,
            "unknown",
            retry_in=wait if again else None,
            calls=calls,
            alias=alias.name,
            avoid=alias.name,
            error=bad.error,
        )
        return True

    def fail(self, ended: Ended) -> None:
        """An alias has definitely not taken it."""
        self.error = ended.error
        self.failed[ended.alias] = ended.retry_after
        self.ended.append(ended)
        log.info("alias_failed", **about(self.message, alias=ended.alias, error=ended.error))
        traces.event("failover", alias=ended.alias, word=ended.error)

    def wait_for(self, chosen: Chosen) -> None:
        """Nobody may be asked now: come back when somebody may, or in the next round."""
        if chosen.opted_out:
            self.record(State.FAILED, error="opted_out", fault="opted_out")
        elif chosen.alias:
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
            self.record(State.FAILED, "dead_letter", error=self.error, fault="no_provider")

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
        if message is not None:
            traces.recorded(message, wait)
        if message is not None and message.state is State.QUEUED and wait <= PUNCTUAL:
            wakeups.publish_in(wait, message.id, message.queue)


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
