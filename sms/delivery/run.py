"""One attempt: claim the message, find a provider for it, record the outcome.

The failover rule. Outcome → for this message → for the alias (see ``sms.delivery.health``):

    accepted             sent; a receipt may follow                      healthy
    temporary            next alias in the same run                      counts; Retry-After kept,
                                                                         600 s at most
    refused (number,     next alias of another channel in the same       healthy
      text),             run. None of this channel, which would cost
      unreachable        money for the same answer. If there is none:
                         failed
    refused (opted out)  the same; the number goes on the opt-out list   healthy
                         of the alias: see ``sms.optouts``
    refused (account,    next alias in the same run                      left out at once, in that
      sender, address)                                                   country or everywhere; loud
    unknown, if the      repeated there at once, under the same key,     each counts
      vendor             REPEATS times; then as below
      de-duplicates
    unknown              a code waits SMS_RECEIPT_WAIT for a receipt,    counts
                         then goes to the next alias, once; any other
                         message ends as ``unknown``
    worker died in it    after the lease and a last chance, a sweep      counts
                         brings it back; then as unknown, at once
    receipt: undelivered a live code goes to the next alias, once. With  counts in its country; left
                         no other alias in its route, and for any other  out there only while another
                         message: ``failed``                             of the route is healthy
    receipt: unreachable the same                                        learns nothing
    no key opens it      waits for a worker that has the key; listed     –
                         among the dead letters meanwhile

"Once" means once in all. A code that an alias may have, or could not deliver, is handed over one more time.
It goes to the same alias only if the outcome is unknown and its route has no other.

If all aliases failed, the next round begins after ROUNDS seconds while the message lives, without an alias
that could not deliver it. After the last round the message is ``failed`` and a dead letter, or ``unknown`` if
an alias may have it. A message over a rate or out of slots waits; that is no failure. A code that was
undelivered, and expired before the next alias had it, is ``failed``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured

from sms import (
    answers,
    cells,
    conf,
    optouts,
    receipts,
    registry,
    resources,
    routing,
    segments,
    steps,
    store,
    traces,
    ways,
)
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

#: How often to repeat a hand-off with an unknown outcome, if the vendor de-duplicates.
REPEATS = 2

#: Seconds until the next look, if no alias has a slot or is healthy.
SOON = 1.0

#: ``wakeups`` ends waits of up to this many seconds on time. Longer ones end with a sweep, which may be late.
PUNCTUAL = 5.0

#: Longer waits end this many seconds before the message's place in its line is due.
EARLY = 2.0

#: The sealed fields of a message that a provider gets.
CONTENT = ("to", "body", "code", "purpose", "locale", "email")

#: Retry a message that no key opens after this part of its age, within these bounds in seconds. So even many
#: of them keep no worker busy.
PART_OF_AGE, LEAST, MOST = 1 / 8, 2.0, 300.0


def deliver(message_id: str, queues: Sequence[str] = (), cell: int = cells.HUB) -> Message | None:
    """Run one attempt for ``message_id``, or for what is due in ``queues`` of a cell; see ``store.claim``.

    Returns the message concerned; None if there is nothing more to do for this worker.
    """
    known = registry.aliases()
    Alias.wait_for_slot(known.values())
    claim = store.claim(message_id, queues, {name: alias.able for name, alias in known.items()}, cell)
    if claim.left_out:
        health.tell_left_out(claim.left_out, "", "worker_died")
    if claim.verdict == "gone":  # it is another installation's at the same broker, or Redis was emptied
        log.warning("message_gone", message_id=message_id)
        return deliver("", queues, cells.of_id(message_id)) if queues else None
    if isinstance(claim.found, Attempt):
        with traces.deliver(claim.found.message):
            opened = _Run(claim.found).go()
        return claim.found.message if opened else None
    if claim.found is not None:  # settled by the claim: expired or unknown
        with traces.deliver(claim.found):
            traces.recorded(claim.found)
            tell(claim.found)
    return claim.found


class _Run:
    """One claim: ask the aliases of the route, one after the other, until one settles it."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.message = attempt.message
        self.content = {"to": "", "body": ""}
        self.hops: tuple[str, ...] = ()  # the route in the order of asking
        self.begun = time.monotonic()
        self.failed: dict[str, float] = {}  # aliases that did not take it, with their Retry-After (0: none)
        self.full: set[str] = set()  # aliases whose last slot another thread took
        self.ended: list[Ended] = []  # calls whose end Redis has not been told
        self.error = ""
        self.calls = 0  # to providers, in this run

    @property
    def remaining(self) -> float:
        return self.begun + self.attempt.remaining - time.monotonic()

    def go(self) -> bool:
        """Ask one alias after the other, and record the outcome in any case.

        Returns False if this worker cannot open the message: workers that can should take the next one too.
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
        except ImproperlyConfigured:  # perhaps only of this worker, and nobody has the message
            self.not_called(chosen)
            self.choose(())
            raise
        except NoRoute:
            self.not_called(chosen)
            self.record(State.FAILED, error="no_route", fault="no_route")
            return True
        hops = routing.drawn(route, self.attempt.hops)
        if hops is None:  # the claim used another route
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
        """Choose the next alias. None if it must not be sent any more, no slot is free, or Redis is away."""
        known = {name: alias for name, alias in registry.aliases().items() if name in hops}
        try:
            chosen = self.ask(known, hops)
            if chosen is None:  # wait only now: before, Redis knew nothing of a call in case this worker dies
                Alias.wait_for_slot([known[name] for name in hops if name not in {*self.failed, *self.full}])
                chosen = self.ask(known, hops)
        except Unavailable:
            return None
        return chosen

    def ask(self, known: Mapping[str, Alias], hops: Sequence[str], *, unknown: bool = False) -> Chosen | None:
        """Tell Redis how the last call ended, and let it choose the next alias. Raises ``Unavailable``.

        ``unknown``: the last call may have worked, and this thread still has its slot.
        """
        is_code = self.message.queue == steps.OTP_QUEUE
        choice = store.choose(
            self.attempt,
            hops=hops,
            unknown=unknown,
            marks=() if is_code else optouts.marks(self.content["to"]),
            parts=segments.count(self.content["body"]),
            failed=dict.fromkeys(self.failed, True),
            aliases={
                # A slot of our own counts as free; an alias that is full does not.
                name: alias.able | ({"free": unknown} if unknown or name in self.full else {})
                for name, alias in known.items()
            },
            calls=[ended._asdict() for ended in self.ended],
        )
        health.tell(self.ended, choice.changed)
        self.ended.clear()
        return choice.chosen

    def not_called(self, chosen: Chosen | None) -> None:
        """Give up a chosen call. If it was to be a probe, another may start at once."""
        if chosen and chosen.probe:
            self.ended.append(Ended(chosen.alias, self.message.country, probe=True))

    def call(self, alias: Alias, sender: str, *, probe: bool, repeats: int = REPEATS) -> bool:
        """Ask one alias. True if that settles this run.

        ``repeats``: how often it may be asked again if the outcome is unknown.
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
            # If a repetition was not taken, the hand-off before may still have been.
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
                # Nothing tells whether a code without a verification was typed.
                after=alias.after(is_code=bool(self.message.verification_id), id=provider_message_id),
                error="",
                took_ms=ended.took,
            )
        return True

    def answer_url(self, alias: Alias) -> str:
        """The URL where the vendor asks for the code, if it does."""
        if not alias.provider.asks_for_code:
            return ""
        return answers.address(alias.name, self.message.id, self.content, self.remaining)

    def not_taken(self, alias: Alias, bad: Ended, error: ProviderError) -> bool:
        """The vendor definitely did not take it. True if that settles this run."""
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
        """The number gets nothing by this channel. True if the route has no other."""
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
        """The vendor may have taken it. One that de-duplicates is asked again at once."""
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
        """Note that an alias definitely did not take it."""
        self.error = ended.error
        self.failed[ended.alias] = ended.retry_after
        self.ended.append(ended)
        log.info("alias_failed", **about(self.message, alias=ended.alias, error=ended.error))
        traces.event("failover", alias=ended.alias, word=ended.error)

    def wait_for(self, chosen: Chosen) -> None:
        """No alias may be asked now. Come back when one may, or in the next round."""
        if chosen.opted_out:
            self.record(State.FAILED, error="opted_out", fault="opted_out")
        elif chosen.alias:
            self.wait(chosen.wait - (EARLY if chosen.wait > PUNCTUAL else 0.0))
        elif self.failed:
            self.round_is_over()
        else:
            self.wait(max(chosen.wait, SOON))

    def round_is_over(self) -> None:
        """All aliases failed. Start another round if there is time, otherwise make it a dead letter."""
        rounds = self.attempt.rounds
        # The earliest: one alias must not wait for another's Retry-After.
        delay = max(ROUNDS[rounds], min(self.failed.values())) if rounds < len(ROUNDS) else None
        if delay is not None and delay < self.remaining:
            self.record(State.QUEUED, "round_over", retry_in=delay, error=self.error)
        else:
            self.record(State.FAILED, "dead_letter", error=self.error, fault="no_provider")

    def leave_unopened(self) -> None:
        """Leave a message that no key opens: it may be another installation's, or older than a key change."""
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
        """Record the outcome, and schedule an early return; see ``outcome.record``."""
        ended = [*self.ended, *calls]
        message = outcome.record(self.attempt, target, why, retry_in=retry_in, calls=ended, **more)
        # Queued without ``retry_in``: a receipt came before the answer, and the next alias is due now.
        wait = retry_in or 0.0
        if message is not None:
            traces.recorded(message, wait)
        if message is not None and message.state is State.QUEUED and wait <= PUNCTUAL:
            wakeups.publish_in(wait, message.id, message.queue)


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
