"""Find the mail backend of an alias, and create its connections.

A project configures its mail in ``MAILERS`` (Django 6.1; read here on any Django), or in ``EMAIL_BACKEND``,
``EMAIL_HOST`` and the like.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend as Smtp
from django.utils.module_loading import import_string

from sms.mail.smtp import TimedBackend

_SMTP = "django.core.mail.backends.smtp.EmailBackend"


class Backend(NamedTuple):
    """How to make a connection."""

    cls: type[BaseEmailBackend]
    options: Mapping[str, Any]

    @property
    def is_smtp(self) -> bool:
        return issubclass(self.cls, Smtp)

    @property
    def esp(self) -> str:
        """The ESP's name in the signals of django-anymail, "" if the backend is not one of anymail."""
        return str(getattr(self.cls, "esp_name", ""))

    def connection(self, timeout: float, ssl_ca_certs: str) -> BaseEmailBackend:
        """A connection that is not open yet. If the settings are wrong, raises the backend's own error."""
        made: Any = (_timed(self.cls) if self.is_smtp else self.cls)(**self.options)
        if self.is_smtp:
            made.ssl_ca_certs = ssl_ca_certs
        # Not as an option: backends without a timeout would refuse it. These have their own waits.
        if hasattr(made, "timeout"):
            made.timeout = timeout
        if self.esp:
            # Some ESPs cannot turn off tracking for one message, or do not take tags. Send the mail anyway.
            made.ignore_unsupported_features = True
        return cast("BaseEmailBackend", made)


def named(name: str) -> Backend:
    """The backend ``name``: a mailer, the path of a class, or "" for the default.

    Raises ``ImproperlyConfigured`` with the fix in its text.
    """
    mailers: Mapping[str, Any] | None = getattr(settings, "MAILERS", None)
    if "." in name:
        return _of_class(name)
    if mailers is None:
        if name:
            raise ImproperlyConfigured(
                f"backend={name} names a mailer, but MAILERS is not set. Write the path of a backend's class."
            )
        return _of_class(settings.EMAIL_BACKEND)
    name = name or "default"
    if name not in mailers:
        raise ImproperlyConfigured(
            f"MAILERS has no {name!r}. Name one of its mailers: {', '.join(mailers) or 'none yet'}."
        )
    chosen = mailers[name]
    return Backend(_class(chosen.get("BACKEND", _SMTP)), {"alias": name, **chosen.get("OPTIONS", {})})


def _of_class(path: str) -> Backend:
    cls = _class(path)
    # With alias None, Django 6.1 reads EMAIL_HOST and the like, as Django 5.2 always does.
    return Backend(cls, {"alias": None} if issubclass(cls, Smtp) else {})


def _class(path: str) -> type[BaseEmailBackend]:
    try:
        found = import_string(path)
    except ImportError as error:
        missing = f" {error.name} is not installed." if isinstance(error, ModuleNotFoundError) else ""
        raise ImproperlyConfigured(f"The mail backend {path} cannot be imported.{missing}") from None
    if not (isinstance(found, type) and issubclass(found, BaseEmailBackend)):
        raise ImproperlyConfigured(f"{path} is not a mail backend. Write one such as {_SMTP}.")
    return found


def _timed(cls: type[BaseEmailBackend]) -> type[TimedBackend]:
    """The SMTP backend ``cls`` with our connections."""
    return type(cls.__name__, (TimedBackend, cls), {})
