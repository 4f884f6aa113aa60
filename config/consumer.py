"""How a worker reads from RabbitMQ; `config.servers` names it to Celery."""

from __future__ import annotations

from typing import Any

from celery.worker import consumer

_theirs: Any = consumer.Consumer.Blueprint


class _Blueprint(_theirs):  # type: ignore[misc]  # what it is, only Celery knows
    default_steps = tuple(step for step in _theirs.default_steps if "delayed_delivery" not in step)


class Consumer(consumer.Consumer):
    """Celery's, without its queues for delayed tasks: 28 of them, and we delay none."""

    Blueprint = _Blueprint
