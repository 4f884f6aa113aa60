"""The text of an e-mail, and the options of ``email://``. tests/sms/mail tests how it leaves."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from otp.purposes import Purpose
from sms.errors import AccountFailure
from sms.message import Channel
from sms.providers import from_url
from sms.providers.email import EmailProvider, Letter
from sms.providers.email_texts import SUBJECTS, as_html, as_text, direction, subject_for
from sms.providers.url import BadProviderURL
from tests.sms.mail.test_smtp import ADDRESS, SMS

ARABIC = "123456 هو رمز Shop الخاص بك. لا تشاركه."


def letter(url: str = "email://?from=codes@shop.example", **changes: Any) -> Letter:
    """The mail that would leave."""
    provider = from_url("mail", url)
    assert isinstance(provider, EmailProvider)
    letters: list[Letter] = []
    provider.carry = lambda one: letters.append(one) or "id"
    assert provider.send(replace(SMS, **changes)) == "id"
    return letters[0]


def test_it_is_e_mail_and_takes_any_text():
    provider = from_url("mail", "email://")
    assert (provider.channel, provider.needs_code) == (Channel.EMAIL, False)
    plain = letter(code="", body="Your parcel is here.\nCome and get it.")
    assert (plain.subject, plain.text) == (
        "Your parcel is here.",
        "Your parcel is here.\nCome and get it.",
    )


def test_nobody_sees_it_printed():
    shown = f"{SMS!r} {letter()!r}"
    assert ADDRESS not in shown
    assert "123456" not in shown


def test_who_makes_one_alone_learns_why_nothing_leaves():
    with pytest.raises(AccountFailure, match="registry"):
        from_url("mail", "email://").send(SMS)


@pytest.mark.parametrize("app_hash", ["", "FA+9qCX9VSu"])
def test_the_lines_for_a_phone_are_left_out(app_hash):
    """As ``otp.purposes`` writes them."""
    purpose = Purpose("login", app_hash=app_hash)
    body = purpose.render("123456", lives=120, site="Shop", host="shop.example")
    assert "#123456" in body
    text = as_text(body, "123456")
    assert text == "123456 is your Shop code. It expires in 2 min. Do not share it."
    assert as_text("See\n\n@shop.example #999999", "123456") == "See\n\n@shop.example #999999"


@pytest.mark.parametrize(
    ("locale", "begins"),
    [
        ("", "123456 is your"),
        ("xx", "123456 is your"),
        ("en-GB", "123456 is your"),
        ("de_AT", "123456 ist Ihr"),
        ("PT-br", "123456 é o seu"),
        ("zh-CN", "123456 是您的验证码"),
        ("zh-Hant-TW", "123456 是您的驗證碼"),
        ("zh-TW", "123456 是您的驗證碼"),
        ("ar-EG", "123456 هو"),
    ],
)
def test_the_subject_is_in_the_language_of_the_user(locale, begins):
    assert subject_for("x", "123456", locale).startswith(begins)


def test_every_subject_begins_with_the_code():
    """Mail on iOS and macOS looks there."""
    assert all(subject.startswith("{code} ") for subject in SUBJECTS.values())
    assert letter("email://?subject={code}+for+Shop").subject == "123456 for Shop"


class Page(HTMLParser):
    """The parts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_page_loads_and_links_nothing():
    page = Page(as_html("123456 for you", "123456 is it. <script>https://x.example</script>", "123456", "en"))
    tags = {tag for tag, _ in page.tags}
    assert tags == {"html", "head", "meta", "title", "body", "p", "strong"}
    assert not {"href", "src", "background"} & {name for _, attrs in page.tags for name in attrs}
    assert not any("url(" in (attrs.get("style") or "") for _, attrs in page.tags)
    assert "<script>https://x.example</script>" in page.text


def test_the_page_keeps_the_colours_of_its_reader():
    text = as_html("t", "123456", "123456", "en")
    assert '<meta name="color-scheme" content="light dark">' in text
    assert not re.search(r"color:|background|#[0-9a-f]{3}\b", text)


@pytest.mark.parametrize(
    ("text", "locale", "expected"),
    [
        ("123456 is it", "en", {"lang": "en", "dir": "ltr"}),
        ("123456 is it", "", {"dir": "ltr"}),
        (ARABIC, "ar", {"lang": "ar", "dir": "rtl"}),
        ("123456 کد شماست", "fa-IR", {"lang": "fa-IR", "dir": "rtl"}),
        ("123456 הוא הקוד", "he", {"lang": "he", "dir": "rtl"}),
        ("123456 آپ کا کوڈ", "ur", {"lang": "ur", "dir": "rtl"}),
        ("123456 is it", "ar", {"lang": "ar", "dir": "ltr"}),  # nobody wrote an Arabic one
    ],
)
def test_the_page_says_its_language_and_direction(text, locale, expected):
    tags = dict(Page(as_html("t", text, "123456", locale)).tags)
    assert tags["html"] == expected
    assert tags["strong"]["dir"] == "ltr"


def test_a_text_without_letters_runs_from_the_left():
    assert direction("123456") == "ltr"


def test_paragraphs_and_lines():
    assert "<p>A<br>\nB</p>\n<p>C</p>" in as_html("t", "A\nB\n\nC\n", "", "")


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("email://?from=Shop", "from= must be an address"),
        ("email://?from=a@b.example%0ABcc:+c@d.example", "from= must be an address"),
        ("email://?subject=Your+code", "subject= must be one line with {code}"),
        ("email://?subject={code}%0AX", "subject= must be one line with {code}"),
        ("email://mail.example.com", "has no option 'host'"),
        ("email://?timeout=60", "timeout=60"),
        ("email://?colour=red", "colour"),
    ],
)
def test_wrong_options_are_refused_with_a_mend(url, mend):
    with pytest.raises(BadProviderURL, match=re.escape(mend)):
        from_url("mail", url)
