"""Which language a page speaks, and that it has all of its words."""

from __future__ import annotations

import re
import string
from gettext import GNUTranslations
from pathlib import Path

import pytest
from django.test import Client
from django.utils import translation
from django.utils.translation.template import templatize

import otp
from otp import sessions
from otp.pages import language
from otp.pages.words import Left
from sms.testing import code_in, outbox
from tests.otp.pages.test_session_pages import begin, form
from tests.otp.pages.visit import PHONE, guess, start, text, title, wrong

LOCALE = Path(otp.__file__).parent / "locale"
CATALOGUES = sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))


def asked(browser, accepted: str, path: str = "/", **more):
    return browser.get(path, headers={"Accept-Language": accepted}, **more)


def html_tag(answer) -> str:
    return "".join(re.findall(r"<html [^>]+>", answer.content.decode()))


# --- which --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "tag", "heading"),
    [
        ("de", "de", "Telefon bestätigen"),
        ("de-AT,en;q=0.5", "de", "Telefon bestätigen"),
        ("pt-BR", "pt", "Verifique o seu telefone"),
        ("sv,fr;q=0.8", "fr", "Vérifiez votre téléphone"),
        ("en;q=0.5,nl;q=0.9", "nl", "Bevestig uw telefoon"),
        ("zh-TW", "zh-Hant", "驗證您的電話"),
        ("zh-Hant-HK", "zh-Hant", "驗證您的電話"),
        ("zh-CN", "zh-Hans", "验证您的电话"),
        ("zh", "zh-Hans", "验证您的电话"),
        ("sv", "en", "Verify your phone"),
        ("", "en", "Verify your phone"),
        ("*", "en", "Verify your phone"),
        ("\x00;q=x,,de_", "en", "Verify your phone"),
    ],
)
def test_accept_language_picks_it(browser, accepted, tag, heading):
    answer = asked(browser, accepted)
    assert html_tag(answer) == f'<html lang="{tag}" dir="ltr">'
    assert heading in text(answer)
    assert "Accept-Language" in answer["Vary"]
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("tag", ["ar", "fa"])
def test_what_runs_from_right_to_left_says_so(browser, tag):
    assert html_tag(asked(browser, tag)) == f'<html lang="{tag}" dir="rtl">'


def test_that_of_the_session_comes_first(browser):
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "fr"
    session = sessions.create(owner="shop", return_url="https://shop.example/", locale="pt_BR")
    answer = begin(browser, session)
    assert 'lang="pt"' in html_tag(answer)
    answer = browser.post("/number", form(answer) | {"phone": "12"})
    assert "O indicativo do país falta ou é desconhecido." in text(answer)
    answer = browser.post("/number", form(answer) | {"phone": PHONE}, follow=True)
    assert title(answer) == "Introduza o código · Otpost"
    answer = browser.post("/cancel", form(answer), follow=True)
    assert 'lang="pt"' in html_tag(answer)


def test_two_tabs_speak_their_own(browser):
    """A form knows the session that it is for, whatever the cookie says by now."""
    german, french = (
        sessions.create(owner="shop", return_url="https://shop.example/", locale=tag) for tag in ("de", "fr")
    )
    first = begin(browser, german)
    begin(browser, french)
    assert 'lang="de"' in html_tag(browser.post("/number", form(first) | {"phone": "12"}))


def test_one_that_we_do_not_have_leaves_it_to_the_browser(browser):
    session = sessions.create(owner="shop", return_url="https://shop.example/", locale="sv-SE")
    answer = browser.get(f"/s/{session.id}", follow=True, headers={"Accept-Language": "it"})
    assert 'lang="it"' in html_tag(answer)


def test_a_session_that_is_over_speaks_the_browsers(browser):
    answer = asked(browser, "de", "/s/never")
    assert (answer.status_code, title(answer)) == (200, "Dieser Link ist abgelaufen · Otpost")


@pytest.mark.parametrize(
    ("locale", "accepted", "begins"),
    [
        ("de", "fr", "{code} ist Ihr "),
        ("", "fr", "{code} est votre code "),
        ("sv", "fr", "{code} est votre code "),
        ("", "sv", "{code} is your "),
    ],
)
def test_the_sms_speaks_as_the_page_does(browser, locale, accepted, begins):
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = accepted
    session = sessions.create(owner="shop", return_url="https://shop.example/", locale=locale)
    answer = begin(browser, session)
    browser.post("/number", form(answer) | {"phone": PHONE})
    body = outbox[-1].body
    assert body.startswith(begins.format(code=code_in(body)))


def test_error_pages_have_it_too(settings):
    browser = Client(enforce_csrf_checks=True)
    answer = asked(browser, "de", "/nothing")
    assert (answer.status_code, "Hier ist nichts" in text(answer)) == (404, True)
    assert "Accept-Language" in answer["Vary"]
    answer = browser.post("/", {"phone": PHONE}, headers={"Accept-Language": "ar"})
    assert (answer.status_code, html_tag(answer)) == (403, '<html lang="ar" dir="rtl">')


def test_one_that_broke_has_it_too(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError

    monkeypatch.setattr("otp.pages.number._ask_or_send", broken)
    answer = asked(Client(raise_request_exception=False), "de")
    assert (answer.status_code, "Etwas ist schiefgegangen" in text(answer)) == (500, True)


def test_nothing_of_it_is_left_behind(browser):
    before = translation.get_language()
    asked(browser, "de")
    assert translation.get_language() == before


def test_a_project_that_is_not_translated_speaks_english(browser, settings):
    settings.USE_I18N = False
    assert html_tag(asked(browser, "de")) == '<html lang="en" dir="ltr">'


def test_why_a_number_is_refused_is_told_more_exactly_in_english(browser):
    for tag, words in (("en", "This is an emergency number"), ("de", "Das ist eine Notrufnummer.")):
        answer = browser.post("/", {"phone": "112"}, headers={"Accept-Language": tag})
        assert (answer.status_code, words in text(answer)) == (422, True)


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("ru", ["1 секунду", "2 секунды", "5 секунд", "21 секунду"]),
        ("pl", ["1 sekundę", "2 sekundy", "5 sekund", "21 sekund"]),
        ("ar", ["ثانية واحدة (1)", "ثانيتين (2)", "5 ثوانٍ", "21 ثانية"]),
        ("ja", ["1秒", "2秒", "5秒", "21秒"]),
    ],
)
def test_plurals(tag, said):
    with translation.override(tag):
        assert [Left(seconds).words for seconds in (1, 2, 5, 21)] == said


@pytest.mark.parametrize("tag", sorted(language.PAGES))
def test_every_page_is_whole_in_every_language(browser, tag):
    """From the number to the end, with a wrong code between: nothing is left in English or unfilled."""
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = tag
    pages = [browser.get("/")]
    code = start(browser)
    pages += [
        browser.get("/code"),
        guess(browser, wrong(code)),
        guess(browser, code),
        browser.get("/s/never"),
    ]
    for page in pages:
        words = text(page)
        assert not re.search(r"[%{}]|&lt;|&amp;", words)
        assert "{#" not in page.content.decode()
        if tag != "en":
            assert not re.search(r"\b(the|your|you|sent|number)\b", words)
        assert html_tag(page).lower().startswith(f'<html lang="{tag}"')


@pytest.mark.parametrize("zero", [0x0660, 0x06F0, 0x0966, 0x09E6, 0xFF10])
def test_digits_of_other_scripts_are_taken(browser, zero):
    """Arabic, Persian, Hindi, Bengali, full width: of the number and of the code, without JavaScript."""

    def written(digits: str) -> str:
        return "".join(chr(zero + int(digit)) for digit in digits)

    answer = browser.post("/", {"phone": "+" + written(PHONE[1:])})
    assert answer.status_code == 303
    assert outbox[-1].to == PHONE
    page = browser.get("/code").content.decode()
    assert 'inputmode="numeric"' in page
    assert "pattern=" not in page  # which would hold them back
    answer = guess(browser, written(code_in(outbox[-1].body)))
    assert "Your phone is verified" in text(answer)


# --- the catalogues -----------------------------------------------------------------------------

#: One message of a catalogue: context, id, plural ("" for none).
Message = tuple[str, str, str]

_STRING = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
_CALLS = re.compile(
    rf"""\b(?:gettext_noop|gettext|_)\(\s*u?{_STRING},?\s*\)
    |\bpgettext(?:_lazy)?\(\s*u?{_STRING},\s*u?{_STRING},?\s*\)
    |\bngettext\(\s*u?{_STRING},\s*u?{_STRING},""",
    re.VERBOSE,
)


def joined(literals: str) -> str:
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"', literals)
    return "".join(parts).replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")


def in_sources() -> set[Message]:
    """The texts in Python and templates of the pages and the widget, as ``makemessages`` finds them."""
    folder = Path(otp.__file__).parent
    texts = [path.read_text() for part in ("pages", "widget") for path in (folder / part).glob("*.py")]
    pages = [path for path in (folder / "templates/otp").rglob("*.html") if "dashboard" not in path.parts]
    # It makes of a template what xgettext can read as Python, with quotes of its own.
    texts += [re.sub(r"u'((?:[^'\\]|\\.)*)'", _requoted, templatize(path.read_text())) for path in pages]
    found = set()
    for one, context, within, singular, plural in _CALLS.findall("\n".join(texts)):
        found.add((joined(context), joined(one or within or singular), joined(plural)))
    return found


def _requoted(match: re.Match[str]) -> str:
    return '"' + match[1].replace("\\'", "'").replace('"', '\\"') + '"'


def catalogue(path: Path) -> dict[Message, list[str]]:
    """Each message of a .po with its translations. It is written as ours are: without comments but flags."""
    found = {}
    for block in path.read_text().strip().split("\n\n")[1:]:
        fields = dict(re.findall(rf"^(msg\w+(?:\[\d\])?) {_STRING}", block, re.M))
        said = [joined(value) for name, value in fields.items() if name.startswith("msgstr")]
        context, one, many = (joined(fields.get(name, "")) for name in ("msgctxt", "msgid", "msgid_plural"))
        message = context, one, many
        assert message not in found
        found[message] = said
    return found


def holes(words: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)s", words))


def test_there_is_one_of_each_language():
    names = {path.parts[-3].replace("_", "-").lower() for path in CATALOGUES}
    assert names | {"en"} == language.PAGES


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_a_catalogue_has_every_message_of_the_sources(path):
    said = catalogue(path)
    assert set(said) == in_sources()
    assert "fuzzy" not in path.read_text()
    for (_, one, many), texts in said.items():
        for words in texts:
            assert words.strip() == words != ""
            assert holes(words) == holes(many or one)
            assert not set(string.printable) & set(words) & set("{}<>")


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_what_is_compiled_is_what_is_written(path):
    with path.with_suffix(".mo").open("rb") as file:
        compiled = GNUTranslations(file)
    expected = {}
    for (context, one, many), texts in catalogue(path).items():
        name = f"{context}\x04{one}" if context else one
        for number, words in enumerate(texts):
            expected[(name, number) if many else name] = words
    found = vars(compiled)["_catalog"]
    assert {name: words for name, words in found.items() if name} == expected
    forms = int(compiled.info()["plural-forms"].partition("nplurals=")[2][0])
    assert all(len(texts) == (forms if many else 1) for (_, _, many), texts in catalogue(path).items())
