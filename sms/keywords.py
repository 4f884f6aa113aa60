"""The words by which users stop, start and ask for help, wherever they are.

A text counts if it is the word alone: case, accents, blanks, punctuation and signs around and in it do not
matter, so "Stop all!" and "OPT-OUT" do, and "Stop calling me Bob" does not.

Sources:

- 47 CFR 64.1200(a)(10): stop, quit, end, revoke, opt out, cancel, unsubscribe. CTIA's Messaging Principles
  follow it.
- twilio.com/docs/messaging/tutorials/advanced-opt-out: its defaults are STOPALL, OPTOUT and those above.
- twilio.com/docs/proxy/opt-out-keywords: ARRET, ARRETE, ARRETT.
- docs.aws.amazon.com/sms-voice/latest/userguide/keywords-required.html: REMOVE, TD.
- hamshahrionline.ir/amp/705344: Iran's regulator; 11 stops what a line sends, 12 starts it again.

No rule names words for the other languages. Ours are what senders commonly offer there, from memory.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

from sms import typed

Word = Literal["", "stop", "start", "help"]

#: By what they mean and their language.
WORDS: dict[Word, dict[str, str]] = {
    "stop": {
        "en": "STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT REMOVE TD",
        "de": "STOPP ABMELDEN ABBESTELLEN",
        "fr": "ARRET ARRETE ARRETT ARRETER DESABONNER",
        "es": "BAJA ALTO PARAR CANCELAR",
        "it": "BASTA ANNULLA CANCELLA DISISCRIVI",
        "pt": "SAIR PARE PARAR CANCELAR",
        "nl": "STOPPEN AFMELDEN UITSCHRIJVEN",
        "ar": "إيقاف توقف إلغاء",
        "fa": "لغو لغو11",
    },
    "start": {"en": "START UNSTOP YES", "es": "ALTA"},
    "help": {
        "en": "HELP INFO",
        "de": "HILFE",
        "fr": "AIDE",
        "es": "AYUDA",
        "it": "AIUTO",
        "pt": "AJUDA",
        "ar": "مساعدة",
        "fa": "راهنما",
    },
}

#: Words that count only from numbers that begin so.
LOCAL: dict[str, dict[str, Word]] = {"+98": {"11": "stop", "12": "start"}}

#: Characters. A longer text is no word, and is not looked at.
LONGEST = 64


def meaning(text: str, phone: str = "") -> Word:
    """The word that ``text`` is; "" if it is none. ``phone``: who sent it, E.164."""
    if len(text) > LONGEST:
        return ""
    word = _bare(text)
    local = next((words for prefix, words in LOCAL.items() if phone.startswith(prefix)), {})
    return local.get(word) or _MEANINGS.get(word, "")


def _bare(text: str) -> str:
    """Letters without accents, and digits. Half of a surrogate pair is neither."""
    letters = unicodedata.normalize("NFKD", text.translate(typed.TO_ASCII))
    return "".join(char for char in letters if char.isalnum()).casefold()


_MEANINGS: dict[str, Word] = {
    _bare(word): meaning
    for meaning, languages in WORDS.items()
    for words in languages.values()
    for word in words.split()
}
