"""Name, logo and colour: what is served, where it stands, and what is refused before anything starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client

import otp
from otp.pages import colours
from tests.otp.pages.visit import PHONE, break_redis, start

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><script>alert(1)</script></svg>'


@pytest.fixture
def branded(settings, tmp_path) -> Path:
    """The file of the logo."""
    path = tmp_path / "logo.svg"
    path.write_text(SVG)
    settings.OTP_SITE_NAME, settings.OTP_SITE_LOGO = "Rose & Co", str(path)
    settings.OTP_SITE_COLOR = "#7a1f5c"
    return path


def links(answer) -> list[str]:
    """The addresses of logo and stylesheet, if they stand where they should."""
    html = answer.content.decode()
    assert re.search(r"<title>[^<]+ · Rose &amp; Co</title>", html)
    (logo,) = re.findall(r'<img class="brand-logo" src="([^"]+)" alt="Rose &amp; Co">', html)
    assert f'<link rel="icon" href="{logo}">' in html
    (stylesheet,) = re.findall(r'pages.css">\s*<link rel="stylesheet" href="([^"]+)">', html)
    return [logo, stylesheet]


def test_they_stand_on_pages_and_error_pages(browser, branded, settings, monkeypatch):
    start(browser)
    pages = [browser.get("/"), browser.get("/code"), browser.get("/nothing"), browser.get("/s/never")]
    strict = Client(enforce_csrf_checks=True, raise_request_exception=False)
    pages += [strict.post("/", {"phone": PHONE}), strict.get("/", headers={"Cookie": "a" * 5000})]
    break_redis(settings)
    pages.append(browser.get("/code"))
    monkeypatch.setattr("otp.pages.number.ask", lambda *_, **__: 1 / 0)
    pages.append(strict.get("/"))
    assert [page.status_code for page in pages] == [200, 200, 404, 200, 403, 431, 503, 500]
    assert {tuple(links(page)) for page in pages} == {tuple(links(pages[0]))}


def test_what_is_served(browser, branded, settings):
    logo, stylesheet = links(browser.get("/"))
    answer = browser.get(logo)
    assert (answer["Content-Type"], answer.content.decode()) == ("image/svg+xml", SVG)
    # Opened by itself it runs nothing.
    assert answer["Content-Security-Policy"].startswith("default-src 'none';")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"] == "public, max-age=86400"
    assert browser.get(logo, headers={"If-None-Match": answer["ETag"]}).status_code == 304
    answer = browser.get(stylesheet)
    assert answer["Content-Type"] == "text/css; charset=utf-8"
    assert "--brand: #7a1f5c;" in answer.content.decode()
    assert browser.post(stylesheet).status_code == 405
    settings.OTP_SITE_COLOR = "#175a4b"
    assert links(browser.get("/"))[1] != stylesheet  # so that no browser keeps the old one


def test_without_the_settings_there_is_neither(browser):
    assert b"/site-" not in browser.get("/").content
    for path in ("/site-logo", "/site-colours.css"):
        assert browser.get(path).status_code == 404


def check() -> None:
    call_command("check")


def test_good_ones_are_no_issue(branded):
    check()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OTP_SITE_COLOR", "red", "'red'. Write # and six hexadecimal digits"),
        ("OTP_SITE_COLOR", "#ffd400", "contrast of 1.4:1 with the paper of the pages.* such as #8a7200"),
        ("OTP_SITE_LOGO", "logo.gif", "Name a file that ends in .svg, .png"),
        ("OTP_SITE_LOGO", "/nowhere/logo.svg", "/nowhere/logo.svg, cannot be read: No such file"),
        ("OTP_SITE_LOGO", "large.png", "has 100,001 bytes.* smaller than 100,000"),
    ],
)
def test_bad_ones_name_the_setting_and_the_mend(settings, tmp_path, name, value, told):
    large = tmp_path / "large.png"
    large.write_bytes(bytes(100_001))
    setattr(settings, name, str(large) if value == large.name else value)
    with pytest.raises(SystemCheckError, match=rf"otp.E019\) {name}.*{told}"):
        check()
    assert Client().get("/nothing").status_code == 404  # an error page can still be shown


def test_whatever_the_colour_every_text_can_be_read():
    """In light and dark, for each accepted colour: on the page, on its tint, and below text."""
    steps = [0, 51, 102, 153, 204, 255]
    every = [f"#{red:02x}{green:02x}{blue:02x}" for red in steps for green in steps for blue in steps]
    for colour in map(colours.readable, every):
        halves = re.findall(r"{ (--brand[^{}]+) }", colours.stylesheet(colour))
        for letter, half in zip((colours.LETTER, colours.DARK_LETTER), halves, strict=True):
            made = dict(re.findall(r"--([\w-]+): (#\w{6})", half))
            for text, ground in (
                (made["brand"], letter),
                (made["on-brand"], made["brand"]),
                (made["on-brand"], made["brand-hover"]),
                (made["brand-hover"], made["tint"]),
                (made["brand-hover"], letter),
            ):
                assert colours.contrast(text, ground) >= 4.5, (colour, made)


def test_every_variable_of_the_stylesheets_is_defined():
    """A misspelled one has no colour, without any error."""
    folder = Path(otp.__file__).parent / "static/otp"
    for page in ["pages.css"], ["dashboard.css", "docs.css"]:  # as pages load them
        css = "".join((folder / name).read_text() for name in page)
        assert set(re.findall(r"var\((--[\w-]+)", css)) <= set(re.findall(r"(--[\w-]+):", css)), page
