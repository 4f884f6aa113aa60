"""What an API key may do, for the settings of a project: see ``otp.api.access``."""

from otp.api.access import BadAccess, parse

__all__ = ["BadAccess", "parse"]
