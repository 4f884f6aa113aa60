"""When an alias is left out: the setting ``SMS_BREAKER``."""

from __future__ import annotations

from typing import NamedTuple

from sms import conf, names


class Breaker(NamedTuple):
    """Times in seconds."""

    window: float = 30.0  # outcomes that count
    share: float = 0.5  # of bad ones that opens
    fewest: int = 5  # bad ones that open
    pause: float = 20.0  # until a probe

    @classmethod
    def configured(cls) -> Breaker:
        """Raises ``TypeError`` for a figure that does not exist."""
        return cls(**conf.get("SMS_BREAKER"))

    @classmethod
    def in_ms(cls) -> dict[str, float]:
        """As the scripts want them."""
        found = cls.configured()
        listed = {"listed": True} if names.in_cells() else {}
        times = {"window": int(found.window * 1000), "pause": int(found.pause * 1000)}
        return found._asdict() | times | listed
