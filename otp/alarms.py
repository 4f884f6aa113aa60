"""What ``sms.alarms`` tells of here: calls that are refused, and limits that are reached."""

from __future__ import annotations

from otp import codes, conf, signals
from otp.caller import subscriber
from sms import alarms
from sms.alarms import Alarm

tell_due = alarms.tell_due

DENIED = Alarm("access_denied", signals.access_denied, "otp")
LIMIT = Alarm("limit_reached", signals.limit_reached, "otp")


def note(alarm: Alarm, *, ip: str = "", **facts: str) -> None:
    """It happened once more. ``ip``: whose address shall be told apart from others'."""
    # Of the digest enough to tell one source from many.
    source = codes.digest(conf.phone_secrets()[0], "alarm", subscriber(ip))[:8] if ip else ""
    alarms.note(alarm, source=source, **facts)
