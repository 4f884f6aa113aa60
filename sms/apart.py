"""What ``sms.store`` asks the hub and tells it, if a message is in another cell: see ``sms.cells``.

A script sees either the message or what is counted over many phones. So a step asks the hub before its own
script, or tells it afterwards. If a process dies in between, the hub may miss a call, or count one that was
never made. No message is lost or sent twice by that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from sms import hub
from sms.errors import Unavailable
from sms.message import Chosen
from sms.names import THEIRS, key
from sms.records import Choice, chosen
from sms.scripts import home
from sms.steps import script

log = structlog.get_logger("sms")

_CHOOSE, _BEGIN, _THEIRS = map(script, ("choose", "begin", "theirs"))


def to_send(args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of send.lua, with what the hub knows in place of what the script would look up."""
    message = args["message"]
    found = hub.outlook(message, args.get("marks", ()))
    more = {"message": {**message, "outlook": found["outlook"]}, "opted_out": found["opted_out"]}
    return {name: value for name, value in args.items() if name != "marks"} | more


def to_take(args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of take.lua, with whether the hub would let a call to each alias begin at once."""
    left_out = hub.left_out()
    aliases = {
        name: able | {"well": name not in left_out and not able["per_message"] and not able["per_segment"]}
        for name, able in args["aliases"].items()
    }
    return {**args, "apart": True, "aliases": aliases}


def taken(answer: Mapping[str, Any]) -> str:
    """Tell the hub what take.lua answered. Returns the alias that is left out by that, or ""."""
    record = answer.get("record", {})
    died = answer.get("died", "")
    left_out = died if died and hub.died(died, record.get("country", "")) else ""
    if record and "sealed" not in answer:
        hub.leave_line_of(answer["id"], record)  # it no longer waits for a provider's rate
    return left_out


def choose(args: Mapping[str, Any], cell: int) -> Choice:
    """Choose in three steps: the message's cell renews the lease, the hub picks, the cell notes it."""
    answer = _CHOOSE.ask((), {**args, "apart": True}, cell)
    calls = args["calls"] if answer["counted"] else ()
    record = answer.get("record")
    if not record:
        return Choice(None, hub.ended(calls))
    want = {name: args[name] for name in ("id", "hops", "parts", "failed", "aliases")}
    want |= {"record": record, "repeats": args.get("unknown", False)}
    told = hub.pick(want, calls, args.get("marks", ()))
    changed = dict(told["changed"])
    if told.get("opted_out"):
        return Choice(Chosen("", 0.0, False, True), changed)
    if "picked" not in told:
        return Choice(None, changed)
    noted: dict[str, Any] = {}
    try:
        pick = {"id": args["id"], "attempt": args["attempt"], "picked": told["picked"]}
        noted = _BEGIN.ask((), pick, cell)
    finally:
        if "chosen" not in noted:  # no call begins
            hub.give_back(told["picked"], record.get("country", ""))
    return Choice(chosen(noted), changed)


def moved(
    message_id: str, answer: Mapping[str, Any], calls: Sequence[Mapping[str, Any]], *, again: bool
) -> dict[str, int]:
    """Tell the hub how calls ended that move.lua has noted. Returns the breakers that this changed."""
    # The first try may have counted them, and its answer got lost before the hub was told.
    lost = [call for call in calls if again and not call["good"]]
    changed = hub.ended(calls if answer["counted"] else lost)
    hub.leave_line(message_id, queue=answer["record"].get("queue", ""), turn=answer.get("left", ""))
    return changed


def receipt_recorded(message_id: str, answer: Mapping[str, Any], alias: str, *, is_bad: bool) -> bool:
    """Tell the hub of a receipt that receipt.lua has recorded. Returns whether the alias is left out by that,
    in the country of the message.
    """
    record, left_out = answer["record"], False
    if answer.get("matters"):
        left_out = hub.judge_receipt(alias, record.get("country", ""), record.get("hops", ""), is_bad=is_bad)
    if answer.get("moved"):
        hub.leave_line_of(message_id, record)
    return left_out


def keep_theirs(theirs: str, message_id: str, kept: int) -> str:
    """Keep our id under the vendor's id, in the cell that ``cell_of_theirs`` names. Returns a receipt that
    overtook the answer of the call, or "".

    ``theirs``, here and below: the alias and the vendor's id, joined by a colon.
    """
    try:
        cell = cell_of_theirs(theirs)
        keys = (key(THEIRS + theirs, cell), key(f"{THEIRS}early:{theirs}", cell))
        return str(_THEIRS(keys, (message_id, kept), cell).decode())
    except Unavailable:  # the outcome is recorded, and must not wait for another cell
        log.warning("receipts_unmatched", message_id=message_id)
        return ""


def cell_of_theirs(theirs: str) -> int:
    """The cell in which our id is kept under the vendor's: a receipt that names only theirs must find it."""
    return home([theirs], lambda cell: [key(THEIRS + theirs, cell)])
