"""How a worker of ours reads its broker; `config.settings` names it to Celery."""

from __future__ import annotations

from typing import Any

from celery.worker.control import Panel

from sms import consumer

_Blueprint: Any = consumer.Consumer.Blueprint


class Consumer(consumer.Consumer):
    """That of ``sms`` without what workers tell each other, and without remote control but for `ping`, which
    the probes ask for: ours use none of it, but whoever may write to the broker could.
    """

    class Blueprint(_Blueprint):  # type: ignore[misc]  # what it is, only Celery knows
        # Queues for delayed tasks: 28 of them in RabbitMQ, and we delay none.
        default_steps = tuple(step for step in _Blueprint.default_steps if "delayed_delivery" not in step)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        for command in Panel.data.keys() - {"ping"}:
            del Panel.data[command]
        super().__init__(*args, **kwargs | {"without_mingle": True, "without_gossip": True})
