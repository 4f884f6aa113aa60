"""A Python that reads cookies in quadratic time (CVE-2024-7592) is named before deployment, and no other."""

from __future__ import annotations

import http.cookies
import sys
import time

import pytest
from django.core.checks import run_checks

from otp.checks.python import cookies_of_this_python


def seconds(length: int) -> float:
    """The best time of Django's cookie parser for this many backslashes."""
    value = '"' + "\\a" * length + '"'
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        http.cookies._unquote(value)
        best = min(best, time.perf_counter() - began)
    return best


def test_a_python_is_named_if_it_takes_quadratic_time():
    quadratic = seconds(4000) > 8 * seconds(500) * 2  # eight times the length: 8 or 64 times as long
    found = [message.id for message in cookies_of_this_python()]
    assert found == (["otp.W003"] if quadratic else [])
    deployed = {message.id for message in run_checks(include_deployment_checks=True)}
    assert ("otp.W003" in deployed) == quadratic


@pytest.mark.parametrize(
    ("version", "mended", "told"),
    [
        ((3, 11, 7), False, "3.11.10"),
        ((3, 11, 9), False, "3.11.10"),
        ((3, 11, 10), True, ""),
        ((3, 12, 1), False, "3.12.6"),
        ((3, 12, 5), False, "3.12.6"),
        ((3, 12, 6), True, ""),
        ((3, 13, 0), True, ""),
        ((3, 11, 2), True, ""),  # as Debian has fixed its own
        ((3, 15, 0), False, ""),  # whatever the function is called then
    ],
)
def test_the_versions_that_are_named(monkeypatch, version, mended, told):
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(http.cookies, "_unquote_replace", lambda match: "", raising=False)
    if not mended:
        monkeypatch.delattr(http.cookies, "_unquote_replace")
    found = cookies_of_this_python()
    assert [told in message.msg for message in found] == [True] * bool(told)
    assert all("CVE-2024-7592" in message.msg for message in found)
