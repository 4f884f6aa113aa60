"""``OTP_CHALLENGE=otp.challenges.altcha``: a proof of work for the browser, required under heavy traffic.

The puzzle is ALTCHA's (https://altcha.org/docs/v2/proof-of-work-captcha, "deterministic effort"): the browser
derives keys by PBKDF2 until one matches. A puzzle is signed, expires, identifies nobody, and is good for one
start. This module makes and checks puzzles. start.lua decides whether one is required, and uses it up in the
same step. docs/proof-of-work.md has the costs, and the setting ``OTP_ALTCHA`` has the figures.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from otp import codes, conf
from otp.names import PUZZLE, key

#: The value of ``OTP_CHALLENGE``.
PATH = "otp.challenges.altcha"

#: Browsers have it built in. A memory-hard function would need WebAssembly, which the pages'
#: Content-Security-Policy forbids.
_ALGORITHM = "PBKDF2/SHA-256"

#: Iterations for one key. On a phone they take longer than the call around them. We derive one key for each
#: puzzle, which takes half a millisecond.
_COST = 2000


@dataclass(frozen=True)
class Figures:
    """``OTP_ALTCHA``."""

    #: The share of a limit, or of a cap of the guard, above which starts need a puzzle; 0: always.
    hot: float = 0.5
    #: Thousands of iterations that an answer takes on average, up to a third more or less.
    work: int = 4000
    #: Seconds for which an answer is accepted.
    lifetime: int = 300


#: The lowest and highest value of each figure.
_BOUNDS = {"hot": (0, 1), "work": (30, 1_000_000), "lifetime": (30, 3600)}


@conf.cached
def figures() -> Figures:
    """The setting ``OTP_ALTCHA``. Raises ``ImproperlyConfigured``."""
    known, found = vars(Figures()), {}
    for name, text in conf.get("OTP_ALTCHA").items():
        if name not in known:
            raise ImproperlyConfigured(f"OTP_ALTCHA has no {name!r}. It has: {', '.join(known)}.")
        found[name] = _figure(name, text, type(known[name]))
    return Figures(**found)


def _figure(name: str, given: object, kind: Callable[[Any], float]) -> Any:
    least, most = _BOUNDS[name]
    try:
        figure = kind(given)
    except (TypeError, ValueError, OverflowError):
        figure = -1
    if not least <= figure <= most or isinstance(given, bool):
        what = "a number" if kind is float else "a whole number"
        raise ImproperlyConfigured(f"OTP_ALTCHA, {name}: {given!r} must be {what} from {least} to {most:,}.")
    return figure


def is_on() -> bool:
    """Whether this site uses the puzzle."""
    return bool(conf.get("OTP_CHALLENGE") == PATH)


def asked(answer: str, limits: Collection[int]) -> dict[str, Any]:
    """The argument of includes/puzzle.lua. ``limits``: positions of those that can run hot, from 1."""
    found: dict[str, Any] = {"hot": figures().hot, "limits": [*limits]}
    nonce = _answered(answer) if answer else ""
    if nonce:
        # Clocks of hosts may differ, so a spent puzzle is remembered for longer than its answer is accepted.
        found |= {"spent": key(PUZZLE + nonce), "kept": 2000 * figures().lifetime}
    return found


def make() -> Mapping[str, Any]:
    """A puzzle in the format for browsers."""
    from altcha import create_challenge  # imported late: few sites need it

    most = 4 * 1000 * figures().work // _COST // 3
    signing, of_key = _secrets(conf.phone_secrets()[0])
    puzzle = create_challenge(
        _ALGORITHM,
        _COST,
        counter=most // 2 + secrets.randbelow(most - most // 2),
        expires_at=int(time.time()) + figures().lifetime,
        hmac_secret=signing,
        hmac_key_secret=of_key,
    )
    return puzzle.to_dict()


def _answered(answer: str) -> str:
    """The nonce of the puzzle that ``answer`` solves; "" if it solves none."""
    from altcha import Payload, verify_solution

    try:
        payload = Payload.from_base64(answer)
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    for secret in conf.phone_secrets():
        signing, of_key = _secrets(secret)
        if verify_solution(payload, signing, hmac_key_secret=of_key).verified:
            return payload.challenge.parameters.nonce
    return ""


def _secrets(secret: bytes) -> tuple[str, str]:
    """The keys for puzzles and for their answers."""
    return codes.digest(secret, "puzzle"), codes.digest(secret, "puzzle-answer")
