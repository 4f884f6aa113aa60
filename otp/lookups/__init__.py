"""Look-ups: what a vendor knows of a number before a code is sent there, the setting ``OTP_LOOKUPS``.

``settings`` reads it; ``camara`` and ``twilio`` speak the vendors' wire formats, ``base`` is what they share;
``verdict`` asks them within a deadline, and ``store`` keeps answers and counts in Redis. Off by default.
docs/lookups.md says what an operator needs to know.
"""
