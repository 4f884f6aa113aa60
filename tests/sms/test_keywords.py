"""Words by which users stop, start and ask for help: understood alone, and only alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms import keywords

WORDS = [
    (word, meaning)
    for meaning, languages in keywords.WORDS.items()
    for words in languages.values()
    for word in words.split()
]


@pytest.mark.parametrize("form", ["{}", "{} ", "\n {}.", "«{}»!!", "\u200f{}\u200f", "{}\ufe0f ✋", "({})?"])
@pytest.mark.parametrize(("word", "meaning"), WORDS)
def test_a_word_alone_is_one_whatever_is_around_it(word, meaning, form):
    for spelling in (word, word.lower(), word.capitalize()):
        assert keywords.meaning(form.format(spelling)) == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("Stop all", "stop"),
        ("OPT-OUT", "stop"),
        ("opt out", "stop"),
        ("s.t.o.p", "stop"),
        ("\uff53\uff54\uff4f\uff50", "stop"),  # full-width
        ("Arrêt", "stop"),
        ("désabonner", "stop"),
        ("ايقاف", "stop"),  # without the hamza, as it is mostly typed
        ("لغو\u06f1\u06f1", "stop"),
        ("لغو 11", "stop"),
        ("unStop", "start"),
        ("Info?", "help"),
    ],
)
def test_spellings(text, meaning):
    assert keywords.meaning(text) == meaning


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "?", "✋", "\ud83d", "\0", "Stop calling me Bob", "please stop", "do not stop", "stop it"),
        *("yesterday", "endless", "canceled", "no", "ok", "stop" * 20, "s" * 100_000, "stop " + "x" * 1600),
    ],
)
def test_what_is_no_word(text):
    assert keywords.meaning(text) == ""


@pytest.mark.parametrize(
    ("digits", "meaning"), [("11", "stop"), ("\u06f1\u06f1", "stop"), ("12", "start"), ("13", "")]
)
def test_the_digits_of_irans_regulator_count_there_alone(digits, meaning):
    assert keywords.meaning(digits, "+989121234567") == meaning
    assert keywords.meaning(digits, "+12025550123") == ""


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_looked_at(text):
    assert keywords.meaning(text) in ("", "stop", "start", "help")


def test_no_word_means_two_things():
    found: dict[str, str] = {}
    for word, meaning in WORDS:
        assert found.setdefault(word, meaning) == meaning
