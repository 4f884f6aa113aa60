"""The product's own settings, but nobody waits half a minute for a second SMS, and all visitors may
come from one address.
"""

from config.settings import *  # noqa: F403

OTP_PURPOSES = {"login": {"cooldown": 2}}
OTP_LIMITS = {"phone": "5/10m"}
