"""The rights of API keys, for the settings of a project: see ``otp.api.access``."""

from otp.api.access import BadAccess, parse

__all__ = ["BadAccess", "parse"]
