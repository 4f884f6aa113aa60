"""When an alias is left out: the setting ``SMS_BREAKER``."""

from __future__ import annotations

from typing import NamedTuple

from sms import conf, names


class Breaker(NamedTuple):
    """Times in seconds."""

    window: float = 30.0  # over which outcomes count
    share: float = 0.5  # of bad outcomes at which it opens
    fewest: int = 5  # bad outcomes at which it opens, at least
    pause: float = 20.0  # until a probe

    @classmethod
    def configured(cls) -> Breaker:
        """The figures of the setting. Raises ``TypeError`` for an unknown name."""
        return cls(**conf.get("SMS_BREAKER"))

    @classmethod
    def in_ms(cls) -> dict[str, float]:
        """The figures for scripts, with times in milliseconds."""
        found = cls.configured()
        listed = {"listed": True} if names.in_cells() else {}
        times = {"window": int(found.window * 1000), "pause": int(found.pause * 1000)}
        return found._asdict() | times | listed
