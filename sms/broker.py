"""Celery's side of the pipeline: is the broker there, and put a message's id into its queue."""

from __future__ import annotations

import celery
import structlog
from kombu.exceptions import LimitExceeded, OperationalError
from redis.exceptions import RedisError

from sms.errors import Unavailable

log = structlog.get_logger("sms")

#: The task's name; the task itself stands above this module and is loaded by the app's config.
DELIVER = "sms.deliver"

#: What publishing raises when the broker is away: kombu wraps most of it, but not all.
AWAY = (OperationalError, LimitExceeded, RedisError, OSError)


def require() -> None:
    """Raise ``Unavailable`` unless the broker answers; asked before anything is written."""
    app = celery.current_app
    if app.conf.task_always_eager:
        return
    try:
        with app.producer_pool.acquire(block=True, timeout=1) as producer:
            client = getattr(producer.channel, "client", None)
            if client is not None:  # other transports notice a dead broker by themselves
                client.ping()
    except AWAY as error:
        raise Unavailable("The broker does not answer.") from error


def publish(message_id: str, queue: str) -> bool:
    """Enqueue ``deliver(message_id)``. False if the broker is away: a sweep does it later."""
    try:
        celery.current_app.tasks[DELIVER].apply_async((message_id,), queue=queue)
    except AWAY as error:
        log.warning("publish_failed", message_id=message_id, queue=queue, error=type(error).__name__)
        return False
    return True
