"""``email://?from=codes@shop.example``: e-mail, by Django's mail backends; receipts by django-anymail.

The project's mail settings decide how e-mail leaves: by SMTP, or with django-anymail by an e-mail service
provider (ESP), whose webhooks report what became of it. ``docs/email.md`` has examples of both. Only
messages with an e-mail address go this way. Any other moves on to the next channel of its route.

Options:

- ``from``: the sender, ``codes@shop.example`` or ``Shop <codes@shop.example>``. The default is
  DEFAULT_FROM_EMAIL.
- ``backend``: the name of a mailer in MAILERS, or the class of a backend such as
  ``anymail.backends.postmark.EmailBackend``. The default is the project's.
- ``subject``: a text with ``{code}``, instead of ours in the user's language.
- ``timeout``: seconds for the whole exchange with an SMTP server, or for each wait for an ESP.
- ``ssl_ca_certs``: the CA of an SMTP server whose CA is not a public one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Any, ClassVar

from sms.errors import AccountFailure, PermanentFailure, Unreachable
from sms.message import Channel
from sms.providers.base import Provider, Sms
from sms.providers.email_texts import as_html, as_text, subject_for
from sms.providers.url import BadProviderURL

#: The addresses that every mail server carries (RFC 5321, 4.1.2): a dot-string before the @, without
#: SMTPUTF8, in the lengths of 4.5.3.1. The domain may be an internationalised one.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[^\s@\"(),:;<>\[\]\\]{1,255}")


#: Python's IDNA 2003 maps these to another domain than IDNA 2008 does (RFC 5894, 7.2). That domain may have
#: another owner, who must not get the code.
_AMBIGUOUS = frozenset("ßς\u200c\u200d")


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail to send."""

    id: str  # our message id
    to: str = field(repr=False)
    sender: str  # "": the project's own
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    purpose: str  # of the code; "": none


def _nobody(_: Letter) -> str:
    raise AccountFailure("this provider has no carrier, which only sms.registry gives it")


class EmailProvider(Provider):
    scheme, name = "email", "E-mail"
    channel = Channel.EMAIL
    url_names: ClassVar = {"from": "sender"}

    def __init__(
        self, alias: str, *, sender: str = "", backend: str = "", subject: str = "", **common: Any
    ) -> None:
        super().__init__(alias, **common)
        if sender and not is_sender(sender):
            raise BadProviderURL(
                f"{alias}: from= must be an address such as codes@shop.example or Shop <codes@shop.example>."
            )
        if subject and ("{code}" not in subject or not subject.isprintable()):
            raise BadProviderURL(
                f"{alias}: subject= must be one line with {{code}}, best at its beginning, where phones find "
                "the code."
            )
        self.sender = sender
        self.backend = backend
        self._subject = subject
        #: Hands a letter to Django's mail and returns its id there. ``sms.registry`` sets it.
        self.carry: Callable[[Letter], str] = _nobody

    def send(self, sms: Sms) -> str:
        if not sms.email:
            raise Unreachable("the message has no e-mail address", code="no_address")
        to = _as_sent(sms.email)
        sender = sms.sender or self.sender
        if sender and not is_sender(sender):
            raise AccountFailure("the sender is not an e-mail address", code="from")
        text = as_text(sms.body, sms.code)
        subject = subject_for(text, sms.code, sms.locale, self._subject)
        return self.carry(
            Letter(
                id=sms.id,
                to=to,
                sender=sender,
                subject=subject,
                text=text,
                html=as_html(subject, text, sms.code, sms.locale),
                purpose=sms.purpose,
            )
        )


def _as_sent(address: str) -> str:
    """The address with its domain in ASCII. Raises ``PermanentFailure`` if nothing can be sent to it."""
    if _ADDRESS.fullmatch(address) and not _AMBIGUOUS & set(address.lower()):
        local, _, domain = address.rpartition("@")
        with suppress(UnicodeError):
            return f"{local}@{domain.encode('idna').decode()}"
    raise PermanentFailure("mail servers do not accept this e-mail address", code="address")


def is_sender(text: str) -> bool:
    """Whether an e-mail can have this sender: an address, with or without a name before it."""
    return text.isprintable() and bool(_ADDRESS.fullmatch(parseaddr(text)[1]))
