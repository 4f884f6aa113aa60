"""The text of a phone call: words around the code in the user's language, and the code, character by
character.

A vendor lists the languages for which it has a voice. The call uses the first of these that has both a voice
and words here: the locale itself, such as pt-PT; its language, such as pt; English.

Persian has no words, because neither Twilio nor Vonage has a voice for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from sms.errors import PermanentFailure

Voice = TypeVar("Voice")


class Words(NamedTuple):
    press: str  # asks for a key
    code: str  # comes before the code
    again: str  # comes before its repetition


WORDS: Mapping[str, Words] = {
    "ar": Words(
        "مرحبا. اضغط على أي مفتاح لسماع رمز التحقق الخاص بك.",
        "رمز التحقق الخاص بك هو:",
        "مرة أخرى، الرمز هو:",
    ),
    "de": Words(
        "Guten Tag. Drücken Sie eine beliebige Taste, um Ihren Bestätigungscode zu hören.",
        "Ihr Bestätigungscode lautet:",
        "Noch einmal, der Code lautet:",
    ),
    "en": Words(
        "Hello. Press any key to hear your verification code.",
        "Your verification code is:",
        "Once more, the code is:",
    ),
    "es": Words(
        "Hola. Pulse cualquier tecla para escuchar su código de verificación.",
        "Su código de verificación es:",
        "Una vez más, el código es:",
    ),
    "fr": Words(
        "Bonjour. Appuyez sur une touche pour entendre votre code de vérification.",
        "Votre code de vérification est :",
        "Encore une fois, le code est :",
    ),
    "hi": Words(
        "नमस्ते। अपना सत्यापन कोड सुनने के लिए कोई भी कुंजी दबाएँ।", "आपका सत्यापन कोड है:", "एक बार फिर, कोड है:"
    ),
    "it": Words(
        "Buongiorno. Prema un tasto qualsiasi per ascoltare il suo codice di verifica.",
        "Il suo codice di verifica è:",
        "Ancora una volta, il codice è:",
    ),
    "ja": Words(
        "こんにちは。認証コードをお聞きになるには、いずれかのキーを押してください。",
        "認証コードは、",
        "もう一度申し上げます。認証コードは、",
    ),
    "nl": Words(
        "Goedendag. Druk op een willekeurige toets om uw verificatiecode te horen.",
        "Uw verificatiecode is:",
        "Nog een keer, de code is:",
    ),
    "pl": Words(
        "Dzień dobry. Naciśnij dowolny klawisz, aby usłyszeć kod weryfikacyjny.",
        "Twój kod weryfikacyjny to:",
        "Jeszcze raz, kod to:",
    ),
    "pt": Words(
        "Olá. Pressione qualquer tecla para ouvir o seu código de verificação.",
        "O seu código de verificação é:",
        "Mais uma vez, o código é:",
    ),
    "ru": Words(
        "Здравствуйте. Нажмите любую клавишу, чтобы услышать код подтверждения.",
        "Ваш код подтверждения:",
        "Ещё раз, код подтверждения:",
    ),
    "tr": Words(
        "Merhaba. Doğrulama kodunuzu duymak için herhangi bir tuşa basın.",
        "Doğrulama kodunuz:",
        "Bir kez daha, kodunuz:",
    ),
    "zh": Words("您好。请按任意键收听您的验证码。", "您的验证码是：", "再说一遍，验证码是："),
}


def found_for(locale: str, voices: Mapping[str, Voice]) -> tuple[Words, Voice]:
    """The words for a locale, and a vendor's voice for them.

    ``locale``: such as pt-BR, pt_br or pt; "" is English. ``voices``: by language or locale in lower case.
    ``en`` must be among them.
    """
    whole = locale.lower().replace("_", "-")
    for tag in (whole, whole.partition("-")[0]):
        language = tag.partition("-")[0]
        if tag in voices and language in WORDS:
            return WORDS[language], voices[tag]
    return WORDS["en"], voices["en"]


def read_out(code: str, words: Words) -> list[str]:
    """The sentences that say the code, twice. Commas make the voice pause after each character.

    Raises ``PermanentFailure`` if the code has a character that voices cannot say.
    """
    if not code.isalnum():
        raise PermanentFailure("a call can say only letters and digits", code="code")
    characters = ", ".join(code)
    return [f"{before} {characters}." for before in (words.code, words.again)]
