"""A Celery consumer that comes back quickly after any fault: ``CELERY_WORKER_CONSUMER`` names it.

- It retries the broker every second. Celery's own waits 2, 4, 6 … 30 s.
- It drops entries that are not tasks, and logs that without their content. Celery's own ends, or logs all of
  the content.
- If threads, descriptors or memory run out, it logs that and ends, so that its supervisor can restart it.
  Celery's own would live on and send nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from queue import Empty
from typing import Any

import structlog
from celery import signals
from celery.exceptions import WorkerShutdown
from celery.worker import consumer
from django.core.exceptions import ImproperlyConfigured
from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from sms import broker_connections, resources
from sms.delivery import drain

log = structlog.get_logger("sms")

#: Seconds between two checks that threads and descriptors are left.
LOOK = 1.0

_theirs: Any = consumer.Consumer


class Consumer(_theirs):  # type: ignore[misc]  # Celery has no type for it
    """See the module. Everything else is unchanged, so a project's own tasks run as before."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            resources.require_descriptors(kwargs["pool"].limit)
        except ImproperlyConfigured as error:
            raise SystemExit(str(error)) from None
        super().__init__(*args, **kwargs)

    def ensure_connected(self, conn: Any) -> Any:
        broker_connections.connect_often(conn)
        connect, transport = conn.ensure_connection, conn.get_transport_cls

        def connect_while_it_can(errback: Any, max_retries: int | None, callback: Callable[[], None]) -> Any:
            def on_try() -> None:
                self.look()
                callback()

            return connect(errback, max_retries, callback=on_try)

        conn.ensure_connection = connect_while_it_can
        conn.get_transport_cls = lambda: _tolerant(transport())
        return super().ensure_connected(conn)

    def register_with_event_loop(self, hub: Any) -> None:
        super().register_with_event_loop(hub)
        hub.call_repeatedly(LOOK, self.look)

    def look(self) -> None:
        """End the worker if it has run out of threads or descriptors."""
        try:
            resources.probe()
        except Exception as error:
            self.give_up(error)

    def give_up(self, error: BaseException) -> None:
        """End the worker if ``error`` means that a resource ran out. It finishes its current tasks first."""
        if reason := resources.ran_out(error):
            log.critical("worker_gives_up", reason=reason)
            raise WorkerShutdown(1) from error

    def stop(self) -> None:
        drain.stop()  # the worker waits for its tasks, which would otherwise go on while messages are due
        super().stop()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> None:
            try:
                handle(message)
            except Exception as error:
                self.give_up(error)
                if _is_the_brokers(error, self.connection_errors):
                    raise
                self.drop(message, error)  # the fault is in the message

        return on_task_received

    def drop(self, message: Any, error: object) -> None:
        """Remove ``message`` from its queue, and log that without its content."""
        tell(error)
        if not message.acknowledged:
            message.reject_log_error(log, self.connection_errors)
        signals.task_rejected.send(sender=self, message=message, exc=error)

    # Celery's own handlers log the content of a message, and fail if it lacks a header.

    def on_unknown_message(self, body: Any, message: Any) -> None:
        self.drop(message, "no task")

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        self.drop(message, "unknown task")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self.drop(message, exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self.drop(message, exc)


def tell(error: object) -> None:
    """Log that an entry was dropped."""
    log.error("entry_dropped", error=error if isinstance(error, str) else type(error).__name__)


def _is_the_brokers(error: Exception, errors: tuple[type[Exception], ...]) -> bool:
    # kombu's list has KeyError, for a closed socket. Here a KeyError means a missing header.
    return isinstance(error, errors) and not isinstance(error, KeyError)


@cache
def _tolerant(transport: Any) -> Any:
    """kombu's transport for Redis, with channels that drop invalid messages. Other transports stay."""
    if not issubclass(transport, redis.Transport):
        return transport

    class Channel(transport.Channel):  # type: ignore[misc]  # kombu has no type for it
        def _brpop_read(self, **options: Any) -> Any:
            return self._drop_what_fails(super()._brpop_read, **options)

        def _receive(self) -> Any:
            return self._drop_what_fails(super()._receive)

        def _handle_message(self, client: Any, r: Any) -> Any:
            found = super()._handle_message(client, r)
            if bytes_to_str(found["type"]).endswith("message") and found["data"]:
                loads(bytes_to_str(found["data"]))  # kombu itself would log invalid data in a warning
            return found

        def _drop_what_fails(self, read: Callable[..., Any], **options: Any) -> Any:
            try:
                return read(**options)
            except Empty:
                raise
            except Exception as error:
                if _is_the_brokers(error, (*self.connection_errors, *self.connection.channel_errors)):
                    raise
                tell(error)  # the entry has already left its queue
                return True

    return type(transport.__name__, (transport,), {"Channel": Channel})
