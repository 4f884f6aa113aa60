"""May this phone have an SMS now?

rules        the grammar of ``OTP_LIMITS`` and ``OTP_GUESS_LIMITS``
limits       which rules one SMS, or one wrong guess, counts towards
judges       who has a say: ``OTP_CHALLENGE``, receivers of ``code_wanted``
testnumbers  which numbers have a known code and get no SMS
refusals     why no code goes out, as errors for whoever asked
"""
