"""Answers of look-ups in Redis, and how often each vendor was asked. ``otp.names`` lists the keys.

Numbers appear as keyed digests. Everything here raises ``sms.errors.Unavailable`` without Redis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otp import codes, conf
from otp.lookups.base import Lookup
from otp.names import LOOKUP, LOOKUPS_IN_LUA, key
from sms import names as sms
from sms import scripts
from sms.scripts import Script

#: Failures in a row after which a vendor is left out, and ms until one call tries it again.
FEWEST_FAILURES, LEFT_OUT = 5, 30_000

_CLAIM, _SETTLE = (
    Script(
        Path(__file__).parent / "lua" / f"{name}.lua",
        includes=(scripts.INCLUDES,),
        keys=LOOKUPS_IN_LUA | {"TALLY": sms.TALLY},
        FEWEST_FAILURES=FEWEST_FAILURES,
        LEFT_OUT=LEFT_OUT,
    )
    for name in ("claim", "settle")
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """The known answers of one look-up, and whether its vendor may be asked for the others."""

    known: Mapping[str, str]  # question → answer
    took: float  # seconds that the slowest of them took when it was asked for
    outcome: str  # see claim.lua
    is_first: bool  # the first call of the day over ``per_day``


def claim(lookups: Sequence[Lookup], e164: str, *, may_ask: bool) -> list[Claimed]:
    """Read known answers, and count the questions that will be asked. One round trip."""
    asked = [
        {
            "alias": lookup.alias,
            "answers": [_key(lookup, question, e164) for question in lookup.questions],
            "per_day": lookup.per_day,
        }
        for lookup in lookups
    ]
    answer = _CLAIM.ask((), {"lookups": asked, "may_ask": may_ask})["lookups"]
    return [_claimed(lookup, found) for lookup, found in zip(lookups, answer, strict=True)]


def settle(lookup: Lookup, e164: str, answers: Mapping[str, str], took: float, outcome: str) -> bool:
    """Keep answers and count the outcome of a call, see settle.lua. True if this leaves the vendor out."""
    kept = [
        {
            "key": _key(lookup, question, e164),
            "value": f"{answer} {took:.3f}",
            "kept": lookup.kept_for(question, answer) * 1000,
        }
        for question, answer in answers.items()
    ]
    args = {"alias": lookup.alias, "answers": kept, "outcome": outcome}
    return bool(_SETTLE.ask((), args).get("is_left_out"))


def _claimed(lookup: Lookup, found: Mapping[str, Any]) -> Claimed:
    values = zip(lookup.questions, found["known"], strict=True)
    read = {question: value.split(" ") for question, value in values if value}
    answers = {question: answer for question, (answer, _) in read.items()}
    took = max((float(seconds) for _, seconds in read.values()), default=0.0)
    return Claimed(answers, took, found["outcome"], found.get("first", False))


def _key(lookup: Lookup, question: str, e164: str) -> str:
    digest = codes.digest(conf.phone_secrets()[0], "lookup", e164)
    return key(f"{LOOKUP}{lookup.alias}:{lookup.kept_as(question)}:{digest}")
