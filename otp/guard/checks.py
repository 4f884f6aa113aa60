"""System checks of the pumping guard's settings: what is wrong, and how to mend it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning
from django.core.exceptions import ImproperlyConfigured

from otp import conf
from otp.guard.settings import READERS, read
from sms.declared import register


@register(Tags.security)
def guard_settings(**_: Any) -> list[CheckMessage]:
    """Each of the settings must be readable, and a budget needs prices."""
    found: list[CheckMessage] = []
    for name, reader in READERS.items():
        try:
            reader(conf.get(name))
        except ImproperlyConfigured as error:
            found.append(Error(str(error), id="otp.E020"))
    if found or not (setting := read()).budget:
        return found
    if "default" not in setting.prices:
        text = "GUARD_BUDGET needs to know what an SMS costs everywhere. Name a default in GUARD_PRICES, "
        found.append(Error(text + "such as US=0.0079,default=0.06.", id="otp.E021"))
    elif setting.mode != "enforce":
        text = f"GUARD_BUDGET stops nothing while GUARD_MODE is {setting.mode}. Set it to enforce."
        found.append(Warning(text, id="otp.W021"))
    return found


@register(Tags.security, deploy=True)
def guard_is_on(**_: Any) -> list[CheckMessage]:
    """Without the guard anybody can spend the operator's money."""
    if conf.get("GUARD_MODE") != "off" or settings.DEBUG:
        return []
    text = "GUARD_MODE is off: nothing stops SMS pumping. Set it to enforce, or first to shadow."
    return [Warning(text, id="otp.W020")]
