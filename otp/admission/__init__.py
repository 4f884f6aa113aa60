"""Decide whether a phone may get an SMS now.

- ``rules``: the grammar of ``OTP_LIMITS`` and ``OTP_GUESS_LIMITS``.
- ``limits``: the rules that one SMS, or one wrong guess, counts towards.
- ``judges``: ``OTP_CHALLENGE``, receivers of ``code_wanted``, and look-ups.
- ``testnumbers``: numbers that have a known code and get no SMS.
- ``refusals``: the errors for a caller who gets no code.
"""
