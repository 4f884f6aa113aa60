"""The Celery tasks: an id in, one call, no rule inside.

They keep no result and are acknowledged early: the lease in Redis, not the broker, remembers what
is unfinished, so that a task may be lost or run twice.
"""

from __future__ import annotations

from typing import Any

from celery import shared_task, signals

from sms import broker, delivery, registry, sweeper


@signals.celeryd_after_setup.connect
def _know_concurrency(instance: Any, **_: Any) -> None:
    registry.work_with(instance.concurrency)  # -c counts, not only the setting


@shared_task(name=broker.DELIVER, ignore_result=True)
def deliver(message_id: str) -> None:
    """One attempt for one message."""
    delivery.deliver(message_id)


@shared_task(name="sms.sweep", base=sweeper.SweepTask, ignore_result=True)
def sweep(queue: str, cutoff: int) -> None:
    """Publish again what was due in ``queue`` before ``cutoff`` (ms, the Redis server's clock)."""
    sweeper.sweep(queue, cutoff)
