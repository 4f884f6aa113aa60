"""One attempt: claim a message, find a provider for it, record the outcome.

The failover rule (for the alias, see ``sms.delivery.health``):

    outcome              the message                                     the alias

    accepted             sent; a receipt may follow                      counts as a success
    temporary            next alias in the same run                      counts as a failure; Retry-After
                                                                         is kept, 600 s at most
    refused (number,     next alias of another channel in the same       counts as a success
      text),             run: this channel would charge again for the
      unreachable        same answer. If there is none: ``failed``
    refused (opted out)  the same; the number goes on the alias's        counts as a success
                         opt-out list, see ``sms.optouts``
    refused (account,    next alias in the same run                      left out at once, in this
      sender, address)                                                   country or everywhere; an
                                                                         error in the log
    unknown, from a      repeated at once under the same key, at most    each call counts as a failure
      vendor that        REPEATS times; then as below
      de-duplicates
    unknown              a code waits SMS_RECEIPT_WAIT for a receipt,    counts as a failure
                         then goes to the next alias, once. Any other
                         message ends as ``unknown``
    worker died in call  a sweep brings it back after the lease and a    counts as a failure
                         grace period; then its outcome is unknown,
                         and a code goes on at once
    receipt: undelivered a live code goes to the next alias, once. If    counts as a failure in this
                         the route has no other, or the message is not   country; left out there only
                         a code: ``failed``                              while another is healthy
    receipt: unreachable the same                                        no effect
    no key opens it      waits for a worker that has the key; listed     no effect
                         among the dead letters meanwhile

"Once" means one further hand-off in all, after an alias may have had the code or could not deliver it. The
code returns to the same alias only if the outcome is unknown and the route has no other.

If all aliases failed, the next round begins after ROUNDS seconds while the message lives. It skips an
alias that could not deliver the message. It also skips one that may have it, unless that is the only one of
the route. After the last round the message is ``failed`` and a dead letter. If an alias may have the message,
the message ends as ``unknown``.

Waiting for a rate or a slot is no failure. A code that was undelivered, and expired before the next alias had
it, is ``failed``.
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

#: How many times to repeat a hand-off with an unknown outcome, if the vendor de-duplicates.
REPEATS = 2

#: The least wait until the next try, in seconds, if no alias is healthy or has a free slot.
SOON = 1.0

#: Waits of up to this many seconds end on time, by ``wakeups``. Longer ones end with a sweep, maybe late.
PUNCTUAL = 5.0

#: A wait for a rate that is longer than PUNCTUAL ends this many seconds before the message's turn.
EARLY = 2.0

#: The sealed fields of a message that a provider gets.
CONTENT = ("to", "body", "code", "purpose", "locale", "email")

#: A message that no key opens waits an eighth of its age, but at least LEAST and at most MOST seconds. So
#: even many of them do not keep workers busy.
PART_OF_AGE, LEAST, MOST = 1 / 8, 2.0, 300.0


def deliver(message_id: str, queues: Sequence[str] = (), cell: int = cells.HUB) -> Message | None:
    """Run one attempt for ``message_id`` or, if that cannot be claimed, for the earliest due message of
    ``queues`` in ``cell``; see ``store.claim``.

    Returns the message. None: this worker has nothing more to do.
    """
    known = registry.aliases()
    Alias.wait_for_slot(known.values())
    claim = store.claim(message_id, queues, {name: alias.able for name, alias in known.items()}, cell)
    if claim.left_out:
        health.tell_left_out(claim.left_out, "", "worker_died")
    if claim.verdict == "gone":  # another installation shares the broker, or Redis was emptied
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
    """One claim: ask the aliases of the route in turn until one settles it."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.message = attempt.message
        self.content = {"to": "", "body": ""}
        self.hops: tuple[str, ...] = ()  # the aliases of the route, in the order they are asked
        self.begun = time.monotonic()
        self.failed: dict[str, float] = {}  # aliases not to be asked again now, with Retry-After (0: none)
        self.full: set[str] = set()  # aliases whose last slot another thread took
        self.ended: list[Ended] = []  # calls that have ended, not yet reported to Redis
        self.error = ""
        self.calls = 0  # to providers, in this run

    @property
    def remaining(self) -> float:
        return self.begun + self.attempt.remaining - time.monotonic()

    def go(self) -> bool:
        """Ask the aliases in turn, and record the outcome in any case.

        Returns False if this worker cannot open the message. It should not take another due one either.
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
        except ImproperlyConfigured:  # perhaps only in this worker; no provider has the message
            self.not_called(chosen)
            self.choose(())  # only to note that no call was made, so that a sweep can bring the message back
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
        """Choose the next alias. None: the message is not to be sent, no slot is free, or Redis is away."""
        known = {name: alias for name, alias in registry.aliases().items() if name in hops}
        try:
            chosen = self.ask(known, hops)
            if chosen is None:  # Redis has the result of the last call. Now wait for a slot and ask again.
                Alias.wait_for_slot([known[name] for name in hops if name not in {*self.failed, *self.full}])
                chosen = self.ask(known, hops)
        except Unavailable:
            return None
        return chosen

    def ask(self, known: Mapping[str, Alias], hops: Sequence[str], *, unknown: bool = False) -> Chosen | None:
        """Tell Redis how the last call ended, and let it choose the next alias. Raises ``Unavailable``.

        ``unknown``: the last call may have worked. This thread still holds its slot, and that counts as free.
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
                # If ``unknown``, the slot of this thread counts as free. An alias in ``full`` has none.
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

        ``repeats``: how many more times to ask it if the outcome is unknown.
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
            # The vendor did not take this repeat, but may have taken an earlier call.
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
        """The URL at which the vendor asks for the code; "" if it does not ask."""
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
            self.wait(SOON)  # this process ran out of something; ``sms.consumer`` ends it
        elif isinstance(error, AccountFailure):
            why = error.code or "account"
            self.fail(bad._replace(outcome="account", here=error.here, at_once=True, error=why))
            return False
        else:
            return self.refused(alias, bad, error)
        return True

    def refused(self, alias: Alias, bad: Ended, error: ProviderError) -> bool:
        """This channel does not reach the number. True if the route has no other."""
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
        """The vendor may have taken it. If it de-duplicates, ask it again at once."""
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
        """Note that the alias definitely did not take it."""
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
        # The shortest Retry-After counts, so that no alias waits for another.
        delay = max(ROUNDS[rounds], min(self.failed.values())) if rounds < len(ROUNDS) else None
        if delay is not None and delay < self.remaining:
            self.record(State.QUEUED, "round_over", retry_in=delay, error=self.error)
        else:
            self.record(State.FAILED, "dead_letter", error=self.error, fault="no_provider")

    def leave_unopened(self) -> None:
        """Leave a message that no key opens. It may be another installation's, or sealed with a key that this
        worker has no more, or not yet.
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
        """Record the outcome, and schedule the next try if it is soon; see ``outcome.record``."""
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
