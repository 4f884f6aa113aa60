"""The errors of a message.

    SmsError
    ├── InvalidNumber        the number cannot get an SMS (never echoed in the text)
    ├── InvalidAddress       this is not an e-mail address
    ├── InvalidBody          the text is empty or too long
    ├── InvalidReference     the caller's own reference cannot be kept
    ├── NoRoute              no provider is configured for its country
    ├── OptedOut             its number has opted out of our messages
    ├── Overloaded           it would not be sent in time; try again later
    ├── Unavailable          Redis or the broker does not answer; try again later
    ├── ReceiptRejected      a delivery report is forged or cannot be read
    └── ProviderError        one attempt did not end with "accepted"
        ├── TemporaryFailure     not taken; the same message may succeed later
        ├── PermanentFailure     not taken because of the number or the text, at any provider
        │   ├── Unreachable          not taken; the number does not have this channel, maybe another
        │   └── AccountFailure       not taken because of our account; another provider may take it
        └── OutcomeUnknown       the provider may or may not have taken it

Configuration errors are Django system checks or ``ImproperlyConfigured``, outside this tree.
"""

from __future__ import annotations

#: The longest Retry-After of a vendor that we obey, in seconds. No code lives longer, and another try costs
#: only one call. A wrong figure must not close an alias for a day.
LONGEST_HOLD = 600.0


class SmsError(Exception):
    """The base of all errors of this package."""


class InvalidNumber(SmsError):
    """A phone number that cannot get an SMS. ``code`` is stable, ``detail`` is for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class InvalidAddress(SmsError):
    """This is not an e-mail address."""

    def __init__(self) -> None:
        super().__init__("This is not an e-mail address. Write it like name@example.com.")


class InvalidBody(SmsError):
    """A text that cannot be sent: empty, too long, or with characters that phones cannot show."""


class InvalidReference(SmsError):
    """A reference that is too long or looks like a number, an address or a key."""

    def __init__(self) -> None:
        super().__init__(
            "A reference has up to 64 letters, digits and _ . : / -, and must not be a phone number, e-mail "
            "address or API key. Put a word before a bare number, as in order-1234567."
        )


class Unavailable(SmsError):
    """Redis or the broker does not work as it should. ``reason``: one of ``sms.away.REASONS``."""

    def __init__(self, detail: str, retry_after: int = 5, *, reason: str = "away") -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.reason = reason


class NoRoute(SmsError):
    """``SMS_ROUTES`` names no provider for the country of a number."""


class OptedOut(SmsError):
    """The number has opted out of every alias that could send the message; see ``sms.optouts``."""


class Overloaded(SmsError):
    """Too many messages wait, or no provider is available soon. ``retry_after`` is in seconds."""

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class ReceiptRejected(SmsError):
    """A delivery report whose signature is wrong or whose body cannot be read."""


class ProviderError(SmsError):
    """A failed hand-off to a provider. ``code`` is the vendor's own word, kept for the operator."""

    def __init__(self, detail: str, *, code: str = "") -> None:
        super().__init__(detail)
        self.code = code


class TemporaryFailure(ProviderError):
    """Not taken, but worth another try. ``retry_after``: the seconds that the vendor asks us to wait, at most
    ``LONGEST_HOLD``. None if it asks for none, or for less than 0.
    """

    def __init__(self, detail: str, *, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after: float | None = None
        if retry_after is not None and retry_after >= 0:  # false for "not a number"
            self.retry_after = min(retry_after, LONGEST_HOLD)


class PermanentFailure(ProviderError):
    """Not taken. Another try of the same message would fail too.

    ``opted_out``: the vendor says that the number has opted out of this sender.
    """

    def __init__(self, detail: str, *, code: str = "", opted_out: bool = False) -> None:
        super().__init__(detail, code=code)
        self.opted_out = opted_out


class Unreachable(PermanentFailure):
    """Not taken because this channel does not reach the user: no WhatsApp, no Telegram."""


class AccountFailure(PermanentFailure):
    """Not taken because of our account: credentials, funds, a suspension, a sender.

    ``here``: only in the country of this message, such as for a sender ID that is not registered there.
    """

    def __init__(self, detail: str, *, code: str = "", here: bool = False) -> None:
        super().__init__(detail, code=code)
        self.here = here


class OutcomeUnknown(ProviderError):
    """The message may be on its way: the request left, but no answer came. Or the vendor took only a part of
    it.
    """
