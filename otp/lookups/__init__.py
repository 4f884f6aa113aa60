"""Look-ups: ask a vendor about a number before a code is sent there.

``OTP_LOOKUPS`` turns them on; ``settings`` reads it. ``base`` is common to the vendors; ``camara`` and
``twilio`` speak their wire formats. ``verdict`` asks within a deadline, and ``store`` keeps answers and
counts in Redis. docs/lookups.md is for operators.
"""
