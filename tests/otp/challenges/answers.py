"""Answers to puzzles, as a browser has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from altcha import Challenge, Payload, Solution, solve_challenge

from otp import services
from otp.caller import Caller
from otp.errors import NotAllowed

CALLER = Caller(ip="198.51.100.7")

#: The least work that there is.
QUICK = {"work": 30}


def solution_to(puzzle: Mapping[str, Any]) -> Solution:
    solution = solve_challenge(Challenge.from_dict(dict(puzzle)))
    assert solution
    return solution


def solved(puzzle: Mapping[str, Any]) -> str:
    """The right answer."""
    return Payload(Challenge.from_dict(dict(puzzle)), solution_to(puzzle)).to_base64()


def asked(phone: str, **options: Any) -> Mapping[str, Any]:
    """The puzzle that a start is refused with."""
    with pytest.raises(NotAllowed) as caught:
        services.start(phone, **options)
    assert (caught.value.code, caught.value.field) == ("challenge_required", "challenge")
    assert caught.value.puzzle
    return caught.value.puzzle
