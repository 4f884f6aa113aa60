"""The product's own settings, with a shorter cooldown, and room for all visitors at one address."""

from config.settings import *  # noqa: F403

OTP_PURPOSES = {"login": {"cooldown": 2}}
OTP_LIMITS = {"phone": "5/10m"}
