"""The pictures of docs/how-a-code-travels.md and docs/failover.md. Their figures are the code's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sms import conf
from sms.delivery.run import ROUNDS
from sms.message import TRANSITIONS, State
from sms.providers.base import Provider
from sms.steps import LAST_CHANCE, LEASE
from tests.reference.drawing import WIDTH, Picture

PROGRAM, WEB, REDIS, WORKER, PROVIDER = LANES = ("your program", "web", "Redis", "worker", "provider")


class Step(NamedTuple):
    """Who calls whom, and with what. One who calls itself does something."""

    caller: str
    called: str
    words: str
    answers: bool = False


WAY: Mapping[str, Sequence[Step]] = {
    "Start": [
        Step(PROGRAM, WEB, "POST /v1/verifications"),
        Step(WEB, WEB, "makes the code, seals the text"),
        Step(WEB, REDIS, "one script: refuse, or write everything"),
        Step(REDIS, REDIS, "code, message, lease"),
        Step(WEB, PROGRAM, "202 accepted", answers=True),
    ],
    "Send": [
        Step(REDIS, WORKER, "the queue entry wakes a worker"),
        Step(WORKER, REDIS, f"one script: claim the message for {LEASE:g} s"),
        Step(WORKER, PROVIDER, "the SMS, while the code lives"),
        Step(PROVIDER, WORKER, "accepted", answers=True),
        Step(WORKER, REDIS, "one script: sent"),
    ],
    "Receipt": [
        Step(PROVIDER, WEB, "the phone has it"),
        Step(WEB, REDIS, "one script: delivered"),
    ],
    "Check": [
        Step(PROGRAM, WEB, "POST …/{id}/check"),
        Step(WEB, REDIS, "one script: count, compare, use up"),
        Step(WEB, PROGRAM, "200 valid", answers=True),
    ],
}


def way() -> str:
    picture = Picture(
        "The way of a code",
        "A sequence of calls between your program, the web process, Redis, a worker and the provider.",
    )
    step, top = 42, 74
    place = {lane: 68 + 85 * at for at, lane in enumerate(LANES)}
    bands = [(name, calls, 34 + step * len(calls)) for name, calls in WAY.items()]
    y = top
    for name, _, height in bands:
        picture.band(y, height)
        picture.text(18, y + 20, name, "soft", bold=True)
        y += height + 8
    height = y
    for lane, x in place.items():
        picture.text(x, 58, lane, bold=True, anchor="middle")
        picture.line(x, 66, x, height - 8, dashes="2 4")
    y, number = top, 0
    for _, calls, height_of_band in bands:
        for at, (caller, called, words, answers) in enumerate(calls):
            number += 1
            line = y + 50 + step * at
            picture.number(24, line - 4, number)
            x1, x2 = place[caller], place[called]
            if caller == called:
                picture.box(x1 - 5, line - 16, 10, 24)
                picture.label(x1 + 14 + len(words) * 3.3, line, words)
            else:
                picture.arrow((x1, line), (x2, line), kind="good" if answers else "ink")
                picture.label((x1 + x2) / 2, line - 7, words)
        y += height_of_band + 8
    return picture.svg(height + 4)


class Case(NamedTuple):
    """A fault, and what follows: parts of the time (from, to, kind) and when the code is sent or given up."""

    name: str
    parts: Sequence[tuple[float, float, str]]
    sent: float
    words: str


#: Seconds that a healthy provider may take.
CALL = 0.4


def cases() -> list[Case]:
    defaults = Provider.__init__.__kwdefaults__ or {}
    hung, receipt = float(defaults["timeout"]), float(conf.DECLARED["SMS_RECEIPT_WAIT"].default)
    first, second, third = ROUNDS
    dead = LEASE + LAST_CHANCE
    return [
        Case(
            "It refuses the connection, or answers 500",
            [(0, CALL, "bad"), (CALL, 2 * CALL, "good")],
            2 * CALL,
            "the next provider has it at once",
        ),
        Case(
            "It takes the message and does not answer",
            [
                (0, hung, "bad"),
                (hung, hung + receipt, "wait"),
                (hung + receipt, hung + receipt + CALL, "good"),
            ],
            hung + receipt + CALL,
            f"{hung:g} s for an answer, {receipt:g} s for a receipt, then the next",
        ),
        Case(
            "The worker is killed in the call",
            [(0, LEASE, "bad"), (LEASE, dead, "wait"), (dead, dead + CALL, "good")],
            dead + CALL,
            f"a lease of {LEASE:g} s, a last chance of {LAST_CHANCE:g} s, then the next",
        ),
        Case(
            "No provider takes it",
            [
                *((at, at + CALL, "bad") for at in (0, first, first + second)),
                *((at + CALL, end, "wait") for at, end in ((0, first), (first, first + second))),
                (first + second + CALL, first + second + third, "wait"),
                (first + second + third, first + second + third + CALL, "good"),
            ],
            first + second + third + CALL,
            f"again after {first:g}, {second:g} and {third:g} s, while the code lives",
        ),
    ]


def failover() -> str:
    picture = Picture(
        "When a provider fails",
        "Four faults, and the seconds after which another provider has the code.",
    )
    found = cases()
    left, row, top = 24.0, 82, 44
    scale = (WIDTH - 2 * left - 26) / max(case.sent for case in found)
    for at, case in enumerate(found):
        y = top + row * at
        picture.band(y, row - 8)
        picture.text(left, y + 22, case.name, bold=True)
        picture.line(left, y + 41, WIDTH - left, y + 41)
        for begin, end, kind in case.parts:
            picture.box(left + begin * scale, y + 34, max((end - begin) * scale, 6), 14, kind)
        x = left + case.sent * scale + 11
        picture.text(min(x, WIDTH - left), y + 46, "✓", "good", bold=True, anchor="middle")
        picture.text(left, y + 65, case.words, "soft")
    y = top + row * len(found) + 4
    step = 5
    for second in range(0, int(max(case.sent for case in found)) + 1, step):
        picture.text(left + second * scale, y + 10, f"{second}", "soft", anchor="middle")
    picture.text(WIDTH - left, y + 10, "s", "soft", anchor="end")
    x = left
    for kind, words in (
        ("bad", "a call that fails"),
        ("wait", "waits"),
        ("good", "another call, which works"),
    ):
        picture.box(x, y + 24, 14, 12, kind)
        picture.text(x + 20, y + 35, words)
        x += 48 + len(words) * 6.4
    return picture.svg(y + 50)


#: Where each state stands, and what it means.
STATES: Mapping[State, tuple[float, float, str]] = {
    State.QUEUED: (24, 48, "waits for a worker"),
    State.SENDING: (24, 144, "a worker has its lease"),
    State.SENT: (24, 240, "a provider took it"),
    State.DELIVERED: (24, 336, "the phone has it"),
    State.CANCELLED: (276, 48, "used or replaced first"),
    State.EXPIRED: (276, 120, "its code died first"),
    State.UNKNOWN: (276, 192, "nobody can say"),
    State.FAILED: (276, 264, "refused for good"),
}
_BOX = (162, 52)

#: The early ends of a message: from, to, and the bend of the arrow between them (x; y at both ends).
ENDS: Sequence[tuple[State, State, tuple[float, float, float]]] = [
    (State.QUEUED, State.CANCELLED, (230, 66, 66)),
    (State.QUEUED, State.EXPIRED, (230, 86, 146)),
    (State.SENDING, State.UNKNOWN, (244, 162, 218)),
    (State.SENDING, State.FAILED, (216, 182, 278)),
    (State.SENT, State.FAILED, (216, 278, 278)),
]


def states() -> str:
    picture = Picture(
        "The states of a message",
        "From queued to sending, sent and delivered. It may end as cancelled, expired, unknown or failed.",
    )
    width, height = _BOX
    main = [State.QUEUED, State.SENDING, State.SENT, State.DELIVERED]
    for begin, end, words in zip(main, main[1:], ("claimed", "accepted", "receipt"), strict=False):
        assert end in TRANSITIONS[begin]
        picture.arrow((110, STATES[begin][1] + height), (110, STATES[end][1]), kind="good")
        picture.text(120, STATES[end][1] - 17, words, "soft")
    picture.arrow((70, 144), (70, 100), kind="wait")
    picture.text(62, 127, "again", "wait", anchor="end")
    for begin, end, (bend, y1, y2) in ENDS:
        assert end in TRANSITIONS[begin]
        picture.arrow((24 + width, y1), (bend, y1), (bend, y2), (276, y2), kind="bad")
    for state, (x, y, words) in STATES.items():
        picture.box(x, y, width, height)
        kind = "good" if state in main else "bad"
        picture.text(x + 12, y + 22, state, kind, bold=True)
        picture.text(x + 12, y + 41, words, "soft")
    return picture.svg(404)


PICTURES: Mapping[str, Callable[[], str]] = {
    "pictures/failover.svg": failover,
    "pictures/states.svg": states,
    "pictures/way.svg": way,
}
