"""docs/hand-off.md and examples/handoff_flask: a user is handed over, verifies a phone and comes back."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from urllib.request import build_opener

import pytest

from otp.api.access import parse
from sms.testing import code_in, outbox
from tests.e2e.host import let_in
from tests.examples.conftest import flask_app
from tests.examples.visitor import Browser
from tests.serving import serving
from tests.settings import API_KEY

ROOT = Path(__file__).parents[2]
EXAMPLE, PHONE = "handoff_flask", "+12025550123"


def test_a_shop_has_a_phone_verified(shop):
    browser = Browser()
    browser.go(shop)
    browser.submit()
    assert "Verify your phone" in browser.page
    browser.submit(phone=PHONE)
    browser.submit(code=code_in(outbox[-1].body))
    assert browser.url.startswith(f"{shop}/verified?session=")
    assert f"<h1>valid</h1><p>{PHONE}</p>" in browser.page
    answer = build_opener().open
    with pytest.raises(OSError, match="400"):  # whoever lures somebody else there
        answer(browser.url, timeout=10)
    with pytest.raises(OSError, match="400"):  # whoever never began
        answer(f"{shop}/verified?session=3kTq", timeout=10)


def test_whoever_has_somebody_else_verify_a_phone_is_not_believed(otpost, settings):
    app = flask_app(EXAMPLE)
    with serving(app) as address:
        let_in(settings, address)
        attacker = app.test_client()
        url = attacker.post("/verify", base_url=address).headers["Location"]
        victim = Browser()
        victim.go(url)
        victim.submit(phone=PHONE)
        with pytest.raises(OSError, match="400"):  # the shop knows nothing of this browser
            victim.submit(code=code_in(outbox[-1].body))
        with attacker.session_transaction(base_url=address) as kept:
            id, state = kept["verifying"]
        answer = attacker.get(f"/verified?session={id}&state={state}", base_url=address)
    assert (answer.status_code, answer.text) == (400, "Somebody else has verified a phone here.")


def test_the_lines_of_the_page_for_the_shell(otpost, settings):
    """What each is answered has the names that stand below it."""
    page = (ROOT / "docs" / "hand-off.md").read_text()
    settings.API_ACCESS = parse(re.findall(r"API_ACCESS=(\S+)", page)[0].replace("shop=", "tests="))
    id = "3kTq…"
    for lines in re.findall(r"^ *```sh\n( *curl .*?)^ *```", page, re.MULTILINE | re.DOTALL):
        line, _, shown = lines.replace("https://verify.example.com/v1", f"{otpost}/v1").partition("# ")
        done = subprocess.run(
            ["sh", "-c", line.replace("3kTq…", id)],
            env=os.environ | {"KEY": API_KEY},
            capture_output=True,
            text=True,
            check=True,
        )
        answer = json.loads(done.stdout)
        id = answer["id"]
        assert answer.keys() >= set(re.findall(r'"(\w+)": ', shown))
    assert answer["status"] == "pending"  # where the page is, the user has been there meanwhile


def test_the_page_names_the_example_and_what_it_needs():
    page = (ROOT / "docs" / "hand-off.md").read_text()
    assert "examples/handoff_flask/app.py" in page
    for name in re.findall(r'os.environ\["(\w+)"\]', (ROOT / "examples/handoff_flask/app.py").read_text()):
        assert f"{name}=" in page
    assert set(parse(re.findall(r"API_ACCESS=(\S+)", page)[0])) == {"shop"}
