"""How a code is found in what was pasted, and how a wait is said."""

from __future__ import annotations

import pytest

from otp import purposes
from otp.pages.words import Left, code_in


@pytest.mark.parametrize(
    "typed",
    [
        "123456",
        " 123 456 ",
        "123-456",
        "１２３４５６",
        "۱۲۳۴۵۶",  # Persian
        "١٢٣٤٥٦",  # Arabic
        "१२३४५६",  # Hindi
        "رمز Otpost: ١٢٣٤٥٦، صالح ٢ د.",
        "123456 is your Otpost code. It expires in 2 min. Do not share it.\n\n@otp.example.com #123456",
        # The field of a browser swallows line breaks.
        "999999 was yesterday. Your code: 12 34 56.@otp.example.com #123456",
        "@old.example.com #999999\n@otp.example.com #123456",
        "@otp.example.com #123456 %frame.example.com",
        "Your code is 123456. Valid for 120 seconds.",
    ],
)
def test_a_code_is_found_in_what_was_pasted(typed):
    assert code_in(typed, purposes.get("login")) == "123456"


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "abcdef", "@otp.example.com #", "call 202 555 0123"]
)
def test_no_code_is_found_where_there_is_none(typed):
    assert code_in(typed, purposes.get("login")) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (30, "30 seconds"), (91, "2 minutes"), (3600, "60 minutes"), (86400, "24 hours")],
)
def test_waits_are_said_in_fitting_units(seconds, words):
    assert Left(seconds).words == words
