"""The Celery tasks: an id in, one call, no rule inside.

They keep no result and are acknowledged early: the lease in Redis, not the broker, remembers what
is unfinished, so that a task may be lost or run twice.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import structlog
from celery import current_app, shared_task, signals

from sms import (
    broker,
    broker_connections,
    cells,
    entries,
    listening,
    names,
    registry,
    steps,
    store,
    sweeper,
)
from sms import signals as facts
from sms.checks import place
from sms.delivery import drain
from sms.delivery import follow_up as following
from sms.errors import Unavailable
from sms.webhooks import sender

log = structlog.get_logger("sms")

#: The form of the ids of ``sms.ids``. Anything else may hold a phone number, and must not reach a log line.
_ID = re.compile(r"[\w-]{22}", re.ASCII)


@signals.celeryd_after_setup.connect
def _know_concurrency(instance: Any, **_: Any) -> None:
    registry.work_with(instance.concurrency)  # so that the option -c counts too


@signals.worker_ready.connect
def _look_around(**_: Any) -> None:
    """Drain from now on. Report at once if another installation uses our place in Redis: not every project
    runs ``check --deploy``.
    """
    consumed = current_app.amqp.queues.consume_from
    drain.begin(queues := [queue for queue in steps.QUEUES if names.queue(queue) in consumed])
    taken = [queue for queue in (*queues, steps.EVENTS_QUEUE) if names.queue(queue) in consumed]
    log.info("worker_started", queues=taken)
    if steps.OTP_QUEUE not in queues:
        log.warning("no_codes_here", hint="This worker sends no codes. Another one must take the queue otp.")
    place.leave_mark()
    with suppress(Unavailable):
        store.worker_started()
    listening.begin()
    sender.begin()
    for warning in place.nothing_was_left_behind():
        log.error("messages_left_behind", hint=warning.msg)


@signals.worker_shutting_down.connect
def _stop(**_: Any) -> None:
    drain.stop()
    sender.stop()


@signals.worker_shutdown.connect
def _stop_listening(**_: Any) -> None:
    """Close the connections only now, when every task has ended."""
    listening.end()


@signals.celeryd_init.connect
def _know_queues(instance: Any, **_: Any) -> None:
    """Let ``-Q otp,bulk,events`` mean the queues of this installation, whatever its namespace."""
    queues = instance.app.amqp.queues
    for name in (*steps.QUEUES, steps.EVENTS_QUEUE):
        if names.queue(name) != name:
            queue = queues.new_missing(names.queue(name))
            queue.alias = name
            queues.add(queue)


@signals.beat_init.connect
def _connect_often(sender: Any, **_: Any) -> None:
    broker_connections.connect_often(sender.scheduler.connection)
    log.info("beat_started")


@shared_task(name=entries.DELIVER, ignore_result=True)
def deliver(*args: Any, **more: Any) -> None:
    """One attempt for one message (its id), and for what else is due."""
    match args:
        case [str(message_id)] if _ID.fullmatch(message_id) and not more:
            drain.drain(message_id)
        case _:
            _drop()


@shared_task(name=broker.FOLLOW_UP, ignore_result=True)
def follow_up(*args: Any, **more: Any) -> None:
    """Make the calls of a kind (see ``sms.follow_ups.Kind``) that are due to an alias, in one cell."""
    aliases = registry.aliases()
    match args:
        case ["look_up" | "feedback" | "revoke" as kind, str(alias), *rest] if alias in aliases and not more:
            match rest:
                case [] | [int()] if all(cell in cells.every() for cell in rest):
                    following.run(kind, alias, *rest)
                case _:
                    _drop()
        case _:
            _drop()


@shared_task(name=broker.SWEEP, base=sweeper.SweepTask, ignore_result=True)
def sweep(*args: Any, **more: Any) -> None:
    """Wake workers for messages of a queue that were due before a cutoff (ms, the Redis server's clock)."""
    match args:
        case [queue, cutoff] if queue in steps.QUEUES and type(cutoff) is int and not more:
            sweeper.sweep(queue, cutoff)
            if queue == steps.OTP_QUEUE:
                following.publish_due()
            facts.swept.send_robust(sweeper.SweepTask, queue=queue)
        case [steps.EVENTS_QUEUE, cutoff] if type(cutoff) is int and not more:
            sender.wake()
        case _:
            _drop()


def _drop() -> None:
    """Log that an entry was dropped, but not its content: anybody may have put it into the queue."""
    log.error("entry_dropped", error="arguments")
