"""Connections to the broker, as kombu makes them, and what their errors mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import celery
from amqp.exceptions import AccessRefused, AMQPError, MessageNacked, NotAllowed
from django.core.exceptions import ImproperlyConfigured
from kombu.exceptions import LimitExceeded, OperationalError
from redis.exceptions import RedisError

from sms import away
from sms.errors import Unavailable

#: The exceptions of publishing when the broker is away. kombu wraps most of it, but not all.
AWAY = (OperationalError, LimitExceeded, RedisError, AMQPError, MessageNacked, OSError)

#: Seconds between a worker's or beat's tries to reach the broker. kombu's own intervals grow to 30.
PAUSE = 1.0

#: Seconds that RabbitMQ has for each answer. For Redis, the transport options decide.
PATIENCE = 1.0

#: Transport options that say how kombu tries again to connect.
_RETRIES = ("max_retries", "interval_start", "interval_step", "interval_max", "callback")


@contextmanager
def producer() -> Iterator[Any]:
    """A connected producer of the pool; None if tasks run eagerly. Raises one of ``AWAY``."""
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
                # Closing properly would wait for an answer from a broker that does not answer.
                connection.collect()
            raise


def driver(producer: Any) -> str:
    """The protocol of a producer's connection: redis, amqp, …; "" if tasks run eagerly."""
    return str(producer.connection.transport.driver_type) if producer else ""


@contextmanager
def readable() -> Iterator[None]:
    """Hide errors of kombu, which parses the URL when it first needs it: they may quote a password."""
    try:
        yield
    except (KeyError, TypeError, ValueError, ImportError):  # ImportError: a package that the transport needs
        raise ImproperlyConfigured(
            "CELERY_BROKER_URL cannot be read. It must look like redis://:password@host:6379/0, "
            "redis+socket:///run/redis.sock or amqp://user:password@host/vhost "
            "(/ # ? @ ; [ in a password are written %2F %23 %3F %40 %3B %5B)."
        ) from None


def hurry(connection: Any) -> None:
    """Open a connection of kombu's. RabbitMQ gets PATIENCE for each answer.

    kombu raises the error of the last node that it tried. If that says only "away" and another node's error
    says more, the latter becomes its cause, where ``reason`` finds it.
    """
    options = connection.transport_options
    failures: list[Exception] = []

    def note(error: Exception, interval: float) -> None:
        failures.append(error)
        if theirs := options.get("errback"):
            theirs(error, interval)

    try:
        connection.ensure_connection(
            errback=note,
            timeout=options.get("connect_retries_timeout", connection.connect_timeout),
            **{name: options[name] for name in _RETRIES if name in options},
        )
        if connection.transport.driver_type == "amqp":
            # Neither py-amqp's read_timeout nor a confirm_timeout covers what else it waits for.
            connection.connection.sock.settimeout(PATIENCE)
        _ = connection.default_channel
    except AWAY as error:
        telling = [one for one in failures if reason(one) != "away"]
        if telling and reason(error) == "away":
            raise error from telling[0]
        raise


def connect_often(connection: Any) -> None:
    """Make a kombu connection retry every PAUSE seconds, for as long as it takes to open."""
    connection.ensure_connection = partial(
        connection.ensure_connection, interval_start=PAUSE, interval_step=0, interval_max=PAUSE
    )


def reason(error: BaseException) -> str:
    """Why the broker cannot be used, as ``sms.away`` has it for Redis."""
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    for kind, found in ((AccessRefused, "password"), (NotAllowed, "database")):  # RabbitMQ's
        if any(isinstance(cause, kind) for cause in causes):
            return found
    return next(filter(None, map(away.reason, reversed(causes))), "away")


@contextmanager
def or_unavailable() -> Iterator[None]:
    """Raise ``Unavailable`` for the exceptions of a broker that cannot be used."""
    try:
        yield
    except AWAY as error:
        found = reason(error)
        raise Unavailable(f"The broker {away.REASONS[found]}.", reason=found) from error
