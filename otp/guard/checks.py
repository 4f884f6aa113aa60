"""System checks of the pumping guard's settings. Each message names the setting and the fix."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.checks import CheckMessage, Tags
from django.core.exceptions import ImproperlyConfigured

from otp import conf
from otp.guard.settings import READERS, read
from sms.checks import check, finding, register


@check("otp.E020", Tags.security)
def guard_settings() -> Iterator[str]:
    """Every setting of the guard can be read."""
    for name, reader in READERS.items():
        try:
            reader(conf.get(name))
        except ImproperlyConfigured as error:
            yield str(error)


@register(Tags.security)
def budget() -> Iterator[CheckMessage]:
    """A budget needs prices, and a guard that enforces it."""
    setting = read()
    if setting.budget and "default" not in setting.prices:
        yield finding(
            "otp.E021",
            "GUARD_BUDGET needs to know what an SMS costs everywhere. Name a default in GUARD_PRICES, "
            "such as US=0.0079,default=0.06.",
        )
    elif setting.budget and setting.mode != "enforce":
        yield finding(
            "otp.W021", f"GUARD_BUDGET stops nothing while GUARD_MODE is {setting.mode}. Set it to enforce."
        )


@check("otp.W020", Tags.security, deploy=True)
def guard_is_on() -> Iterator[str]:
    """Without the guard, anybody can spend the operator's money."""
    if conf.get("GUARD_MODE") == "off" and not settings.DEBUG:
        yield "GUARD_MODE is off: nothing stops SMS pumping. Set it to enforce, or first to shadow."
