"""docs/reference, docs/vendors and docs/pictures are what the code makes of them today, and lack nothing."""

from __future__ import annotations

import inspect
import re

import pytest

from config.settings import env
from otp import services
from sms import conf
from tests.reference.pages import PAGES
from tests.reference.settings import OF_LIBRARIES
from tests.reference.words import FOLDER, rows_of, same
from tests.scraped import scrape

DOCS = FOLDER.parent


def test_every_page_is_of_something():
    found = {
        str(path.relative_to(DOCS))
        for name in ("reference/*.md", "vendors/*.md", "pictures/*")
        for path in DOCS.glob(name)
    }
    assert found | {"providers.md"} == set(PAGES)  # of which only the table is generated


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_makes(name):
    assert (DOCS / name).read_text() == PAGES[name](), "run `make reference`"


def test_every_setting_has_its_section_and_no_other():
    told = re.findall(r"^### `([A-Z_]+)`$", (FOLDER / "settings.md").read_text(), re.MULTILINE)
    assert len(told) == len(set(told))
    assert set(told) - OF_LIBRARIES == env.names | conf.DECLARED.keys()


def test_a_setting_without_words_is_named(monkeypatch):
    monkeypatch.setitem(conf.DECLARED, "SMS_ACME", conf.Setting(""))
    with pytest.raises(ValueError, match=r"lacks .*SMS_ACME"):
        PAGES["reference/settings.md"]()


def test_words_about_nothing_are_named():
    with pytest.raises(ValueError, match=r"has .*SMS_ACME.*nowhere"):
        same("settings", ["SMS_HELP", "SMS_ACME"], ["SMS_HELP"])


def test_every_metric_that_is_shown_has_its_row(settings):
    rows = re.findall(r"^\| `(otpost_\w+)` \|", (FOLDER / "metrics.md").read_text(), re.MULTILINE)
    families = scrape(settings).families.values()
    shown = {f"{one.name}_total" if one.type == "counter" else one.name for one in families}
    assert len(shown) > 25
    assert shown <= set(rows)
    assert len(rows) == len(set(rows))


def test_every_public_name_of_python_has_its_section():
    page = (FOLDER / "python.md").read_text()
    told = re.findall(r"^### `([\w.]+)`$", page, re.MULTILINE)
    methods = {"generate_otp", "verify_otp", "resend", "cancel"}  # of OTPHandler
    public = {
        f"{module}.{name}"
        for module, names in rows_of("Python").items()
        for name in (names if module != "otp.handler" else {*names} - methods)
    }
    assert {*told} == public
    assert all(f"\n{name}(" in page for name in methods)


def test_a_section_has_the_signature_and_the_docstring_of_its_function():
    section = PAGES["reference/python.md"]().partition("### `otp.services.check`\n")[2].partition("\n### ")[0]
    assert str(inspect.signature(services.check)).replace("'", "")[:22] in section
    assert services.check.__doc__.splitlines()[0].replace("``", "`") in section
