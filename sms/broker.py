"""The broker: check that it is there, and put a message's id into its queue."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import celery
import structlog
from amqp.exceptions import AMQPError
from hiredis import pack_command
from pydantic_core import from_json
from redis.exceptions import ResponseError

from sms import away, connections, entries, names, steps
from sms.broker_connections import AWAY, driver, or_unavailable, producer
from sms.conf import cached
from sms.errors import Unavailable

log = structlog.get_logger("sms")

#: Names of tasks; see also ``entries.DELIVER``.
FOLLOW_UP = "sms.follow_up"
SWEEP = "sms.sweep"

#: Connections of a process to a Redis server with the queues. Each thread that publishes takes one. The pool
#: of kombu has ten, and would turn the eleventh away.
MOST = 1000

#: Whether the broker took the last entry of this process.
_reached = False

#: The queue that refused this process' last entry, "" for none. Its RabbitMQ node may still answer, so
#: only another entry shows whether the queue works again.
_doubted = ""

#: Held by the thread that tries that queue.
_trying = threading.Lock()


def require() -> None:
    """Raise ``Unavailable`` if the broker did not take this process's last entry and still cannot.

    Also checked before the first entry. A message whose entry was not taken is safe in Redis: a sweep sends
    it when the broker is back.
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
            _ask()  # that connection may have died long ago; this one is new
    _reached = True


def is_cluster() -> bool:
    """Whether the broker says that it is a Redis Cluster. Raises ``Unavailable``."""
    with or_unavailable(), producer() as found, suppress(ResponseError):
        if driver(found) == "redis":
            return bool(found.channel.client.info("cluster").get("cluster_enabled"))
    return False


def publish(message_id: str, queue: str) -> bool:
    """Enqueue ``deliver(message_id)``. False if the broker is away: a sweep enqueues it later."""
    form = entries.form(queue)
    if form is None:
        return _publish(entries.DELIVER, (message_id,), queue, message_id=message_id)
    put = _push if form.driver == "redis" else _send
    return _tried(partial(put, form, message_id), queue, message_id=message_id)


def follow_up(kind: str, alias: str, queue: str, *cell: int) -> bool:
    """Enqueue ``sms.delivery.follow_up.run(kind, alias, *cell)``. False if the broker is away."""
    return _publish(FOLLOW_UP, (kind, alias, *cell), queue, alias=alias)


def room(queue: str) -> int | None:
    """How many more entries a queue needs: 0 if the broker is away, None if it cannot be known.

    Ask before a message gets another entry, or entries would pile up with every wait.
    """
    name = names.queue(queue)
    try:
        with producer() as found:
            match driver(found):
                case "redis":
                    count = found.channel.client.llen(name)
                case "amqp":
                    count = found.channel.queue_declare(name, passive=True).message_count
                case _:
                    return None
            return max(entries.ENOUGH - int(count), 0)
    except AWAY:
        return 0


def _publish(task: str, args: tuple[str | int, ...], queue: str, **told: str) -> bool:
    def publish() -> None:
        with producer() as found:
            celery.current_app.tasks[task].apply_async(args, queue=names.queue(queue), producer=found)

    return _tried(publish, queue, **told)


def _push(form: entries.Form, message_id: str) -> None:
    """Push a prepared entry to a Redis server, for a tenth of the CPU that Celery takes."""
    words: Any = ("LPUSH", form.key, form.filled(message_id))
    with connections.of(_pool(celery.current_app), most=MOST).one() as connection:
        connection.connect()
        connection.send_packed_command((pack_command(words),))
        connection.read_response()


def _send(form: entries.Form, message_id: str) -> None:
    """Publish a prepared entry to RabbitMQ."""
    entry = from_json(form.filled(message_id))
    properties = {name: entry["properties"][name] for name in ("correlation_id", "reply_to", "delivery_mode")}
    with producer() as found:
        found.publish(
            base64.b64decode(entry["body"]),
            routing_key=form.queue,
            declare=[celery.current_app.amqp.queues[form.queue]],  # once for each connection
            headers=entry["headers"],
            content_type=entry["content-type"],
            content_encoding=entry["content-encoding"],
            priority=None,  # 0 would be a priority
            **properties,
        )


@cached  # so that the pool lives on: a connection through Sentinel asks its pool where the master is
def _pool(app: celery.Celery) -> Any:
    """kombu's pool for the server that has the queues."""
    with producer() as found:
        return found.channel.pool


def _tried(put: Callable[[], None], queue: str, **told: str) -> bool:
    global _reached, _doubted
    for is_last in (False, True):  # the first connection may have died long ago; a second entry is harmless
        try:
            put()
            _reached, _doubted = True, ""
            return True
        except AWAY as error:
            if is_last:
                kind = type(error).__name__
                log.warning("publish_failed", queue=queue, error=kind, **told)
    _reached, _doubted = False, queue
    return False


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
            found.channel.client.ltrim(prefix + names.queue(steps.OTP_QUEUE), 0, -1)


def _try(queue: str, producer: Any) -> None:
    """Raise ``Unavailable`` unless RabbitMQ confirms an entry: a sweep for messages due before 1970.

    No query tells whether a queue has a leader.
    """
    global _doubted
    fault = Unavailable(f"The broker {away.REASONS['no_leader']}.", reason="no_leader")
    if not _trying.acquire(blocking=False):
        raise fault  # only one thread waits for the answer
    try:
        celery.current_app.send_task(
            SWEEP, (queue, 0), queue=names.queue(queue), producer=producer, ignore_result=True
        )
    except AWAY:
        raise fault from None
    finally:
        _trying.release()
    _doubted = ""
