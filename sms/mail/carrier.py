"""Hand one letter to a mail backend. Keep connections open, as many as there are calls at once."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import suppress
from email.utils import make_msgid, parseaddr
from smtplib import SMTPRecipientsRefused, SMTPResponseException, SMTPServerDisconnected
from typing import Any, NamedTuple
from weakref import WeakSet

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.encoding import punycode
from urllib3.util import wait_for_read

from sms.errors import TemporaryFailure
from sms.mail import failures
from sms.mail.backends import named
from sms.mail.smtp import Timed, TimedBackend
from sms.providers.email import EmailProvider, Letter

#: Seconds for which an idle connection is kept. Servers wait for 5 minutes (RFC 5321, 4.5.3.2.7). Devices on
#: the path silently drop a connection sooner.
KEPT = 30.0


class _Kept(NamedTuple):
    connection: BaseEmailBackend
    since: float


class _Stale(Exception):
    """A kept connection no longer works, and nothing was sent on it."""


class Carrier:
    """Hands over the letters of one alias, for all threads of the process."""

    def __init__(self, provider: EmailProvider) -> None:
        """Raises ``ImproperlyConfigured`` if its backend is not available."""
        self.backend = named(provider.backend)
        self._provider = provider
        self._free: deque[_Kept] = deque()
        _carriers.add(self)

    def __call__(self, letter: Letter) -> str:
        """Send a letter. Returns the ESP's id if django-anymail knows one, else the Message-ID.

        From the connection to the last answer, it takes at most ``timeout=``, plus the time of DNS. Backends
        other than SMTP may take longer. Raises ``ProviderError``.
        """
        ends = time.monotonic() + self._provider.timeout
        try:
            message = self._message(letter)
        except Exception as error:  # such as a sender without a domain
            raise failures.before(error) from None
        if kept := self._kept():
            with suppress(_Stale):
                return self._post(kept, message, ends, is_kept=True)
        return self._post(self._opened(ends), message, ends)

    def forget(self) -> None:
        """Close the idle connections."""
        with suppress(IndexError):
            while True:
                hang_up(self._free.pop().connection)

    def _post(self, connection: BaseEmailBackend, message: Any, ends: float, *, is_kept: bool = False) -> str:
        session = connection.connection if isinstance(connection, TimedBackend) else None
        if session is not None:
            session.begin(ends)
        try:
            taken = connection.send_messages([message])
        except Exception as error:
            late = time.monotonic() >= ends
            if is_kept and not late and _is_stale(session, error):
                hang_up(connection)
                raise _Stale from None
            failure = failures.after(error, left=None if session is None else session.left, late=late)
            answered = isinstance(error, SMTPResponseException | SMTPRecipientsRefused)
            self._keep_or_close(connection, is_well=answered and session is not None and bool(session.sock))
            raise failure from None
        self._keep_or_close(connection, is_well=True)
        if taken == 0:
            raise TemporaryFailure("the mail backend took nothing", code="not_taken")
        if (status := getattr(message, "anymail_status", None)) is None:
            return str(message.extra_headers["Message-ID"])
        return failures.id_of(status)

    def _message(self, letter: Letter) -> EmailMultiAlternatives:
        sender = letter.sender or settings.DEFAULT_FROM_EMAIL
        domain = punycode(parseaddr(sender)[1].rpartition("@")[2])
        message = EmailMultiAlternatives(
            subject=letter.subject,
            body=letter.text,
            from_email=sender,
            to=[letter.to],
            headers={
                "Message-ID": make_msgid(letter.id, domain),
                "Auto-Submitted": "auto-generated",  # RFC 3834: prevents absence notices
                "X-Auto-Response-Suppress": "All",  # the same for Exchange
            },
        )
        message.attach_alternative(letter.html, "text/html")
        # Only django-anymail reads these; other backends ignore them.
        vars(message).update(
            metadata={"id": letter.id, "alias": self._provider.alias},
            tags=[letter.purpose] if letter.purpose else [],
            track_opens=False,
            track_clicks=False,
        )
        return message

    def _opened(self, ends: float) -> BaseEmailBackend:
        connection: BaseEmailBackend | None = None
        try:
            connection = self.backend.connection(self._provider.timeout, self._provider.ssl_ca_certs)
            if isinstance(connection, TimedBackend):
                connection.ends = ends
            connection.open()
        except Exception as error:
            if connection is not None:
                hang_up(connection)
            raise failures.before(error) from None
        return connection

    def _kept(self) -> BaseEmailBackend | None:
        """The last used connection that still works."""
        with suppress(IndexError):  # another thread was quicker
            while True:
                connection, since = self._free.pop()
                session = connection.connection if isinstance(connection, TimedBackend) else None
                silent = session is None or not _says_something(session)
                if silent and time.monotonic() - since < KEPT:
                    return connection
                hang_up(connection)
        return None

    def _keep_or_close(self, connection: BaseEmailBackend, *, is_well: bool) -> None:
        if is_well and len(self._free) < self._provider.pool_size:
            self._free.append(_Kept(connection, time.monotonic()))
        else:
            hang_up(connection)


def hang_up(connection: BaseEmailBackend) -> None:
    """Close the connection and ignore errors."""
    with suppress(Exception):
        if isinstance(connection, TimedBackend):
            connection.hang_up()
        else:
            connection.close()


def _is_stale(session: Timed | None, error: Exception) -> bool:
    """Whether the server has closed the connection or does so now (421), such as after a long wait."""
    if session is None or session.left:
        return False
    goes = isinstance(error, SMTPResponseException) and error.smtp_code == 421
    return goes or isinstance(error, SMTPServerDisconnected)


def _says_something(session: Timed) -> bool:
    """Whether the server has sent something unasked: then it ends the connection."""
    return session.sock is None or wait_for_read(session.sock, timeout=0.0)


_carriers: WeakSet[Carrier] = WeakSet()


def _forget() -> None:
    for carrier in _carriers:
        carrier.forget()  # without QUIT, so that those of the parent stay open


# A child process must not use the connections of its parent.
os.register_at_fork(after_in_child=_forget)
