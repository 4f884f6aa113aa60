"""The alarms of ``otp``: denied API requests, and limits that were reached. See ``sms.alarms``."""

from __future__ import annotations

from otp import codes, conf, signals
from otp.caller import subscriber
from sms import alarms
from sms.alarms import Alarm

tell_due = alarms.tell_due

DENIED = Alarm("access_denied", signals.access_denied, "otp")
LIMIT = Alarm("limit_reached", signals.limit_reached, "otp")


def note(alarm: Alarm, *, ip: str = "", **facts: str) -> None:
    """Count one more occurrence. ``ip``: the source, kept apart from others by a digest."""
    # Enough of the digest to tell one source from many.
    source = codes.digest(conf.phone_secrets()[0], "alarm", subscriber(ip))[:8] if ip else ""
    alarms.note(alarm, source=source, **facts)
