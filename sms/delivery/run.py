"""Deliver one message: claim it, choose a provider, call it, record the outcome.

The failover rule. Outcome → for this message → for the alias (see ``sms.delivery.health``):

    accepted             sent; a receipt may follow                      healthy
    temporary            next alias in the same run                      counts; Retry-After kept,
                                                                         600 s at most
    refused (number,     next alias of another channel in the same       healthy
      text),             run; another alias of this channel would
      unreachable        cost money to say the same. ``failed`` if
                         the route has no other channel
    refused (opted out)  the same; the number goes on the opt-out list   healthy
                         of the alias: see ``sms.optouts``
    refused (account,    next alias in the same run                      left out at once, in that
      sender, address)                                                   country or everywhere; loud
    unknown, vendor      repeated there at once, under the same          each counts
      de-duplicates      key, up to REPEATS times; then as below
    unknown              a code waits SMS_RECEIPT_WAIT for a receipt,    counts
                         then goes to the next alias, once; any other
                         message ends as ``unknown``
    worker died          the lease and a last chance run out, a sweep    counts
      during the call    brings it back; then as unknown, at once
    receipt: undelivered a live code goes to the next alias, once;       counts in its country; left
                         without another alias, and for any other        out there only while another
                         message: ``failed``                             of the route is well
    receipt: unreachable the same                                        learns nothing
    no key opens it      waits for a worker that has the key, among      –
                         the dead letters meanwhile

- "Once" means once in total. A code that an alias may have, or could not deliver, is handed over one more
  time. It goes to the same alias only if the outcome is unknown and the route has no other.
- When every alias failed, the message tries again after ROUNDS seconds while it lives, without an alias that
  may have it. After the last round it is ``failed`` and a dead letter, or ``unknown`` if one may have it.
- Over a rate, or without a free slot, the message waits. That is not a failure.
- A code that a receipt called undelivered and that expired before the next alias had it is ``failed``.
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

#: How often a hand-off with an unknown outcome is repeated to a vendor that de-duplicates.
REPEATS = 2

#: Seconds until the next try of a message for which no alias is healthy or has a free slot.
SOON = 1.0

#: Seconds. Shorter waits end on time, by ``wakeups``. Longer ones end by a sweep, which queues like any task.
PUNCTUAL = 5.0

#: Seconds by which a wait longer than PUNCTUAL ends early, so that the message is there when its turn comes.
EARLY = 2.0

#: The sealed fields of a message that a provider gets.
CONTENT = ("to", "body", "code", "purpose", "locale", "email")

#: A message that no key opens is tried again after an eighth of its age, and after LEAST to MOST seconds. So
#: even many of them do not keep a worker busy.
PART_OF_AGE, LEAST, MOST = 1 / 8, 2.0, 300.0


def deliver(message_id: str, queues: Sequence[str] = ()) -> Message | None:
    """Claim and deliver ``message_id``, or else a message that is due in ``queues``; see ``store.claim``.

    Returns the message, or None if this worker has nothing more to do.
    """
    known = registry.aliases()
    Alias.wait_for_slot(known.values())
    claim = store.claim(message_id, queues, {name: alias.able for name, alias in known.items()})
    if claim.left_out:
        health.tell_left_out(claim.left_out, "", "worker_died")
    if claim.verdict == "gone":  # Redis was emptied, or another installation shares the broker
        log.warning("message_gone", message_id=message_id)
        return deliver("", queues) if queues else None
    if isinstance(claim.found, Attempt):
        with traces.deliver(claim.found.message):
            opened = _Run(claim.found).go()
        return claim.found.message if opened else None
    if claim.found is not None:  # the claim itself ended it, as expired or unknown
        with traces.deliver(claim.found):
            traces.recorded(claim.found)
            tell(claim.found)
    return claim.found


class _Run:
    """One claim. It calls the aliases of the route one after the other until the message is settled."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.message = attempt.message
        self.content = {"to": "", "body": ""}
        self.hops: tuple[str, ...] = ()  # the aliases of its route, in the order in which they are called
        self.begun = time.monotonic()
        self.failed: dict[str, float] = {}  # aliases that did not take it: their Retry-After, 0 for none
        self.full: set[str] = set()  # aliases whose last slot another thread took first
        self.ended: list[Ended] = []  # calls whose end is not recorded in Redis yet
        self.error = ""
        self.calls = 0  # of providers, in this run

    @property
    def remaining(self) -> float:
        return self.begun + self.attempt.remaining - time.monotonic()

    def go(self) -> bool:
        """Call one alias after the other, and always record the outcome.

        False if this worker cannot unseal the message. It then claims no other one: workers that have the
        key should.
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
        except ImproperlyConfigured:  # perhaps only this worker is misconfigured; no provider has the message
            self.not_called(chosen)
            self.choose(())
            raise
        except NoRoute:
            self.not_called(chosen)
            self.record(State.FAILED, error="no_route", fault="no_route")
            return True
        hops = routing.drawn(route, self.attempt.hops)
        if hops is None:  # the route has changed since the claim chose an alias of it
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
        """The alias to call next. None if the message may not be sent any more, no slot is free, or Redis is
        away.
        """
        known = {name: alias for name, alias in registry.aliases().items() if name in hops}
        try:
            chosen = self.ask(known, hops)
            if chosen is None:  # wait only now: no call is on record that a crash would leave unknown
                Alias.wait_for_slot([known[name] for name in hops if name not in {*self.failed, *self.full}])
                chosen = self.ask(known, hops)
        except Unavailable:
            return None
        return chosen

    def ask(self, known: Mapping[str, Alias], hops: Sequence[str], *, unknown: bool = False) -> Chosen | None:
        """Record in Redis how the last call ended, and let it choose the next alias.

        ``unknown``: the last call may have worked, and this thread still holds its slot. Raises
        ``Unavailable``.
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
        """Give up a probe that was chosen but not called, so that another message can probe at once."""
        if chosen and chosen.probe:
            self.ended.append(Ended(chosen.alias, self.message.country, probe=True))

    def call(self, alias: Alias, sender: str, *, probe: bool, repeats: int = REPEATS) -> bool:
        """Hand the message to one alias. True if that settles this run.

        ``repeats``: how often to repeat the hand-off while its outcome is unknown.
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
            # If a repetition was refused, the hand-off before it may still have worked.
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
                # Without a verification, nobody learns whether the code was typed.
                after=alias.after(is_code=bool(self.message.verification_id), id=provider_message_id),
                error="",
                took_ms=ended.took,
            )
        return True

    def answer_url(self, alias: Alias) -> str:
        """The URL at which the vendor asks for the code, "" if it does not ask."""
        if not alias.provider.asks_for_code:
            return ""
        return answers.address(alias.name, self.message.id, self.content, self.remaining)

    def not_taken(self, alias: Alias, bad: Ended, error: ProviderError) -> bool:
        """The vendor definitely did not take the message. True if that settles this run."""
        if isinstance(error, TemporaryFailure):
            if not resources.ran_out(error):
                why = error.code or "temporary"
                self.fail(bad._replace(outcome="temporary", retry_after=error.retry_after or 0.0, error=why))
                return False
            self.wait(SOON)  # this process ran out of resources; ``sms.consumer`` will end it
        elif isinstance(error, AccountFailure):
            why = error.code or "account"
            self.fail(bad._replace(outcome="account", here=error.here, at_once=True, error=why))
            return False
        else:
            return self.refused(alias, bad, error)
        return True

    def refused(self, alias: Alias, bad: Ended, error: ProviderError) -> bool:
        """The channel of ``alias`` does not reach the number. True if the route has no other channel."""
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
        """The vendor may have taken the message. If it de-duplicates, repeat the hand-off at once."""
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
        """Note that an alias definitely did not take the message, so that the next one is called."""
        self.error = ended.error
        self.failed[ended.alias] = ended.retry_after
        self.ended.append(ended)
        log.info("alias_failed", **about(self.message, alias=ended.alias, error=ended.error))
        traces.event("failover", alias=ended.alias, word=ended.error)

    def wait_for(self, chosen: Chosen) -> None:
        """No alias may be called now. Come back when one may, or in the next round."""
        if chosen.opted_out:
            self.record(State.FAILED, error="opted_out", fault="opted_out")
        elif chosen.alias:
            self.wait(chosen.wait - (EARLY if chosen.wait > PUNCTUAL else 0.0))
        elif self.failed:
            self.round_is_over()
        else:
            self.wait(max(chosen.wait, SOON))

    def round_is_over(self) -> None:
        """Every alias has failed. Start another round if there is time for one, else give up."""
        rounds = self.attempt.rounds
        # The shortest Retry-After decides: one alias must not wait for another.
        delay = max(ROUNDS[rounds], min(self.failed.values())) if rounds < len(ROUNDS) else None
        if delay is not None and delay < self.remaining:
            self.record(State.QUEUED, "round_over", retry_in=delay, error=self.error)
        else:
            self.record(State.FAILED, "dead_letter", error=self.error, fault="no_provider")

    def leave_unopened(self) -> None:
        """Leave a message that this worker cannot unseal. Another installation may own it, or another worker
        may have its key.
        """
        age = self.message.expires_at - self.attempt.remaining - self.message.created_at  # by Redis' clock
        wait = min(max(age * PART_OF_AGE, LEAST), MOST)
        self.record(State.QUEUED, "unopened", retry_in=wait, error="unsealable")

    def wait(self, seconds: float) -> None:
        """Come back later. Nothing has failed."""
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
        """Record the outcome (see ``outcome.record``), and schedule the message if it is due again soon."""
        ended = [*self.ended, *calls]
        message = outcome.record(self.attempt, target, why, retry_in=retry_in, calls=ended, **more)
        # QUEUED without ``retry_in``: a receipt came first, and the next alias gets the message at once.
        wait = retry_in or 0.0
        if message is not None:
            traces.recorded(message, wait)
        if message is not None and message.state is State.QUEUED and wait <= PUNCTUAL:
            wakeups.publish_in(wait, message.id, message.queue)


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
