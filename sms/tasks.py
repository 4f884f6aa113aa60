"""The Celery tasks: an id in, one call, no rule inside.

They keep no result and are acknowledged early: the lease in Redis, not the broker, remembers what
is unfinished, so that a task may be lost or run twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

import structlog
from celery import current_app, shared_task, signals

from sms import broker, names, registry, store, sweeper
from sms.checks import place
from sms.delivery import drain
from sms.errors import Unavailable

log = structlog.get_logger("sms")

#: What ``sms.services.new_id`` makes. Anything else, a number among it, must not reach a log line.
_ID = re.compile(r"[\w-]{22}", re.ASCII)


def _takes(*right: Callable[[Any], object]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call the task only with arguments that are right; anybody may have put it into the queue."""

    def checked(run: Callable[..., None]) -> Callable[..., None]:
        @wraps(run)
        def task(*args: Any, **kwargs: Any) -> None:
            if (
                kwargs
                or len(args) != len(right)
                or not all(is_(arg) for is_, arg in zip(right, args, strict=True))
            ):
                log.error("entry_dropped", error="arguments")
            else:
                run(*args)

        return task

    return checked


def _id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _queue(value: object) -> bool:
    return isinstance(value, str) and value in store.QUEUES


def _time(value: object) -> bool:
    return type(value) is int


@signals.celeryd_after_setup.connect
def _know_concurrency(instance: Any, **_: Any) -> None:
    registry.work_with(instance.concurrency)  # -c counts, not only the setting


@signals.worker_ready.connect
def _look_around(**_: Any) -> None:
    """Drain from now on, and tell at once whose place this is: not every project runs ``check --deploy``."""
    consumed = current_app.amqp.queues.consume_from
    drain.begin([queue for queue in store.QUEUES if names.queue(queue) in consumed])
    place.leave_mark()
    with suppress(Unavailable):
        store.worker_started()
    for warning in place.nothing_was_left_behind():
        log.error("messages_left_behind", hint=warning.msg)


@signals.worker_shutting_down.connect
def _stop(**_: Any) -> None:
    drain.stop()


@signals.celeryd_init.connect
def _know_queues(instance: Any, **_: Any) -> None:
    """Let ``-Q otp,bulk`` mean the queues of this installation, whatever its namespace."""
    queues = instance.app.amqp.queues
    for name in store.QUEUES:
        if names.queue(name) != name:
            queue = queues.new_missing(names.queue(name))
            queue.alias = name
            queues.add(queue)


@signals.beat_init.connect
def _connect_often(sender: Any, **_: Any) -> None:
    broker.connect_often(sender.scheduler.connection)


@shared_task(name=broker.DELIVER, ignore_result=True)
@_takes(_id)
def deliver(message_id: str) -> None:
    """One attempt for one message, and for what else is due."""
    drain.drain(message_id)


@shared_task(name="sms.sweep", base=sweeper.SweepTask, ignore_result=True)
@_takes(_queue, _time)
def sweep(queue: str, cutoff: int) -> None:
    """Wake somebody for what was due in ``queue`` before ``cutoff`` (ms, the Redis server's clock)."""
    sweeper.sweep(queue, cutoff)
