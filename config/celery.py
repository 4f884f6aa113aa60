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
if _command and _command.invoked_subcommand in (
    "worker",
    "beat",
):  # only people run the others
    stderr.begin()


class _Settings:
    """The ``CELERY_*`` settings without that prefix.

    Celery gets no others, because `inspect conf` shows all that it has. Under these names it masks the
    passwords in URLs.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(settings, f"CELERY_{name.upper()}")

    def __dir__(self) -> list[str]:
        return [name.removeprefix("CELERY_").lower() for name in dir(settings) if name.startswith("CELERY_")]


class _Celery(Celery):
    """Celery with the worker and the beat of ``config.programs``, which only those two commands import."""

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
    # A receiver of this signal keeps Celery from replacing Django's logging with its own.
    logging.config.dictConfig(settings.LOGGING)


@app.on_configure.connect
def _read_settings(**_: Any) -> None:
    with plainly():  # Celery may be the first to load the settings
        _any = settings.INSTALLED_APPS


@signals.worker_ready.connect
def _let_threads_run(**_: Any) -> None:
    """Keep the thread that reads the queue from waiting for all others.

    Python switches threads every 5 ms. In `make bench ARGS=--quick` at 70 % load, half of the messages then
    took over 60 ms to the provider. With 1 ms they took under 4 ms, at no measurable cost in throughput.

    The garbage collector stops all threads. To go through everything that a worker has loaded takes it 90 ms.
    At 332 messages a second, its small collections took over 5 ms a dozen times in 14 s. With this threshold
    they do so twice.
    """
    from sms import registry

    sys.setswitchinterval(0.001)
    registry.providers()  # load the vendors' SDKs before gc.freeze, since they are large
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


@signals.worker_init.connect
@signals.beat_init.connect
def _check(**_: Any) -> None:
    """Refuse to start with settings or servers that cannot work."""
    from sms.checks import SERVERS

    with plainly():  # Celery would log any other exception and carry on
        check()
        check(tags=[SERVERS], include_deployment_checks=True)
