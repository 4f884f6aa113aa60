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
    """Nothing was sent. ``code``: stable name of the rule; ``retry_after``: whole seconds."""

    def __init__(self, detail: str, *, retry_after: int, code: str = "pending") -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.code = code


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
