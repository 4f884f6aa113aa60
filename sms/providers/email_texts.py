"""The content of an e-mail: subject, plain text, and a small HTML page.

The subject begins with the code, because Mail on iOS and macOS offers it from there. The page has no images,
links or other resources, so nobody can track when it is read. It sets no colours, so the reader's own apply,
light or dark.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape

#: Subjects by language; English is the default. The translations are ours, and ``subject=`` replaces them.
SUBJECTS = {
    "en": "{code} is your verification code",
    "ar": "{code} هو رمز التحقق الخاص بك",
    "cs": "{code} je váš ověřovací kód",
    "da": "{code} er din bekræftelseskode",
    "de": "{code} ist Ihr Bestätigungscode",
    "el": "{code} είναι ο κωδικός επαλήθευσής σας",  # noqa: RUF001  # a Greek letter, as it should be
    "es": "{code} es tu código de verificación",
    "fa": "{code} کد تأیید شماست",
    "fi": "{code} on vahvistuskoodisi",
    "fr": "{code} est votre code de vérification",
    "he": "{code} הוא קוד האימות שלך",
    "hi": "{code} आपका सत्यापन कोड है",
    "hu": "{code} az ellenőrző kódod",
    "id": "{code} adalah kode verifikasi Anda",
    "it": "{code} è il tuo codice di verifica",
    "ja": "{code} が確認コードです",
    "ko": "{code} 인증 코드입니다",
    "nb": "{code} er bekreftelseskoden din",
    "nl": "{code} is je verificatiecode",
    "pl": "{code} to Twój kod weryfikacyjny",
    "pt": "{code} é o seu código de verificação",
    "ro": "{code} este codul tău de verificare",
    "ru": "{code} — ваш код подтверждения",
    "sv": "{code} är din verifieringskod",
    "tr": "{code} doğrulama kodunuz",
    "uk": "{code} — ваш код підтвердження",
    "ur": "{code} آپ کا تصدیقی کوڈ ہے",
    "vi": "{code} là mã xác minh của bạn",
    "zh": "{code} 是您的验证码",
    "zh-hant": "{code} 是您的驗證碼",
    "zh-hk": "{code} 是您的驗證碼",
    "zh-tw": "{code} 是您的驗證碼",
}

#: Characters of a subject without a code, which is the first line of the message.
LONGEST_SUBJECT = 78

#: The end of an SMS that binds its code to a host, after an optional app hash: see otp.purposes.
_OF_SMS = r"\n\n(?:[A-Za-z0-9+/]{{11}}\n)?@\S+ #{code}"

_PAGE = """\
<!DOCTYPE html>
<html{lang} dir="{dir}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">
<title>{title}</title>
</head>
<body style="margin:0; padding:1.5em; font:1em/1.5 sans-serif">
{paragraphs}
</body>
</html>
"""

_CODE = '<strong dir="ltr" style="font-size:1.5em; letter-spacing:.1em; white-space:nowrap">{code}</strong>'


def as_text(body: str, code: str) -> str:
    """``body`` without the lines that only an SMS needs."""
    return re.sub(_OF_SMS.format(code=re.escape(code)) + r"\Z", "", body) if code else body


def subject_for(text: str, code: str, locale: str, own: str = "") -> str:
    """A subject that begins with the code, in the language of ``locale``. ``own``: the operator's subject."""
    if not code:
        return " ".join(text.split("\n", 1)[0].split())[:LONGEST_SUBJECT]
    tag = locale.replace("_", "-").lower()
    subject = own or SUBJECTS.get(tag) or SUBJECTS.get("-".join(tag.split("-")[:2]))
    return (subject or SUBJECTS.get(tag.partition("-")[0], SUBJECTS["en"])).replace("{code}", code)


def as_html(title: str, text: str, code: str, locale: str) -> str:
    """``text`` as an HTML page that highlights the code."""
    content = escape(text.strip())
    if code:
        content = content.replace(escape(code), _CODE.format(code=escape(code)), 1)
    paragraphs = (part.replace("\n", "<br>\n") for part in re.split(r"\n{2,}", content))
    lang = escape(locale.replace("_", "-"))
    return _PAGE.format(
        lang=f' lang="{lang}"' if lang else "",
        dir=direction(text),
        title=escape(title),
        paragraphs="\n".join(f"<p>{part}</p>" for part in paragraphs),
    )


def direction(text: str) -> str:
    """``rtl`` or ``ltr``, by the first strong character (Unicode Standard Annex 9, P2 and P3).

    The locale does not decide, because the text may be in another language if there is none in the user's.
    """
    kinds = (unicodedata.bidirectional(char) for char in text)
    return "rtl" if next((kind for kind in kinds if kind in ("L", "R", "AL")), "L") != "L" else "ltr"
