"""The words of a call: words in the language of the locale, and a code that a voice can say."""

from __future__ import annotations

import pytest

from sms.errors import PermanentFailure
from sms.providers import twilio_voice, vonage_voice
from sms.providers.spoken import WORDS, found_for, read_out

VOICES = {"en": "Amy", "de": "Vicki", "pt": "Camila", "pt-pt": "Cristiano", "xx": "nobody has words for it"}


@pytest.mark.parametrize(
    ("locale", "words", "voice"),
    [
        ("de", "de", "Vicki"),
        ("de-AT", "de", "Vicki"),
        ("DE_at", "de", "Vicki"),
        ("pt-PT", "pt", "Cristiano"),
        ("pt-BR", "pt", "Camila"),
        ("", "en", "Amy"),
        ("fr", "en", "Amy"),  # words, but no voice
        ("xx", "en", "Amy"),  # a voice, but no words
        ("fa-IR", "en", "Amy"),
        ("-", "en", "Amy"),
    ],
)
def test_the_language_of_a_locale(locale, words, voice):
    assert found_for(locale, VOICES) == (WORDS[words], voice)


@pytest.mark.parametrize("voices", [twilio_voice.VOICES, vonage_voice.LANGUAGES], ids=["twilio", "vonage"])
def test_each_language_has_a_voice_of_its_own_and_each_voice_words(voices):
    assert WORDS.keys() == {tag.partition("-")[0] for tag in voices}
    assert WORDS.keys() <= voices.keys()
    for tag in voices:
        words, voice = found_for(tag, voices)
        assert (words, voice) == (WORDS[tag.partition("-")[0]], voices[tag])


def test_no_two_languages_say_the_same():
    said = [text for words in WORDS.values() for text in words]
    assert len(set(said)) == len(said)
    assert all(text.strip() == text for text in said)


def test_the_code_is_said_twice_and_each_character_alone():
    assert read_out("120599", WORDS["en"]) == [
        "Your verification code is: 1, 2, 0, 5, 9, 9.",
        "Once more, the code is: 1, 2, 0, 5, 9, 9.",
    ]
    assert read_out("K7Ж", WORDS["de"])[0] == "Ihr Bestätigungscode lautet: K, 7, Ж."


@pytest.mark.parametrize("code", ["", "12 34", "12-34", "<b>", "1\r\n2", "1\0", "\ud800"])
def test_what_no_voice_says_is_refused(code):
    with pytest.raises(PermanentFailure) as caught:
        read_out(code, WORDS["en"])
    assert caught.value.code == "code"
