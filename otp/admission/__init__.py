"""Decide whether a phone may get an SMS now.

rules        the grammar of ``OTP_LIMITS`` and ``OTP_GUESS_LIMITS``
limits       the rules that one SMS, or one wrong guess, counts towards
judges       who else decides: ``OTP_CHALLENGE``, receivers of ``code_wanted``, look-ups
testnumbers  numbers with a fixed code that get no SMS
refusals     refusals as errors for the caller
"""
