"""Checks of the Python that runs this."""

from __future__ import annotations

import http.cookies
import sys
from collections.abc import Iterator

from django.core.checks import Tags

from sms.checks import check


def mended_python() -> str:
    """The version to upgrade to if this Python reads cookies in quadratic time; else ""."""
    fixed = (3, 12, 6) if sys.version_info >= (3, 12) else (3, 11, 10)
    # Distributions backport the fix to earlier versions; this function came with it.
    if sys.version_info >= fixed or hasattr(http.cookies, "_unquote_replace"):
        return ""
    return ".".join(map(str, fixed))


@check("otp.W003", Tags.security, deploy=True)
def cookies_of_this_python() -> Iterator[str]:
    """CVE-2024-7592: four kilobytes of backslashes in a cookie take 30 ms to read."""
    if better := mended_python():
        yield (
            f"Python {sys.version.split()[0]} reads cookies in quadratic time (CVE-2024-7592). Otpost's own "
            "server is protected; in a project of your own a few requests a second keep a process busy. "
            f"Use {better} or newer."
        )
