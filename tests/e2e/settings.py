"""The product's own settings, but nobody waits half a minute for a second SMS."""

from config.settings import *  # noqa: F403

OTP_PURPOSES = {"login": {"cooldown": 2}}
