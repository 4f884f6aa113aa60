"""The Celery application: ``celery -A config worker -Q otp,bulk`` and ``celery -A config beat``."""

from __future__ import annotations

import logging.config
import os
import sys
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("otpost")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.setup_logging.connect
def _logging(**_: Any) -> None:
    # Being connected keeps Celery from laying its own logging over Django's.
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@signals.worker_init.connect
def _short_turns(**_: Any) -> None:
    """Let threads take shorter turns than Python's 5 ms.

    A worker's hundred threads mostly wait; the one that reads the queue must not wait for each that
    does not. `make bench ARGS=--quick` at 70 % load, single runs on a noisy machine: with 5 ms half the
    messages took over 60 ms to the provider (3 of 3 runs), with 1 ms under 4 (3 of 3). What it costs
    in throughput was smaller than what the machine varied by.
    """
    sys.setswitchinterval(0.001)


@signals.worker_init.connect
@signals.beat_init.connect
def _check(**_: Any) -> None:
    """Refuse to start on settings that cannot work; ``manage.py`` does so by itself."""
    from django.core.management.base import BaseCommand, SystemCheckError

    try:
        BaseCommand().check()
    except SystemCheckError as error:
        raise SystemExit(str(error)) from None  # Celery would log any other exception and go on
