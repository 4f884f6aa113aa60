"""docs/hand-off.md and examples/handoff_flask: a user is handed over, verifies a phone and comes back."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit
from urllib.request import build_opener

from otp.api.access import parse
from sms.testing import code_in, outbox
from tests.e2e.host import let_in
from tests.examples.conftest import DOCS, EXAMPLES, blocks, flask_app, replaced
from tests.examples.visitor import Browser
from tests.serving import serving
from tests.settings import API_KEY

EXAMPLE, PHONE = "handoff_flask", "+12025550123"
PROGRAM = (EXAMPLES / EXAMPLE / "app.py").read_text()


def verify(browser: Browser) -> None:
    """The user's steps on our pages."""
    browser.submit(phone=PHONE)
    browser.submit(code=code_in(outbox[-1].body))


def test_a_shop_has_a_phone_verified(shop):
    browser = Browser()
    browser.go(shop)
    assert "Verify your phone" in browser.page
    verify(browser)
    assert browser.url.startswith(f"{shop}/?session=")
    assert browser.page == f"Hello {PHONE}"
    with build_opener().open(browser.url, timeout=10) as answer:  # whoever is lured there
        assert answer.read() == b"Not verified: expired"


def test_whoever_has_somebody_else_verify_a_phone_is_not_believed(otpost, settings):
    app = flask_app(EXAMPLE)
    with serving(app) as address:
        let_in(settings, address)
        attacker, victim = app.test_client(), Browser()
        victim.go(attacker.get("/", base_url=address).headers["Location"])
        verify(victim)
        assert victim.page == "Not verified: expired"  # the shop knows nothing of this browser
        session = parse_qs(urlsplit(victim.url).query)["session"][0]
        for brought in ("", "&proof=", "&proof=guessed"):
            answer = attacker.get(f"/?session={session}{brought}", base_url=address)
            assert answer.text == "Not verified: invalid"


def test_whoever_sends_his_own_session_to_somebody_else_puts_no_number_there(otpost, settings):
    with serving(flask_app(EXAMPLE)) as address:
        let_in(settings, address)
        attacker, victim = Browser(), Browser()
        attacker.go(address)
        verify(attacker)
        assert attacker.page == f"Hello {PHONE}"
        victim.go(address)
        victim.go(attacker.url)
        assert victim.page == "Not verified: pending"


def test_the_page_shows_the_program_as_it_is():
    assert blocks("hand-off.md", "python") == [PROGRAM]
    page = (DOCS / "hand-off.md").read_text()
    assert "examples/handoff_flask/app.py" in page
    names = re.findall(r"env\[[\"'](\w+)[\"']\]", PROGRAM)
    assert len(names) == 2
    assert all(f"{name}=" in page for name in names)


def test_the_program_is_short():
    """Beside what it imports: what a shop has to write, and can get wrong."""
    assert ast.get_docstring(ast.parse(PROGRAM))
    lines = [line for line in PROGRAM.splitlines()[1:] if line and not line.startswith(("import", "from"))]
    assert len(lines) == 10
    assert "in ten lines" in (DOCS / "hand-off.md").read_text()


def test_the_lines_of_the_page_for_the_shell(otpost, settings):
    """A user is there between the two. Each answer has the names below it."""
    page = (DOCS / "hand-off.md").read_text()
    settings.API_ACCESS = parse(re.findall(r"API_ACCESS=(\S+)", page)[0].replace("shop=", "tests="))
    begin, prove = (text for text in blocks("hand-off.md", "sh") if text.startswith("curl"))
    known = {"https://verify.example.com": otpost}

    def answer(block: str) -> dict[str, str]:
        line, _, shown = block.partition("# ")
        run = ["sh", "-c", replaced(line, known)]
        found: dict[str, str] = json.loads(subprocess.check_output(run, env=os.environ | {"KEY": API_KEY}))
        assert found.keys() >= set(re.findall(r'"(\w+)": ', shown))
        return found

    made = answer(begin)
    known |= {"3kTq…": made["id"]}
    assert answer(prove)["status"] == "pending"
    browser = Browser()
    browser.go(made["url"])
    browser.submit(phone=PHONE)
    with suppress(OSError):  # where nothing is at localhost:3000
        browser.submit(code=code_in(outbox[-1].body))
    assert answer(prove)["status"] == "invalid"
    way_back = re.findall(r"to `(http\S+)\?", page)[0]
    assert browser.asked.startswith(f"{way_back}?session={made['id']}&proof=")
    known |= {"q7Wd…": parse_qs(urlsplit(browser.asked).query)["proof"][0]}
    found = answer(prove)
    assert (found["status"], found["phone"]) == ("valid", PHONE)


def test_the_page_says_what_the_key_needs():
    access = parse(re.findall(r"API_ACCESS=(\S+)", (DOCS / "hand-off.md").read_text())[0])
    assert set(access) == {"shop"}
