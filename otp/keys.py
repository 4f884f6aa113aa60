"""The keys of the API, for a project's settings: see ``otp.api.keys``."""

from otp.api.keys import BadKeys, digest, make, parse

__all__ = ["BadKeys", "digest", "make", "parse"]
