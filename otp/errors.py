"""What can go wrong with a verification. A wrong code is an answer, not an error.

OtpError
├── RateLimited         too soon or too often; ``retry_after`` says when
├── NotAllowed          this number or purpose gets no code; ``code`` says why
└── StoreUnavailable    no answer from Redis or the broker, or more waits than can be sent in time
"""

from __future__ import annotations


class OtpError(Exception):
    """Base of everything that this package raises on purpose."""


class RateLimited(OtpError):
    """Nothing was sent, or a guess was not compared. Ask again after ``retry_after`` whole seconds.

    ``code``: ``pending`` (a code was sent a moment ago), ``blocked`` (too many wrong guesses),
    ``rate_limited`` or ``guard``. ``limit``: the stable name of what was reached: ``cooldown``, ``guesses``,
    ``guard``, or that of a rule of ``OTP_LIMITS`` such as ``phone``, or of ``OTP_GUESS_LIMITS`` such as
    ``guess-ip``; it lets ``quota`` through in
    ``window`` seconds (0: in no fixed time).
    """

    def __init__(
        self,
        detail: str,
        *,
        retry_after: int,
        code: str = "pending",
        limit: str = "cooldown",
        quota: int = 1,
        window: int = 0,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.code = code
        self.limit = limit
        self.quota = quota
        self.window = window


class NotAllowed(OtpError):
    """Nothing was sent, and asking again the same way will not help. ``field``: what to change."""

    def __init__(self, detail: str, *, code: str, field: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.field = field


class StoreUnavailable(OtpError):
    """Try again after ``retry_after`` seconds. ``code``: ``unavailable`` or ``overloaded``."""

    def __init__(
        self,
        detail: str = "The service cannot answer now.",
        *,
        retry_after: int = 5,
        code: str = "unavailable",
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.code = code
