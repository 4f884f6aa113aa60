"""Questions and reports to the hub, by code that handles a message in another cell: see ``sms.cells``.

Breakers, rates, their waiting lines and opt-outs are in the hub. To spare it, a worker asks only where it has
to: most aliases are healthy and have no rate, so the claim script can choose one without the hub. Each
process asks at most once a second which aliases are left out. Successful calls are collected for a second,
then reported with the next call. All others are reported at once. While the hub is away and nothing stands in
for it (see ``sms.stand_in``), codes go to the first alias of their route if that is healthy and has no rate.
Everything else waits.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sms import names, stand_in
from sms.breaker import Breaker
from sms.errors import Unavailable
from sms.scripts import client
from sms.steps import script

#: Seconds for which a process uses the last answer, and collects successful calls.
RELIED = 1.0

_LEFT_OUT, _PICK, _JUDGE_RECEIPT, _OUTLOOK, _BEGIN_CALL = map(
    script, ("left_out", "pick", "judge_receipt", "outlook", "begin_call")
)

#: The default fields of a call, see includes/count_calls.lua.
_NO_CALL = {"probe": False, "here": False, "good": 0, "bad": 0, "at_once": False, "retry_after": 0}


class _View:
    """What this process knows of the hub, and has yet to tell it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.left_out: frozenset[str] = frozenset()  # aliases
        self.read_at = -RELIED
        self.worked: Counter[str] = Counter()  # calls by alias
        self.told_at = time.monotonic()


_view = _View()


def left_out() -> frozenset[str]:
    """The aliases that are left out, in one country at least.

    As the hub said last, at most a second ago unless it is away.
    """
    if time.monotonic() - _view.read_at > RELIED:
        _view.read_at = time.monotonic()  # the other threads rely on the old view meanwhile
        with suppress(Unavailable):
            found = _LEFT_OUT((), ())
            _view.left_out = frozenset(name.decode().partition(":")[0] for name in found)
    return _view.left_out


def ended(calls: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Report how calls ended. Returns the breakers that this changed: see includes/judge_call.lua."""
    told = _to_tell(calls)
    with suppress(Unavailable):
        return dict(_ask_pick(told)["changed"]) if told else {}
    return {}


def died(alias: str, country: str) -> bool:
    """Report that a worker died during a call. Returns whether the alias is left out by that."""
    changed = ended([_NO_CALL | {"alias": alias, "country": country, "bad": 1}])
    return changed.get(alias) == 1


def pick(
    want: Mapping[str, Any], calls: Iterable[Mapping[str, Any]], marks: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Report how calls ended, and pick the alias for the next one: see pick.lua. Raises ``Unavailable``."""
    if marks and stand_in.has_the_hub():  # it would only lose what there is to tell
        raise Unavailable("Redis does not answer.")
    return _ask_pick(_to_tell(calls, at_once=True), _server_for(marks), want=want, marks=marks)


def give_back(picked: Mapping[str, Any], country: str) -> None:
    """Give up a call that was picked. If it was to be a probe, another may start."""
    if picked.get("probe"):
        ended([_NO_CALL | {"alias": picked["alias"], "country": country, "probe": True}])


def judge_receipt(alias: str, country: str, hops: str, *, is_bad: bool) -> bool:
    """Count a receipt for the breaker of its alias in one country. Returns whether this opened it."""
    args = {"alias": alias, "country": country, "hops": hops, "is_bad": is_bad}
    with suppress(Unavailable):
        return bool(_JUDGE_RECEIPT.ask((), args | {"breaker": Breaker.in_ms()})["left_out"])
    return False


def leave_line_of(message_id: str, record: Mapping[str, str]) -> None:
    """Take a settled message out of the line in which it waited."""
    leave_line(message_id, queue=record.get("queue", ""), turn=record.get("turn", ""))


def leave_line(message_id: str, *, queue: str, turn: str) -> None:
    """The same. ``turn``: the alias for which the message waited; "": for none."""
    if turn:
        with suppress(Unavailable), client() as redis:  # otherwise its place lapses
            redis.zrem(names.line(turn, queue), message_id)


def outlook(message: Mapping[str, Any], marks: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What a message must know of the hub to be accepted: see outlook.lua. Raises ``Unavailable``.

    While the stand-in has the hub, nobody can tell who has opted out. A plain message is accepted then, and
    ``pick`` lets it wait.
    """
    args = {"aliases": message["aliases"], "hops": message["fields"].get("hops", ""), "marks": marks}
    try:
        if not stand_in.has_the_hub():
            return _OUTLOOK.ask((), args, server=_server_for(marks))
    except Unavailable:
        if not stand_in.has_the_hub():
            raise
    return _OUTLOOK.ask((), args | {"marks": ()})


def begin_call(alias: str, takes: float) -> bool:
    """Let a follow-up call begin, such as one that asks a vendor about a message that it has. False if there
    is no room.

    ``takes``: ms of the alias's rate that the call uses.
    """
    return not takes or bool(_BEGIN_CALL((), (alias, takes)))


def give_back_call(alias: str, takes: float) -> None:
    """Give back the part of the rate that a follow-up call took, because it began but was not made."""
    if takes:
        with suppress(Unavailable):
            _BEGIN_CALL((), (alias, -takes))


def _ask_pick(calls: Sequence[Mapping[str, Any]], server: str = "", **more: Any) -> dict[str, Any]:
    return _PICK.ask((), {"calls": calls, "breaker": Breaker.in_ms(), **more}, server=server)


def _server_for(marks: Sequence[tuple[str, str]]) -> str:
    """The server to ask: only the first one knows who has opted out."""
    return stand_in.first() if marks else ""


def _to_tell(calls: Iterable[Mapping[str, Any]], *, at_once: bool = False) -> list[Mapping[str, Any]]:
    """What to tell the hub now: everything if a call did not simply succeed, if ``at_once``, or if a second
    has passed; else nothing.
    """
    now, others = time.monotonic(), []
    with _view.lock:
        for call in calls:
            if call["good"] and not call["probe"] and not call["retry_after"] and not call["here"]:
                _view.worked[call["alias"]] += 1
            else:
                others.append(call)
        silence = now - _view.told_at
        if silence > Breaker.configured().window:  # too old to say anything about the present
            _view.worked = Counter()
        if not (others or at_once) and silence < RELIED:
            return []
        worked, _view.worked, _view.told_at = _view.worked, Counter(), now
    return [
        _NO_CALL | {"alias": alias, "country": "", "good": count} for alias, count in worked.items()
    ] + others


def _forget() -> None:
    global _view
    _view = _View()


# A child process must not tell the hub what its parent will.
os.register_at_fork(after_in_child=_forget)
