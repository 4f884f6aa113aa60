"""This package's keys in Redis. ``sms.names`` puts the namespace before each.

    otp:verification:<id>  hash    seed, digests, attempts left; expires with the code
    otp:phone:<digest>     hash    newest id, sends, resend_at: cooldowns outlive a cancelled code
    otp:failures:<digest>  string  wrong guesses over all codes of a phone and purpose
    otp:limit:<rule>:<subject>  list or string  see includes/limits.lua; personal subjects are digests
    otp:guard:<scope>, otp:guard-fan:<digest>, otp:guard-known:<digest>, otp:guard-spend, otp:guard-rules,
    otp:guard-over
                           see guard/lua/includes/guard.lua
    otp:lookup:<alias>:<question>:<digest>  string  a vendor's answer about a number, and the seconds it took
    otp:lookup-asked:<alias>:<day>  string  questions asked on a day (UTC, days since the epoch)
    otp:lookup-failures:<alias>  string  failed calls in a row
    otp:lookup-left-out:<alias>  string  exists while the vendor is left out
    otp:puzzle:<nonce>     string  a puzzle whose answer was used; see otp.challenges.altcha
    otp:session:<id>       hash    a session on the hosted pages; see otp.sessions
    otp:session-ended:<id> hash    its result, in the cell of its verification; see includes/end_session.lua
    otp:dashboard-ended:<id>  string  a dashboard session that was logged out, until its cookie expires
    otp:probe              string  see sms.probe

<digest> is a keyed digest, see otp.codes.
"""

from __future__ import annotations

from sms import names

family, key = names.family, names.key

VERIFICATION, PHONE = family("otp:verification:"), family("otp:phone:")
FAILURES, LIMIT = family("otp:failures:"), family("otp:limit:")
LOOKUP = family("otp:lookup:")
DASHBOARD_ENDED = family("otp:dashboard-ended:")
SESSION, SESSION_ENDED = family("otp:session:"), family("otp:session-ended:")
PUZZLE = family("otp:puzzle:")
GUARD, GUARD_SPEND, GUARD_RULES = family("otp:guard:"), family("otp:guard-spend"), family("otp:guard-rules")

#: Keys that scripts build themselves, by their name in Lua.
IN_LUA = {
    "VERIFICATION": VERIFICATION,
    "SESSION": SESSION,
    "SESSION_ENDED": SESSION_ENDED,
    "GUARD": GUARD,
    "GUARD_FAN": family("otp:guard-fan:"),
    "GUARD_KNOWN": family("otp:guard-known:"),
    "GUARD_SPEND": GUARD_SPEND,
    "GUARD_RULES": GUARD_RULES,
    "GUARD_OVER": family("otp:guard-over"),
}

LOOKUPS_IN_LUA = {
    "LOOKUP_ASKED": family("otp:lookup-asked:"),
    "LOOKUP_FAILURES": family("otp:lookup-failures:"),
    "LOOKUP_LEFT_OUT": family("otp:lookup-left-out:"),
}
