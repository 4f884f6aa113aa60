"""Interpret the errors of mail backends: those of smtplib, of requests and of django-anymail.

Errors of optional packages are recognised by their names. Their texts are never repeated: that of a server
may hold the address, that of an ESP the whole letter.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Mapping
from typing import Any

from sms.errors import (
    AccountFailure,
    OutcomeUnknown,
    PermanentFailure,
    ProviderError,
    TemporaryFailure,
)
from sms.providers.transport import is_temporary, retry_after

#: Statuses by which an ESP refuses us, not the letter. 404: it does not know our domain.
_OURS = frozenset({401, 402, 403, 404})

#: Enhanced codes (RFC 3463, 4954, 7505) about the sender or the login, at any step.
_SENDER = re.compile(r"5\.1\.[78]|5\.7\.(?:8|9|1[0-9]|2[0-9])")

#: Enhanced codes about the recipient: a bad address, or a full or closed mailbox.
_RECIPIENT = re.compile(r"5\.[12]\.\d+")

#: Answers to RCPT that ask us to log in (RFC 4954, 6; RFC 3207, 4).
_LOG_IN = frozenset({530, 534, 535, 538})

_ENHANCED = re.compile(rb"\s*([245]\.\d{1,3}\.\d{1,3})(?!\S)")


def before(error: Exception) -> ProviderError:
    """The meaning of an error before the letter could leave."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = "the mail server's certificate has expired, names another host or comes from an unknown CA"
        return TemporaryFailure(text, code="certificate")
    return _of_smtp(error) or _of_anymail(error) or _of_the_way(error)


def after(error: Exception, *, left: bool | None, late: bool = False) -> ProviderError:
    """The meaning of an error during the hand-over of a letter. ``left``: whether the server may have all of
    it, None if the backend does not say. ``late``: the time was over.
    """
    if (answered := _of_smtp(error, left=bool(left)) or _of_anymail(error)) is not None:
        return answered
    if left is False:
        if not isinstance(error, OSError):
            return PermanentFailure("the mail cannot be written", code=type(error).__name__)
        return TemporaryFailure("the mail server cannot be reached", code=_word(late, error))
    return OutcomeUnknown("the mail may or may not have left", code=_word(late, error))


def _word(late: bool, error: Exception) -> str:
    return "read_timeout" if late else type(error).__name__


def _of_the_way(error: Exception) -> ProviderError:
    if isinstance(error, OSError):
        return TemporaryFailure("the mail server cannot be reached", code="unreachable")
    return AccountFailure("the mail settings do not work", code=type(error).__name__)


# --- SMTP --------------------------------------------------------------------------------------------


def _of_smtp(error: Exception, *, left: bool = False) -> ProviderError | None:
    """The meaning of a server's answer, or of a missing feature. None for any other error."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _refused(*next(iter(error.recipients.values())))
    if isinstance(error, smtplib.SMTPDataError):
        return _content_refused(error.smtp_code, error.smtp_error, left=left)
    if isinstance(error, smtplib.SMTPResponseException):  # anything before the recipient
        return _answered(error.smtp_code, error.smtp_error, "the mail server refuses us")
    if isinstance(error, smtplib.SMTPException) and not isinstance(error, smtplib.SMTPServerDisconnected):
        return AccountFailure("the mail server offers no TLS or no known login method", code="not_offered")
    return None


def _refused(status: int, text: bytes | str) -> ProviderError:
    """RCPT was refused: because of the address, unless the server says that it is because of us."""
    code = _code(status, text)
    if not 500 <= status <= 599:
        return TemporaryFailure("the mail server does not take it now", code=code)
    if status in _LOG_IN or _SENDER.fullmatch(code):
        return AccountFailure("the mail server refuses us", code=code)
    return PermanentFailure("the mail server refuses the address", code=code)


def _content_refused(status: int, text: bytes | str, *, left: bool) -> ProviderError:
    """DATA was refused, or the letter after it."""
    code = _code(status, text)
    if _RECIPIENT.fullmatch(code) and not _SENDER.fullmatch(code):
        return PermanentFailure("the mail server refuses the address", code=code)
    if left and not 400 <= status <= 599:
        return OutcomeUnknown("the mail server's answer cannot be read", code=code)
    return _answered(status, text, "the mail server refuses what we send")


def _answered(status: int, text: bytes | str, refused: str) -> ProviderError:
    code = _code(status, text)
    if 500 <= status <= 599:
        return AccountFailure(refused, code=code)
    return TemporaryFailure("the mail server does not take it now", code=code)


def _code(status: int, text: bytes | str) -> str:
    """The enhanced code if the answer begins with one that fits its status, else the status."""
    content = text.encode("ascii", "replace") if isinstance(text, str) else text
    found = _ENHANCED.match(content)
    enhanced = found[1].decode() if found else ""
    return enhanced if enhanced[:1] == str(status)[:1] else str(status)


# --- django-anymail and its HTTP clients ---------------------------------------------------------------


def _of_anymail(error: Exception) -> ProviderError | None:
    """The meaning of an error of anymail. None if it does not tell whether the ESP has the letter."""
    kinds = {cls.__name__ for cls in type(error).__mro__}
    if "AnymailRecipientsRefused" in kinds:
        return PermanentFailure("the ESP refuses the address", code="recipient_refused")
    if "AnymailInvalidAddress" in kinds:
        return PermanentFailure("the ESP does not take such an e-mail address", code="address")
    if kinds & {"AnymailUnsupportedFeature", "AnymailSerializationError", "AnymailConfigurationError"}:
        return AccountFailure("the settings do not work with this ESP", code=type(error).__name__)
    if status := _status(error):
        return _of_status(status, getattr(getattr(error, "response", None), "headers", {}))
    if _never_connected(error):
        return TemporaryFailure("the ESP cannot be reached", code="unreachable")
    return None


def id_of(status: Any) -> str:
    """The ESP's id in the ``anymail_status`` of a letter that was sent without an error. Raises
    ``ProviderError`` if that status is bad.
    """
    if status.status == {"failed"}:
        raise TemporaryFailure("the ESP could not send it", code="failed")
    ids = status.message_id if isinstance(status.message_id, set) else {status.message_id}
    if not (known := ids - {None}):
        raise OutcomeUnknown("the ESP's answer names no message", code="no_message_id")
    return str(min(known, key=str))


def _of_status(status: int, headers: Mapping[str, str]) -> ProviderError | None:
    code = str(status)
    if is_temporary(status):
        return TemporaryFailure("the ESP cannot take it now", code=code, retry_after=retry_after(headers))
    if status in _OURS or 300 <= status <= 399:
        return AccountFailure("the ESP refuses us", code=code)
    if 400 <= status <= 499:
        return PermanentFailure("the ESP refuses the mail", code=code)
    return None  # it took the letter, but the rest of its answer cannot be read


def _status(error: Exception) -> int:
    """The HTTP status of the ESP's answer, 0 without one. boto3, which calls Amazon, has it in a dict."""
    if isinstance(status := getattr(error, "status_code", None), int):
        return status
    cause = getattr(error.__cause__, "response", None)
    return int(cause.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) if isinstance(cause, dict) else 0


def _never_connected(error: BaseException) -> bool:
    """Whether no connection was made. The errors of requests and urllib3 keep earlier ones as causes, reasons
    or arguments.
    """
    names = {"ConnectTimeout", "NewConnectionError", "ConnectTimeoutError", "SSLCertVerificationError"}
    names |= {"NameResolutionError", "EndpointConnectionError"}
    seen: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        one = queue.pop()
        if not isinstance(one, BaseException) or one in seen:
            continue
        if names & {cls.__name__ for cls in type(one).__mro__}:
            return True
        seen.append(one)
        queue += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return False
