"""Codes: unbiased, repeatable from their seed, useless without the key."""

from __future__ import annotations

from collections import Counter

from otp import codes
from sms import ids

KEY = b"k" * 32


def test_every_digit_is_as_likely_as_another():
    """60,000 digits: each count within 6 standard deviations (73 of 6,000)."""
    counts = Counter("".join(codes.derive(KEY, ids.new(), 6) for _ in range(10_000)))
    assert set(counts) == set("0123456789")
    assert all(abs(count - 6000) < 6 * 73.5 for count in counts.values())


def test_leading_zeros_stay():
    assert any(codes.derive(KEY, str(n), 6).startswith("0") for n in range(200))


def test_a_code_needs_seed_and_key():
    code = codes.derive(KEY, "seed", 12)
    assert code == codes.derive(KEY, "seed", 12)
    assert code != codes.derive(b"x" * 32, "seed", 12)
    assert code != codes.derive(KEY, "other", 12)


def test_digests_do_not_mix_up_their_parts():
    assert codes.digest(KEY, "ab", "c") != codes.digest(KEY, "a", "bc")


def test_what_people_type_is_understood():
    assert codes.normalise(" 12-34 56 ") == "123456"
    assert codes.normalise("１２３٤٥٦") == "123456"
    assert codes.normalise("ab c") == "ABC"
    assert codes.normalise("\ud800") == "\ud800"  # half a surrogate pair raises nowhere
    codes.digest(KEY, "\ud800")
