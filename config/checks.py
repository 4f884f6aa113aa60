"""System checks of ``.env``: values that are still those of the examples, misspelled or missing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Tags

from config import traces as tracing
from sms import conf
from sms.checks import check, finding, register

#: Placeholders in .env.example and the docs.
_WORDS = {
    *("ACCOUNT_SID", "AUTH_TOKEN", "SID", "TOKEN", "APPLICATION_ID", "API_TOKEN"),
    *("USER", "PASSWORD", "HOST", "SECRET", "SHARED_SECRET_OF_16_OR_MORE"),
}

#: Reserved for examples (RFC 2606).
_HOSTS = (".example", ".example.com", ".example.net", ".example.org")


@register()
def names() -> Iterator[CheckMessage]:
    """A variable whose name is misspelled has no effect, and nobody would notice."""
    from config.settings import env

    for name in sorted(set(os.environ) - env.names):
        if name in conf.DECLARED:
            text = f"{name} is not read from the environment. Set it in config/settings.py."
            yield finding("config.E001", text)
        elif near := conf.nearest(name, env.names):
            text = f"{name} is not a variable of Otpost, and has no effect. Did you mean {near}?"
            if name.upper().startswith(conf.OURS):
                yield finding("config.E001", text)
            elif near not in os.environ:  # otherwise it may be another program's
                yield finding("config.W003", text)


@check("config.E002")
def traces() -> Iterator[str]:
    """Report at the start that traces cannot be sent. Otherwise they would just be missing."""
    yield from tracing.faults()


@check("config.W001", deploy=True)
def examples() -> Iterator[str]:
    """A value of an example looks real until the first SMS must go out."""
    if _of_an_example(urlsplit(settings.PUBLIC_URL).hostname):
        yield "PUBLIC_URL is still that of an example. Write your own URL."
    for alias, url in settings.SMS_PROVIDERS.items():
        try:
            parts = urlsplit(url)
        except ValueError:
            continue  # another check reports it
        values = {parts.username, parts.password, *(value for _, value in parse_qsl(parts.query))}
        left = sorted(_WORDS.intersection(values))
        if _of_an_example(parts.hostname):
            left.append(str(parts.hostname))
        if left:
            what = f"{alias} still has {', '.join(left)} from an example"
            yield f"SMS_PROVIDERS: {what}. Write the values that your provider gave you."


@check("config.W004", Tags.security, deploy=True)
def tls() -> Iterator[str]:
    """Django's own warnings name its settings, which here follow from PUBLIC_URL."""
    if urlsplit(settings.PUBLIC_URL).scheme == "http":
        yield (
            "PUBLIC_URL begins with http://, so codes, numbers and keys cross the network in clear. Put a "
            "TLS proxy in front (docs/proxies.md) and write https://."
        )


@check("config.W005", Tags.security, deploy=True)
def hosts() -> Iterator[str]:
    """Django has no warning of its own."""
    if "*" in settings.ALLOWED_HOSTS:
        yield (
            "ALLOWED_HOSTS has *, which accepts any Host header. The redirect to https:// leads to that "
            "host, so a cache in between may send your users to a stranger. Name your hosts. /healthz and "
            "/readyz answer whatever the Host."
        )


@check("config.W002", Tags.security, deploy=True)
def somebody_has_a_key() -> Iterator[str]:
    """Without a key only the hosted pages work, and they report to no program."""
    if not settings.API_KEYS:
        yield ("API_KEYS is empty, so nobody can use the HTTP API. `manage.py api_key NAME` makes a key.")


def _of_an_example(host: str | None) -> bool:
    return bool(host) and f".{host}".endswith(_HOSTS)
