"""What a number counts for: its country and two prefixes of it, as they are named in Redis."""

from __future__ import annotations

import phonenumbers

from otp import codes, conf

#: Countries without proof together.
NEW = "new"


def has_ranges(e164: str) -> bool:
    """Whether a number counts for its prefixes too: with seven digits or more after its country code."""
    national = next((n for n in (2, 3) if int(e164[1:n]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), 4)
    return len(e164) - national >= 7


def tags(prefix: str) -> tuple[str, ...]:
    """``+491511234`` → ``+4915112~5c0f9a1e``: a keyed digest hides the last two digits of a prefix.

    The record of a message shows the last two digits of a number; only those before its last six may stand
    beside them. Sends count under the first tag, of the secret of now; rules hold under former ones too.
    """
    shown = prefix[:-2]
    return tuple(f"{shown}~{codes.digest(secret, 'guard', prefix)[:8]}" for secret in conf.phone_secrets())


def readable(scope: str) -> str:
    """The prefix behind a tag, for the eyes of an operator; any other scope as it is."""
    shown, hidden, _ = scope.partition("~")
    if not hidden:
        return scope
    return next((p for n in range(100) if scope in tags(p := f"{shown}{n:02d}")), scope)
