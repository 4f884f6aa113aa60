"""Hand one message to one provider, and turn any exception into a ``ProviderError``.

Vendors send unexpected answers, and modules have bugs. Neither may leave a message without an outcome. An
unexpected exception counts as a ``TemporaryFailure`` before the request has left, so that the next alias gets
the message at once. Afterwards it counts as an ``OutcomeUnknown``.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import structlog

from sms.errors import OutcomeUnknown, ProviderError, TemporaryFailure
from sms.providers.base import Provider, Sms
from sms.providers.transport import nothing_has_left, request_left

log = structlog.get_logger("sms")

#: Characters of a vendor's word or id. The longest id of a known vendor has 36.
LONGEST_WORD = 200


def hand_over(provider: Provider, sms: Sms) -> str:
    """Send a message and return the vendor's id for it, made ``plain``. Raises ``ProviderError``."""
    nothing_has_left()
    try:
        return plain(provider.send(sms))
    except ProviderError as error:
        error.code = plain(error.code)
        raise
    except Exception as error:
        # Without the pool we cannot know whether it has left. Waiting is better than a second SMS.
        left = request_left() or not provider.sends_by_pool
        code = type(error).__name__
        log.error(
            "provider_raised", message_id=sms.id, alias=provider.alias, error=code, place=place_of(error)
        )
        if left:
            raise OutcomeUnknown("the provider's module failed after the request", code=code) from None
        raise TemporaryFailure("the provider's module failed before the request", code=code) from None


def plain(word: object) -> str:
    """A vendor's word or id in a form that can be stored and shown: printable, short, "" for other types."""
    if isinstance(word, bool) or not isinstance(word, str | int):
        return ""
    try:
        text = str(word)[:LONGEST_WORD]
    except ValueError:  # Python refuses to print integers of more than 4,300 digits
        return ""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def place_of(error: Exception) -> str:
    """Files and lines of the traceback.

    The text of the error may repeat a number or a code, so it is left out.
    """
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return " ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-6:])
