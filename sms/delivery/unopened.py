"""Messages that no seal key of this worker opens: another installation's, or of before a change of the keys.

They are not ours to end. Each goes back into its place until a worker has the key, or it expires; meanwhile
it stands among the dead letters, so that an operator sees it and can let it be tried at once.
"""

from __future__ import annotations

import json

import structlog

from sms import conf, store
from sms.delivery import turns
from sms.message import Attempt
from sms.names import DEAD, RECORD, key

log = structlog.get_logger("sms")

#: Seconds until such a message is tried again: at first, and at most.
SOON, LATE = 2.0, 300.0

#: Seconds beyond these for which it counts as no backlog: a sweep may be late.
SPARED = 10.0

_GIVE_BACK = store.script("give_back")


def give_back(attempt: Attempt, *, punctual: float) -> None:
    """Let the message wait, and say so at level error the first time. One round trip.

    ``punctual``: seconds up to which this process brings it back itself; after longer ones a sweep does.
    """
    message = attempt.message
    args = {
        "id": message.id,
        "attempt": attempt.number,
        "least": int(SOON * 1000),
        "most": int(LATE * 1000),
        "spared": int(SPARED * 1000),
        "kept": int(conf.get("MESSAGE_RECORD_HOURS") * 3_600_000),
    }
    # Not tried again if Redis is away: by then the number of this attempt may be another's. Its lease ends.
    wait, first = _GIVE_BACK((key(RECORD + message.id), key(DEAD)), (json.dumps(args),))
    if first:
        log.error("message_unsealable", message_id=message.id, queue=message.queue)
    if 0 <= wait <= punctual * 1000:
        turns.publish_in(wait / 1000, message.id, message.queue)
