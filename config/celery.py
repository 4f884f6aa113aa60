"""The Celery application: ``celery -A config worker -Q otp,bulk,events`` and ``celery -A config beat``."""

from __future__ import annotations

import gc
import logging.config
import os
import sys
from typing import Any

import click
from celery import Celery, signals
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES
from kombu.utils.objects import cached_property

from config import stderr
from config.start import check, plainly

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

_command = click.get_current_context(silent=True)
if _command and _command.invoked_subcommand in ("worker", "beat"):  # the others are typed by people, or ask
    stderr.begin()


class _Settings:
    """Django's settings for Celery, by the names that it masks by, and no others: what it has it shows."""

    def __getattr__(self, name: str) -> Any:
        return getattr(settings, f"CELERY_{name.upper()}")

    def __dir__(self) -> list[str]:
        return [name.removeprefix("CELERY_").lower() for name in dir(settings) if name.startswith("CELERY_")]


class _Celery(Celery):
    """With the worker and the beat of ``config.programs``, which only those two commands need."""

    @cached_property
    def Worker(self) -> Any:  # noqa: N802  # Celery's name for it
        from config.programs import Worker

        return self.subclass_with_self(Worker)

    @cached_property
    def Beat(self) -> Any:  # noqa: N802  # as above
        from config.programs import Beat

        return self.subclass_with_self(Beat)


TRANSPORT_ALIASES["amqps"] = "config.servers:AmqpsTransport"
app = _Celery("otpost")
app.config_from_object(_Settings())
app.autodiscover_tasks()


@signals.setup_logging.connect
def _logging(**_: Any) -> None:
    # Being connected keeps Celery from laying its own logging over Django's.
    logging.config.dictConfig(settings.LOGGING)


@app.on_configure.connect
def _read_settings(**_: Any) -> None:
    with plainly():  # Celery may be the first to read them
        _any = settings.INSTALLED_APPS


@signals.worker_ready.connect
def _let_threads_run(**_: Any) -> None:
    """Keep the one that reads the queue from waiting for all others.

    Turns of 5 ms are Python's. `make bench ARGS=--quick` at 70 % load: with them half the messages took over
    60 ms to the provider, with 1 ms under 4; no cost in throughput was found.

    All threads wait for a search for reference cycles: 90 ms for all that a worker has loaded, and over 5 ms
    a dozen times in 14 s for the small ones, at 332 messages a second; 2 times as set here.
    """
    from sms import registry

    sys.setswitchinterval(0.001)
    registry.providers()  # the vendors' SDKs are among the largest that need no search any more
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


@signals.worker_init.connect
@signals.beat_init.connect
def _check(**_: Any) -> None:
    """Refuse to start on settings or servers that cannot work."""
    from sms.checks import SERVERS

    with plainly():  # Celery would log any other exception and go on
        check()
        check(tags=[SERVERS], include_deployment_checks=True)
