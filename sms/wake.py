"""How many queue entries are worth having: each wakes a task, and a task drains what is due.

Whoever publishes one for a message that had one before asks here. Else those that nobody has taken yet would
grow with each time that a message has to wait.
"""

from __future__ import annotations

from sms import broker, names

#: Entries of one queue with which everybody who is free, or will be in a moment, has something to do.
ENOUGH = 200


def room(queue: str) -> int | None:
    """How many more entries are of use. None: it cannot be known; 0 if the broker is away."""
    name = names.queue(queue)
    try:
        with broker.producer() as found:
            if found is None:
                return None
            kind = found.connection.transport.driver_type
            if kind == "redis":
                prefix = getattr(found.channel, "global_keyprefix", None) or ""
                count = found.channel.client.llen(prefix + name)
            elif kind == "amqp":
                count = found.channel.queue_declare(name, passive=True).message_count
            else:
                return None
            return max(ENOUGH - int(count), 0)
    except broker.AWAY:
        return 0
