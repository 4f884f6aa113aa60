"""Invisible marks: what copying leaves in numbers and codes is dropped, from a table that Unicode keeps."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from otp import codes, purposes
from otp.pages.words import code_in
from sms import phone, typed
from sms.errors import InvalidNumber

MARKS = [chr(point) for point in range(sys.maxunicode + 1) if typed.INVISIBLE.match(chr(point))]

#: Format characters that show, and so are not default-ignorable: signs that stand over the number after
#: them, interlinear annotations, joiners of hieroglyphs.
VISIBLE = {
    *(0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD),
    *range(0xFFF9, 0xFFFC),
    *range(0x13430, 0x13440),
}

RLE, PDF, LRO, RLO, RLI, PDI = "\u202b", "\u202c", "\u202d", "\u202e", "\u2067", "\u2069"
TURNING = {RLE, RLO, RLI}


def test_every_format_character_that_does_not_show_is_in_the_table():
    """Compared with the Unicode of this Python. tests/e2e compares it with a browser's."""
    formats = {
        chr(point)
        for point in range(sys.maxunicode + 1)
        if unicodedata.category(chr(point)) == "Cf" and point not in VISIBLE
    }
    bidi = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    controls = {
        chr(point) for point in range(sys.maxunicode + 1) if unicodedata.bidirectional(chr(point)) in bidi
    }
    assert formats | controls | {"\u061c", "\u200e", "\u200f"} <= set(MARKS)


def test_no_mark_is_anything_that_shows():
    assert not [mark for mark in MARKS if mark.isdecimal() or mark.isspace()]
    assert len(MARKS) == 4174


def test_marks_are_dropped_around_and_within_a_code():
    """All of them, in any number: the order of a code's digits is the one in which they come."""
    for mark in MARKS:
        assert codes.normalise(f"{mark}12{mark}3 4{mark}{mark}56 {mark}") == "123456", hex(ord(mark))
        assert code_in(f"Your code: 123{mark}456.", purposes.get("login")) == "123456", hex(ord(mark))


def test_marks_are_dropped_around_a_number():
    for mark in MARKS:
        for spelling in (f"{mark}+12025550123{mark}", f" {mark} +1 (202) 555-0123 {mark} {mark}"):
            assert phone.parse(spelling).e164 == phone.canonical(spelling) == "+12025550123", hex(ord(mark))


def test_marks_are_dropped_within_a_number_unless_they_turn_its_digits_round():
    for mark in MARKS:
        spelling = f"+1202{mark}5550123"
        if mark == RLO:
            with pytest.raises(InvalidNumber) as caught:
                phone.parse(spelling)
            assert caught.value.code == "phone_invalid"
        else:
            assert phone.parse(spelling).e164 == "+12025550123", hex(ord(mark))
        if mark not in TURNING:
            assert phone.parse(f"+1 202{mark} 555-{mark}0123").e164 == "+12025550123", hex(ord(mark))


@pytest.mark.parametrize("mark", sorted(TURNING))
@pytest.mark.parametrize("between", [" ", "-", RLE, LRO, RLI, PDI])
def test_groups_that_a_mark_shows_in_another_order_are_refused(mark, between):
    """``+1 202`` and then ``555 0123`` from right to left: a person reads +1 202 0123 555."""
    with pytest.raises(InvalidNumber) as caught:
        phone.parse(f"+1 202 {mark}555{between}0123{PDF}{PDI}")
    assert caught.value.code == "phone_invalid"
    assert "555" not in caught.value.detail


@pytest.mark.parametrize(
    "dash", [chr(p) for p in range(0x10000) if unicodedata.category(chr(p)) == "Pd"] + ["−"]
)
def test_every_dash_may_stand_within_a_number_and_a_code(dash):
    assert phone.parse(f"+1{dash}202{dash}555{dash}0123").e164 == "+12025550123"
    assert codes.normalise(f"123{dash}456") == "123456"


@pytest.mark.parametrize("nothing", ["\u200b", " \u2068\u2069 ", "\ufeff\n"])
def test_marks_alone_are_no_number(nothing):
    with pytest.raises(InvalidNumber) as caught:
        phone.parse(nothing)
    assert caught.value.code == "phone_missing"
