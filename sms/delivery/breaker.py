"""When an alias is left out: the setting ``SMS_BREAKER``."""

from __future__ import annotations

from dataclasses import dataclass

from sms import conf


@dataclass(frozen=True, slots=True)
class Breaker:
    """Times in seconds."""

    window: float = 30.0  # outcomes that count
    share: float = 0.5  # of bad ones that opens
    fewest: int = 5  # bad ones that open
    pause: float = 20.0  # until a probe

    @classmethod
    def configured(cls) -> Breaker:
        """Raises ``TypeError`` for a figure that does not exist."""
        return cls(**conf.get("SMS_BREAKER"))

    @property
    def figures(self) -> dict[str, float]:
        """As the scripts want them."""
        return {
            "window": int(self.window * 1000),
            "share": self.share,
            "fewest": self.fewest,
            "pause": int(self.pause * 1000),
        }
