"""``OTP_LOOKUPS``, read and validated once. Errors say what to change."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from otp import conf
from otp.lookups.base import Lookup
from sms.providers.url import BadProviderURL, options_from_url

#: Classes by scheme, as paths: only the modules in use are imported.
CLASSES = {"camara": "otp.lookups.camara.CamaraLookup", "twilio-lookup": "otp.lookups.twilio.TwilioLookup"}


@conf.cached
def configured() -> Mapping[str, Lookup]:
    """Every look-up by alias, in the order of the setting. Raises ``ImproperlyConfigured``."""
    try:
        return {alias: _lookup(alias, url) for alias, url in conf.get("OTP_LOOKUPS").items()}
    except BadProviderURL as error:
        raise ImproperlyConfigured(f"OTP_LOOKUPS: {error}") from None


# In a forked child, a thread of the parent may have held a token's lock.
os.register_at_fork(after_in_child=configured.cache_clear)


def _lookup(alias: str, url: str) -> Lookup:
    if not re.fullmatch(r"[\w-]+", alias, re.ASCII):  # it is part of keys
        raise BadProviderURL(f"{alias!r} is not an alias: use letters, digits, - and _.")
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in CLASSES:
        raise BadProviderURL(f"{alias}: write alias=SCHEME://… with one of {', '.join(sorted(CLASSES))}.")
    cls: type[Lookup] = import_string(CLASSES[scheme])
    return cls(alias, **options_from_url(cls, alias, url))
