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
    worker died in it    the lease runs out, a sweep brings the          counts
                         message back, then as unknown, at once
    receipt: undelivered a live code goes to the next alias, once;       counts in its country; left
                         where its route has no other, and any other     out there only while another
                         message, ends as ``failed``                     of the route is well
    no key opens it      waits for a worker that has the key, see        –
                         ``sms.delivery.unopened``

"Once" is once in all: a code that an alias may have, or could not deliver, is handed over one more time,
and to that alias only if its outcome is unknown and its route has no other. All aliases failed: again
after ROUNDS seconds (without that alias) while the message lives, then ``failed`` and a dead letter, or
``unknown`` if one may have it. Over a rate or out of slots the message waits for its turn, which is no
failure. A code that a receipt called undelivered and that died before the next alias had it: ``failed``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured

from sms import conf, receipts, routing, store
from sms.delivery import health, outcome, resources, turns, unopened
from sms.delivery.handover import hand_over
from sms.delivery.health import Choice
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
from sms.message import Attempt, Message, State
from sms.providers.base import Sms
from sms.registry import aliases
from sms.routing import Hop
from sms.seal import Unsealable, unseal

log = structlog.get_logger("sms")

#: Seconds to wait after the first, second and third round. A code lives 120 s by default.
ROUNDS = (3.0, 10.0, 20.0)

#: Seconds after which a message for which no alias has a slot or is healthy looks again.
SOON = 1.0

#: Seconds before its turn that what waits for longer than PUNCTUAL comes back.
BEFORE_TURN = 2.0

#: Waits of up to so many seconds end at the millisecond, by ``turns``; sweeps travel behind the queue.
PUNCTUAL = 5.0

ONE_CALL = 25.0  # seconds of a lease; with less left it is renewed before the next alias


def deliver(message_id: str, queues: Sequence[str] = ()) -> Message | None:
    """Run one attempt for ``message_id``, or else for what is due in ``queues``; see ``store.claim``.

    Returns the message that it was about; None if there is nothing more to do for this worker.
    """
    claim = health.claim(message_id, queues)
    if claim.died_in:
        health.failed(claim.died_in, error="worker_died")
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
        self.begun = self.leased = time.monotonic()
        self.failed: set[str] = set()  # aliases that have refused or were not reached in this run
        self.full: set[str] = set()  # aliases whose last slot another thread took first
        self.turn = attempt.turn
        self.chosen = attempt.chosen
        self.error = ""
        self.holds: list[float] = []  # the Retry-After of each that failed, 0 if it named none

    @property
    def remaining(self) -> float:
        return self.begun + self.attempt.remaining - time.monotonic()

    def go(self) -> bool:
        """Ask one alias after the other; always ends with a record of what came of it. False if this worker
        cannot open the message: those that can shall have the next one too.
        """
        try:
            self.content = unseal(self.attempt.sealed)
            route = routing.find(self.message.country, self.content["to"])
        except Unsealable:
            self.choose_again()
            unopened.give_back(self.attempt, punctual=PUNCTUAL)
            return False
        except ImproperlyConfigured:  # of this worker alone, maybe: nobody has the message
            store.renew(self.message.id, self.attempt.number)
            raise
        except NoRoute:
            self.choose_again()
            self.record(State.FAILED, error="no_route")
            return True
        drawn = routing.drawn(route, self.attempt.hops)
        if drawn is None:  # the claim chose by another route
            self.choose_again()
        hops = drawn or routing.order(route)
        # The alias that may have the message already comes only where the route has no other.
        others = [hop for hop in hops if hop.alias != self.attempt.avoid] or hops
        # It has waited for this one, which those before it may not outdo by failing once more.
        self.hops = sorted(others, key=lambda hop: hop.alias != self.turn)
        while (chosen := self.choose()) is not None:
            hop, alias, probe = chosen
            sms = Sms(
                id=self.message.id,
                to=self.content["to"],
                body=self.content["body"],
                expires_in=self.remaining,
                callback_url=receipts.address(hop.alias, self.message.id),
                sender=hop.sender,
            )
            with alias.slot() as held:
                if held and self.call(alias, sms, probe=probe):
                    return True
            if not held:
                self.full.add(hop.alias)
                if probe:
                    health.not_probed(hop.alias, self.message.country)
        return True

    def choose_again(self) -> None:
        """Forget what the claim chose."""
        if self.chosen is not None and self.chosen.probe:
            health.not_probed(self.chosen.alias, self.message.country)
        self.chosen = None

    def choose(self) -> tuple[Hop, Alias, bool] | None:
        """Whom to ask now, and whether that is a probe; None: the run is over and recorded."""
        if self.failed and not self.keeps_lease():
            self.wait(SOON)
            return None
        left = [hop for hop in self.hops if hop.alias not in self.failed]
        known = aliases()
        chosen, self.chosen = self.chosen, None
        if chosen is not None:
            ready = {hop.alias: hop for hop in left}
            choice: Choice | None = Choice(known.get(chosen.alias), chosen.wait, chosen.probe)
        else:
            wanted = [hop for hop in left if hop.alias not in self.full]
            if wanted:
                Alias.wait_for_slot([known[hop.alias] for hop in wanted])
            ready = {hop.alias: hop for hop in wanted if known[hop.alias].has_slot}
            # What waits for a slot waits for a worker, which whoever comes next would do as well.
            held = len(ready) == len(left)
            choice = self.ask([known[name] for name in ready], held=held) if ready else Choice(None)
        if choice is None:
            self.wait(SOON, turn=self.turn)  # nothing is in a provider's hands
        elif choice.alias is not None and not choice.wait:
            if choice.alias.name == self.turn:
                self.turn = ""
            return ready[choice.alias.name], choice.alias, choice.probe
        elif choice.alias is not None:
            early = BEFORE_TURN if choice.wait > PUNCTUAL else 0.0
            self.wait(choice.wait - early, turn=choice.alias.name)
        elif not left or (self.failed and ready):
            self.round_is_over()  # some have failed, and the others may not be asked now
        else:
            self.wait(max(choice.wait, SOON), turn=self.turn)
        return None

    def ask(self, ready: list[Alias], *, held: bool) -> Choice | None:
        """Which of these may be called now; None if Redis is away. ``held``: it waits for them alone."""
        try:
            return health.choose(
                self.message.id,
                ready,
                self.message.country,
                self.content["body"],
                attempt=self.attempt.number,
                turn=self.turn,
                patience=self.remaining,
                queue=self.message.queue,
                held=held,
            )
        except Unavailable:
            return None

    def call(self, alias: Alias, sms: Sms, *, probe: bool) -> bool:
        """Ask one alias; True if that settles this run."""
        started = time.monotonic()
        country = self.message.country
        probed = country if probe else None
        refused = (self.message.id, self.attempt.number)
        try:
            provider_message_id = hand_over(alias.provider, sms)
        except TemporaryFailure as error:
            if resources.ran_out(error):  # the fault of this process, which ``sms.consumer`` ends
                self.wait(SOON)
                return True
            self.error = error.code or "temporary"
            hold = error.retry_after or 0.0
            self.holds.append(hold)
            health.failed(alias.name, hold=hold, error=self.error, probed=probed, refused=refused)
        except AccountFailure as error:
            self.error = error.code or "account"
            self.holds.append(0.0)
            where = country if error.here else ""
            health.failed(alias.name, where, at_once=True, error=self.error, probed=probed, refused=refused)
        except PermanentFailure as error:
            calls = health.succeeded(alias.name, country, probe=probe)
            self.record(State.FAILED, calls=calls, alias=alias.name, error=error.code or "permanent")
            return True
        except OutcomeUnknown as error:
            why = error.code or "unknown"
            wait = conf.get("SMS_RECEIPT_WAIT")
            again = self.attempt.resend_unknown and wait < self.remaining
            self.record(
                State.QUEUED if again else State.UNKNOWN,
                retry_in=wait if again else None,
                unknown=True,
                calls=(health.Ended(alias.name, bad=True, error=why, probed=probed),),
                alias=alias.name,
                avoid=alias.name,
                error=why,
            )
            return True
        else:
            calls = health.succeeded(alias.name, country, probe=probe)
            self.record(
                State.SENT,
                calls=calls,
                alias=alias.name,
                provider_message_id=provider_message_id,
                error="",
                took_ms=round((time.monotonic() - started) * 1000),
            )
            return True
        log.info("alias_failed", message_id=self.message.id, alias=alias.name, error=self.error)
        self.failed.add(alias.name)
        return False

    def round_is_over(self) -> None:
        """Every alias has failed: another round if there is one in time, else a dead letter."""
        rounds = self.attempt.rounds
        # One that may be asked earlier must not wait for another's Retry-After.
        delay = max(ROUNDS[rounds], min(self.holds, default=0.0)) if rounds < len(ROUNDS) else None
        if delay is not None and delay < self.remaining:
            self.record(State.QUEUED, retry_in=delay, round_over=True, error=self.error)
        else:
            self.record(State.FAILED, dead_letter=True, error=self.error)

    def wait(self, seconds: float, turn: str = "") -> None:
        """Come back later; nothing has failed."""
        self.record(State.QUEUED, retry_in=min(seconds, max(self.remaining, 0.0)), turn=turn)

    def keeps_lease(self) -> bool:
        """Whether there is time for one more call under the lease, which is renewed if needed; not
        while Redis is away.
        """
        if time.monotonic() - self.leased < store.LEASE - ONE_CALL and self.remaining > 0:
            return True
        self.leased = time.monotonic()
        try:
            return store.renew(self.message.id, self.attempt.number)
        except Unavailable:
            return False

    def record(self, target: State, *, retry_in: float | None = None, **more: Any) -> None:
        """Write the outcome down, and bring the message back where that is soon; see ``outcome.record``."""
        message = outcome.record(self.attempt, target, retry_in=retry_in, **more)
        # Without one a receipt came first, and another alias is next.
        wait = retry_in or 0.0
        if message is not None and message.state is State.QUEUED and wait <= PUNCTUAL:
            turns.publish_in(wait, message.id, message.queue)
