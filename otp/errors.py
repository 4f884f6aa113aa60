"""Errors of verifications.

    OtpError
    ├── RateLimited         too soon or too often; ``retry_after`` says when
    ├── NotAllowed          this number or purpose gets no code; ``code`` says why
    └── StoreUnavailable    Redis or the broker does not answer, or the backlog is too long

A wrong code is a result, not an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any


@dataclass(eq=False, repr=False)
class OtpError(Exception):
    """The base of all errors of this package. ``status``: the HTTP status of the answer."""

    detail: str
    status = 500
    code = field = limit = ""
    retry_after = 0

    def __str__(self) -> str:
        return self.detail


@dataclass(eq=False, repr=False, kw_only=True)
class RateLimited(OtpError):
    """Nothing was sent, or a guess was not compared. Ask again after ``retry_after`` whole seconds.

    - ``code``: ``pending`` (a code was sent a moment ago), ``blocked`` (too many wrong guesses),
      ``rate_limited`` or ``guard``.
    - ``limit``: the stable name of the limit: ``cooldown``, ``guesses``, ``guard``, or the name of a rule of
      ``OTP_LIMITS`` such as ``phone``, or of ``OTP_GUESS_LIMITS`` such as ``guess-ip``.
    - ``quota``, ``window``: the limit allows ``quota`` in ``window`` seconds. 0: it has no fixed window.
    """

    status = 429
    retry_after: int
    code: str = "pending"
    limit: str = "cooldown"
    quota: int = 1
    window: int = 0


@dataclass(eq=False, repr=False, kw_only=True)
class NotAllowed(OtpError):
    """Nothing was sent, and the same request will fail again.

    ``field``: the argument to change. ``puzzle``: the one for the user's browser to solve, if any.
    """

    code: str
    field: str
    puzzle: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        self.status = {"id": 409, "challenge": 403}.get(self.field, 422)


@dataclass(eq=False, repr=False)
class StoreUnavailable(OtpError):
    """Try again after ``retry_after`` seconds. ``code``: ``unavailable`` or ``overloaded``."""

    status = 503
    detail: str = "The service cannot answer now."
    _: KW_ONLY
    retry_after: int = 5
    code: str = "unavailable"
    begun: bool = field(default=True, init=False)  # False: certainly nothing has been done
