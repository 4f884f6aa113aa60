"""Hand one message to one provider, whatever its module does.

Vendors answer what nobody expected, and modules have bugs. No message may be left in doubt by that. Any
exception other than ``ProviderError`` becomes a ``TemporaryFailure`` if nothing has been sent yet, so that
the next alias gets the message at once. Otherwise it becomes an ``OutcomeUnknown``.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import structlog

from sms.errors import OutcomeUnknown, ProviderError, TemporaryFailure
from sms.providers.base import Provider, Sms
from sms.providers.transport import nothing_has_left, request_left

log = structlog.get_logger("sms")

#: Characters kept of a vendor's word or id. The longest id of a known vendor has 36.
LONGEST_WORD = 200


def hand_over(provider: Provider, sms: Sms) -> str:
    """Send one SMS. Returns the vendor's id, cleaned by ``plain``. Raises a ``ProviderError``."""
    nothing_has_left()
    try:
        return plain(provider.send(sms))
    except ProviderError as error:
        error.code = plain(error.code)
        raise
    except Exception as error:
        # Providers that send by other means do not tell. A second SMS is worse than a wait.
        left = request_left() or not provider.sends_by_pool
        code = type(error).__name__
        log.error(
            "provider_raised", message_id=sms.id, alias=provider.alias, error=code, place=place_of(error)
        )
        if left:
            raise OutcomeUnknown("the provider's module failed after the request", code=code) from None
        raise TemporaryFailure("the provider's module failed before the request", code=code) from None


def plain(word: object) -> str:
    """A vendor's word or id in a form to keep and show: printable and short; "" for other types."""
    if isinstance(word, bool) or not isinstance(word, str | int):
        return ""
    try:
        text = str(word)[:LONGEST_WORD]
    except ValueError:  # Python formats no integer of more than 4,300 digits
        return ""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def place_of(error: Exception) -> str:
    """The calls that led to the line that raised it. The error's text is left out: it may repeat a number."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return " ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-6:])
