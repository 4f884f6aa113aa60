"""Starts and checks when the phone's cell and the hub are separate: see ``sms.cells``.

A script sees either what belongs to one phone or what counts over many. So a start asks the hub first, then
the cell. If the cell refuses the start or is away, the hub undoes its counts. A check counts as a wrong guess
in the hub until the cell has compared it. If a process dies in between, the count of a start or guess
may stay although it should not. No code is lost or accepted twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from otp.errors import StoreUnavailable
from otp.steps import ask, session, unavailable
from sms import names, stand_in
from sms.cells import HUB
from sms.errors import Unavailable
from sms.scripts import server_of


def start(script: str, keys: tuple[str, ...], args: Mapping[str, Any], cell: int) -> dict[str, Any]:
    """Run start.lua or resend.lua after the hub has admitted the start. If the cell refuses the start or is
    away, the hub undoes its counts.
    """
    limits = args["limits"]
    guard, puzzle, message = (args.get(name) for name in ("guard", "puzzle", "message"))
    if not (limits or guard or puzzle or message):
        return ask(script, keys, args, cell)
    for_hub = {name: args[name] for name in ("limits", "labels", "guard", "puzzle") if name in args}
    for_cell = {name: value for name, value in args.items() if name != "puzzle"} | {"limits": []}
    if message:
        for_hub["message"] = {name: message[name] for name in ("aliases", "fields")}
    hub, admitted = _admit(for_hub)
    if "status" in admitted:
        return admitted
    for_cell["admitted"] = admitted
    if message:
        for_cell["message"] = message | {"outlook": admitted["outlook"]}
    made = False
    try:
        if stand_in.just_lost(names.cache_alias(cell)):  # waiting once more would take too long
            refusal = unavailable(Unavailable("Redis does not answer."))
            refusal.begun = False
            raise refusal
        answer = ask(script, keys, for_cell, cell)
        made = answer["status"] == "issued"
    finally:
        if not made:
            _settle(limits, hub, **_not_made(admitted, guard, puzzle))
    return answer


def _admit(args: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Run admit.lua in the hub. Returns the server that ran it, and the answer.

    The stand-in enforces no caps of the guard: nothing is verified there yet, so they would soon stop
    everybody.
    """
    for server in dict.fromkeys((stand_in.server_to_ask(), stand_in.other() or stand_in.first())):
        given = args
        if "guard" in args and server != stand_in.first():
            given = args | {"guard": args["guard"] | {"allowed": True}}
        try:
            return server, ask("admit", (), given, HUB, server)
        except StoreUnavailable as error:
            refusal = error
            if not stand_in.has_the_hub():
                break
    refusal.begun = False
    raise refusal


def _not_made(
    admitted: Mapping[str, Any], guard: Mapping[str, Any] | None, puzzle: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What the hub has counted for a start besides limits: see settle.lua."""
    found: dict[str, Any] = {}
    if guard:
        reserved = guard["reserved"] * guard["counts"]
        found["unsent"] = {"text": admitted["counted"], "at": admitted["at"], "reserved": reserved}
    if puzzle and "spent" in puzzle:
        found["puzzle"] = puzzle["spent"]
    return found


def verify(
    keys: tuple[str, ...], args: Mapping[str, Any], limits: Sequence[Mapping[str, Any]], cell: int
) -> dict[str, Any]:
    """Run verify.lua in a cell. In the hub the guess counts as wrong until the cell has compared it."""
    told = f"checks|limited||{args.get('owner', '')}"
    if limits and (refused := ask("count", (), {"limits": limits, "refused_as": told})):
        return refused | {"status": "limited"}
    hub = server_of(HUB)
    try:
        answer = ask("verify", keys, {**args, "limits": [], "hub": True}, cell)
    except StoreUnavailable:  # undo the count: these limits also apply to phones of other cells
        _settle(limits, hub)
        raise
    guessed(answer, [] if answer["status"] == "invalid" else limits, hub)
    return answer


def guessed(answer: Mapping[str, Any], forgiven: Sequence[Mapping[str, Any]] = (), hub: str = "") -> None:
    """Tell the hub, and the cell of the user's session, how a guess ended.

    ``hub``: the server that counted it.
    """
    _settle(forgiven, hub, guards=answer.get("guards", []), right=answer["status"] == "valid")
    if "session" in answer:
        with suppress(StoreUnavailable):  # the next reader of the session updates it
            session(answer["session"])


def _settle(
    limits: Sequence[Mapping[str, Any]],
    hub: str,
    *,
    guards: Sequence[str] = (),
    right: bool = False,
    **more: Any,
) -> None:
    """Settle what the hub has counted in advance, see settle.lua. ``hub``: the server that counted it.

    The phone's cell has decided, so its answer stands even if the hub is away now.
    """
    if limits or guards or more:
        args = {"limits": limits, "guards": guards, "right": right, **more}
        with suppress(StoreUnavailable):
            ask("settle", (), args, HUB, hub)
