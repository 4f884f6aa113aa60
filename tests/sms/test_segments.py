"""The number of parts of a text: no character may be divided between two of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms import segments

#: The characters that take two places: after an escape in GSM-7, as a surrogate pair in UCS-2.
ESCAPED, PAIR = "^{}[]~|\\€\f", "😀🎁"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 152 + "€" + "a" * 152, 3),
        ("a" * 151 + "€" + "a" * 153, 2),
        ("a" * 152 + "€" + "a" * 151, 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("€" * 152, 2),
        ("€" * 153, 3),
        ("ж" * 66 + "😀" + "ж" * 66, 3),
        ("ж" * 65 + "😀" + "ж" * 67, 2),
        ("😀" * 35, 1),
        ("😀" * 66, 2),
        ("😀" * 67, 3),
        ("ж" * 66 + "\ud83d" + "ж" * 67, 2),
    ],
    ids=lambda value: str(value)[:3] + "…" + str(len(str(value))),
)
def test_a_character_of_two_places_begins_the_next_part_where_one_place_is_left(text, parts):
    assert segments.count(text) == parts


def packed(text: str) -> list[str]:
    """The parts themselves, filled one character at a time."""
    is_gsm = all(char in segments.GSM_7 for char in text)

    def places(part: str) -> int:
        wide = ESCAPED if is_gsm else [char for char in part if ord(char) > 0xFFFF]
        return len(part) + sum(char in wide for char in part)

    if places(text) <= (160 if is_gsm else 70):
        return [text]
    parts = [""]
    for char in text:
        if places(parts[-1] + char) > (153 if is_gsm else 67):
            parts.append("")
        parts[-1] += char
    return parts


@given(st.lists(st.tuples(st.sampled_from(["a", "ж", *ESCAPED, *PAIR]), st.integers(0, 160)), max_size=5))
def test_the_parts_are_those_of_a_packer_that_fills_one_after_the_other(runs):
    text = "".join(char * count for char, count in runs)
    assert segments.split(text) == packed(text)
    assert segments.count(text) == len(packed(text))
