"""Celery's side of the pipeline: is the broker there, and put a message's id into its queue."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import celery
import structlog
from amqp.exceptions import AccessRefused, AMQPError, MessageNacked, NotAllowed
from django.core.exceptions import ImproperlyConfigured
from kombu.exceptions import LimitExceeded, OperationalError
from redis.exceptions import RedisError, ResponseError

from sms import away, names, store
from sms.errors import Unavailable

log = structlog.get_logger("sms")

#: The task's name; the task itself stands above this module and is loaded by the app's config.
DELIVER = "sms.deliver"
FOLLOW_UP = "sms.follow_up"
SWEEP = "sms.sweep"

#: What publishing raises when the broker is away: kombu wraps most of it, but not all.
AWAY = (OperationalError, LimitExceeded, RedisError, AMQPError, MessageNacked, OSError)

#: Seconds between two tries of a worker or beat to reach a broker that is away. kombu's own grow to 30.
PAUSE = 1.0

#: Seconds that RabbitMQ has for each answer; Redis has what the transport options say.
PATIENCE = 1.0


#: Whether the broker took what this process asked of it last.
_reached = False

#: The queue that refused this process' last entry, "" for none. The node of that queue may still answer.
_doubted = ""

#: Held by the thread that tries that queue.
_trying = threading.Lock()


def require() -> None:
    """Raise ``Unavailable`` if the broker took nothing from this process yet, or not the last, and still does
    not. The message of an entry that it did not take stands in Redis; a sweep sends it when it is back.
    """
    if not _reached:
        ask()


def ask() -> None:
    """Raise ``Unavailable`` unless the broker takes what we would write."""
    global _reached
    with or_unavailable():
        try:
            _ask()
        except (AMQPError, OSError):
            _ask()  # that connection to RabbitMQ may have died long ago; this one is new
    _reached = True


def is_cluster() -> bool:
    """Whether the broker is a Redis Cluster, as far as it says. Raises ``Unavailable``."""
    with or_unavailable(), producer() as found, suppress(ResponseError):
        if driver(found) == "redis":
            return bool(found.channel.client.info("cluster").get("cluster_enabled"))
    return False


def reason(error: BaseException) -> str:
    """Why the broker cannot be used, as ``sms.away`` has it for Redis."""
    causes = [cause for cause in (error, error.__cause__, error.__context__) if cause is not None]
    for kind, found in ((AccessRefused, "password"), (NotAllowed, "database")):  # RabbitMQ's
        if any(isinstance(cause, kind) for cause in causes):
            return found
    return next(filter(None, map(away.reason, reversed(causes))), "away")


@contextmanager
def or_unavailable() -> Iterator[None]:
    """Raise ``Unavailable`` for what the broker raises when it cannot be used."""
    try:
        yield
    except AWAY as error:
        found = reason(error)
        raise Unavailable(f"The broker {away.REASONS[found]}.", reason=found) from error


def publish(message_id: str, queue: str) -> bool:
    """Enqueue ``deliver(message_id)``. False if the broker is away: a sweep does it later."""
    return _publish(DELIVER, (message_id,), queue, message_id=message_id)


def follow_up(kind: str, alias: str, queue: str) -> bool:
    """Enqueue ``sms.delivery.follow_up.run(kind, alias)``. False if the broker is away."""
    return _publish(FOLLOW_UP, (kind, alias), queue, alias=alias)


def _publish(task: str, args: tuple[str, ...], queue: str, **told: str) -> bool:
    global _reached, _doubted
    for is_last in (False, True):  # the first connection may have died long ago; a second entry does no harm
        try:
            with producer() as found:
                celery.current_app.tasks[task].apply_async(args, queue=names.queue(queue), producer=found)
            _reached, _doubted = True, ""
            return True
        except AWAY as error:
            if is_last:
                kind = type(error).__name__
                log.warning("publish_failed", queue=queue, error=kind, **told)
    _reached, _doubted = False, queue
    return False


def connect_often(connection: Any) -> None:
    """Let ``connection`` of kombu's be tried every PAUSE where it is to be opened however long that takes."""
    connection.ensure_connection = partial(
        connection.ensure_connection, interval_start=PAUSE, interval_step=0, interval_max=PAUSE
    )


@contextmanager
def producer() -> Iterator[Any]:
    """One of the pool's producers, connected; None where tasks run at once. Raises one of ``AWAY``."""
    app = celery.current_app
    if app.conf.task_always_eager:
        yield None
        return
    with ExitStack() as stack:
        with readable():
            found = stack.enter_context(app.producer_pool.acquire(block=True, timeout=1))
        connection: Any = found.connection
        try:
            with readable():
                hurry(connection)
            yield found
        except BaseException:
            if connection.transport.driver_type == "amqp":
                # The pool would say goodbye, and wait for an answer of what does not answer.
                connection.collect()
            raise


@contextmanager
def readable() -> Iterator[None]:
    """kombu reads the URL when it first needs it, and its errors may quote a password."""
    try:
        yield
    except (KeyError, TypeError, ValueError, ImportError):  # ImportError: of what a transport needs besides
        raise ImproperlyConfigured(
            "CELERY_BROKER_URL cannot be read. It must look like redis://:password@host:6379/0, "
            "redis+socket:///run/redis.sock or amqp://user:password@host/vhost "
            "(/ # ? @ ; [ in a password are written %2F %23 %3F %40 %3B %5B)."
        ) from None


def hurry(connection: Any) -> None:
    """Open a connection of kombu's and let RabbitMQ not take longer than PATIENCE for an answer."""
    _ = connection.default_channel
    if connection.transport.driver_type == "amqp":
        # Neither py-amqp's read_timeout nor a confirm_timeout covers what else it waits for.
        connection.connection.sock.settimeout(PATIENCE)


def _ask() -> None:
    with producer() as found:
        if driver(found) == "amqp":
            found.channel.confirm_select()  # publishing asks for it anyway
            if _doubted:
                _try(_doubted, found)
        elif driver(found) == "redis":
            # Other transports notice a dead broker by themselves. A write that changes nothing is better than
            # a PING: it also shows whether we may write to the queue, and whether the server accepts writes.
            # Unlike other commands, this one gets no prefix from kombu.
            prefix = getattr(found.channel, "global_keyprefix", None) or ""
            found.channel.client.ltrim(prefix + names.queue(store.OTP_QUEUE), 0, -1)


def _try(queue: str, producer: Any) -> None:
    """Raise ``Unavailable`` unless RabbitMQ confirms an entry, a sweep of what was due before 1970.

    No question tells whether a queue has a leader.
    """
    global _doubted
    fault = Unavailable(f"The broker {away.REASONS['no_leader']}.", reason="no_leader")
    if not _trying.acquire(blocking=False):
        raise fault  # one thread waits for the answer, not all
    try:
        celery.current_app.send_task(
            SWEEP, (queue, 0), queue=names.queue(queue), producer=producer, ignore_result=True
        )
    except AWAY:
        raise fault from None
    finally:
        _trying.release()
    _doubted = ""


def driver(producer: Any) -> str:
    """What a producer's connection speaks: redis, amqp, …; "" where tasks run at once."""
    return str(producer.connection.transport.driver_type) if producer else ""
