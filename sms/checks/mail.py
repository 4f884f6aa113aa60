"""Checks of aliases that send e-mail: the sender, TLS and the backend."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import suppress

from django.conf import settings
from django.core.checks import Tags
from django.core.exceptions import ImproperlyConfigured

from sms import registry
from sms.checks import check
from sms.mail.backends import Backend
from sms.mail.carrier import Carrier
from sms.providers.email import EmailProvider, is_sender

#: Backends of Django that keep, print or drop mail instead of sending it.
_TOYS = frozenset(f"django.core.mail.backends.{name}" for name in ("console", "dummy", "filebased", "locmem"))


def _mailing() -> Iterator[tuple[EmailProvider, Backend]]:
    for provider in registry.providers().values():
        if isinstance(provider, EmailProvider) and isinstance(provider.carry, Carrier):
            yield provider, provider.carry.backend


@check("sms.E045")
def mail_has_a_sender() -> Iterator[str]:
    """Django's default, webmaster@localhost, does not count: most servers refuse it."""
    default = settings.DEFAULT_FROM_EMAIL
    for provider, _ in _mailing():
        if not provider.sender and (not is_sender(default) or default == "webmaster@localhost"):
            yield (
                f"SMS_PROVIDERS: {provider.alias} has no address to send from. Add one to its URL, such as "
                "from=codes@shop.example, or set DEFAULT_FROM_EMAIL."
            )


@check("sms.E046")
def mail_backends_work() -> Iterator[str]:
    """A backend reports a missing option, such as its ESP's key, when its connection object is created. This
    check creates one, but does not open it.
    """
    for provider, backend in _mailing():
        try:
            backend.connection(provider.timeout, provider.ssl_ca_certs)
        except ImproperlyConfigured as error:
            yield f"SMS_PROVIDERS: the mail backend of {provider.alias} cannot be used. {error}"
        except Exception as error:  # a project's own backend may raise anything
            what = f"the mail backend of {provider.alias} fails ({type(error).__name__})"
            yield f"SMS_PROVIDERS: {what}. Fix its options."


@check("sms.W045", Tags.security)
def mail_goes_over_tls() -> Iterator[str]:
    """Without TLS, others on the network path can read the code and the password for the server."""
    for provider, backend in _mailing():
        if not backend.is_smtp:
            continue
        try:
            made = backend.connection(provider.timeout, provider.ssl_ca_certs)
        except Exception:  # noqa: S112  # sms.E046 reports it
            continue
        host = str(getattr(made, "host", ""))
        if not (getattr(made, "use_tls", False) or getattr(made, "use_ssl", False) or _is_here(host)):
            yield (
                f"SMS_PROVIDERS: {provider.alias} sends codes to {host} without TLS. Write smtp+tls:// or "
                "smtps:// in EMAIL_URL. In your own project, set use_tls (STARTTLS, port 587) or use_ssl "
                "(port 465) in MAILERS, or EMAIL_USE_TLS or EMAIL_USE_SSL."
            )


@check("sms.W046", Tags.security)
def mail_is_sent() -> Iterator[str]:
    """Backends for development send nothing. Some print or keep codes in clear."""
    for provider, backend in _mailing():
        if backend.cls.__module__ in _TOYS and not settings.DEBUG:
            yield (
                f"SMS_PROVIDERS: {provider.alias} sends nothing. Its backend, {backend.cls.__module__}, is "
                "for development, and may keep codes in clear. Name a backend that sends mail."
            )


def _is_here(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
