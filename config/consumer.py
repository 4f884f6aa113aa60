"""The consumer of our workers, which `config.settings` names to Celery."""

from __future__ import annotations

from typing import Any

from celery.worker.control import Panel

from sms import consumer

_Blueprint: Any = consumer.Consumer.Blueprint


class Consumer(consumer.Consumer):
    """The consumer of ``sms``, without messages between workers and without remote control.

    We do not use them, but anybody who can write to the broker could. Only `ping` stays, for the probes.
    """

    class Blueprint(_Blueprint):  # type: ignore[misc]  # Celery has no types
        # We delay no tasks. RabbitMQ would need 28 queues for them.
        default_steps = tuple(step for step in _Blueprint.default_steps if "delayed_delivery" not in step)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        for command in Panel.data.keys() - {"ping"}:
            del Panel.data[command]
        super().__init__(*args, **kwargs | {"without_mingle": True, "without_gossip": True})
