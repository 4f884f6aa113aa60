"""How many queue entries are worth having: each wakes a task, and a task drains what is due."""

from __future__ import annotations

from sms import broker, names

#: Entries of one queue that keep every slot of every worker busy: a worker takes two for each slot, one to
#: run and one to have at hand, and is back for more within the time that one drains.
ENOUGH = 200


def room(queue: str) -> int | None:
    """How many more entries are of use; None where the broker is not asked, as with RabbitMQ: there every
    message has its own. 0 if the broker is away.
    """
    try:
        with broker.producer() as found:
            client = getattr(found.channel, "client", None) if found else None
            if client is None:
                return None
            prefix = getattr(found.channel, "global_keyprefix", None) or ""
            return max(ENOUGH - int(client.llen(prefix + names.queue(queue))), 0)
    except broker.AWAY:
        return 0
