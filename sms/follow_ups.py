"""Follow-up calls in Redis: the messages about which a vendor is to be called again, by kind and alias.

``sms.store.finish`` enters a message when a provider has accepted it, ``sms.delivery.follow_up`` makes the
calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from sms import cells, hub
from sms.message import Message
from sms.names import FEEDBACK, POLLS, REVOKES, key
from sms.records import read
from sms.steps import script

#: Ask the vendor what became of the message, tell it whether the code was typed, or have it take the message
#: back.
Kind = Literal["look_up", "feedback", "revoke"]

#: Prefixes of the keys of the messages that are due, by kind; the alias is appended.
_DUE: Mapping[Kind, str] = {"look_up": POLLS, "feedback": FEEDBACK, "revoke": REVOKES}

_FOLLOW_UPS, _FOLLOW_UP = map(script, ("follow_ups", "follow_up"))


class After(NamedTuple):
    """Calls that follow a successful hand-off."""

    refers_by_own_id: bool = False  # the vendor's receipts name the message by the vendor's id
    polls: bool = False  # ask the vendor what became of it
    feedback: bool = False  # tell the vendor whether its code was typed
    revokes: bool = False  # the vendor can take it back


NOTHING = After()


class FollowUp(NamedTuple):
    """A follow-up call, after a successful hand-off."""

    message: Message
    converted: bool  # its code was typed


def due(wanted: Iterable[tuple[Kind, str, float]], most: int, cell: int) -> list[int]:
    """Count the follow-up calls in a cell that may begin now: at most ``most`` for each entry of ``wanted``.
    One round trip.

    ``wanted``: kind, alias, and the milliseconds for which a call uses up the alias's rate: 100 at a rate of
    10 a second, 0 without a rate.
    """
    lists = [
        {"due": key(_DUE[kind] + alias, cell), "alias": alias, "takes": 0 if cells.many() else takes}
        for kind, alias, takes in wanted
    ]
    return list(_FOLLOW_UPS((), (json.dumps({"wanted": lists, "most": most}),), cell))


def take(kind: Kind, alias: str, takes: float, cell: int) -> FollowUp | None:
    """Take the next follow-up call in a cell, which begins now. None if none is due or may begin.

    One round trip. With cells, an alias that has a rate takes two, or three if no call of it is due.
    """
    if cells.many() and not hub.begin_call(alias, takes):
        return None
    args = {"due": key(_DUE[kind] + alias, cell), "alias": alias, "takes": 0 if cells.many() else takes}
    args |= {"looks": kind == "look_up", "open": kind != "feedback"}
    answer = _FOLLOW_UP.ask((), args, cell)
    if cells.many() and not answer:
        hub.give_back_call(alias, takes)
    return FollowUp(read(answer["id"], answer["record"]), answer["converted"]) if answer else None
