"""``/v1/docs`` in a real browser: every call works as it stands there, for everybody and on a phone.

``/v1/errors`` is looked at as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.wsgi import get_wsgi_application

from config.demo import given
from otp.api.access import parse
from otp.api.described import OPERATIONS
from tests.e2e.browser import AXE, CHROMIUM, audit
from tests.serving import serving
from tests.settings import API_KEY

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.together(15)

if not Path(CHROMIUM).exists():
    pytest.skip(f"there is no {CHROMIUM}", allow_module_level=True)

#: Leave one operation of each group, with all that can be opened; the others are made of the same parts.
OPEN = """() => {
  for (const other of document.querySelectorAll("article:not(:first-of-type)")) other.remove();
  for (const closed of document.querySelectorAll("details")) closed.open = true;
}"""


@pytest.fixture
def visit(chromium, settings) -> Iterator[Any]:
    """Open the page in a browser of one's own, which must have nothing to complain about."""
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    faults: list[str] = []
    contexts = []
    with serving(get_wsgi_application()) as url:

        def arrive(path: str = "/v1/docs", **options: Any) -> Any:
            contexts.append(chromium.new_context(**options))
            page = contexts[-1].new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", lambda said: said.type in ("error", "warning") and faults.append(said.text))
            page.goto(f"{url}{path}")
            return page

        yield arrive
        for context in contexts:
            context.close()
    assert faults == []


def test_every_call_works_as_it_stands(visit, settings):
    """With the key of the demo, one after the other: what is made fills in the id of what comes next."""
    environment, _ = given.throwaway({}, port=1, redis_url="", namespace="")
    settings.API_ACCESS = parse(environment["API_ACCESS"].replace("demo=", "tests="))
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    page = visit(viewport={"width": 360, "height": 740})
    page.get_by_label("API key").fill(API_KEY)
    answered = []
    for part in page.locator(".try").all():
        part.locator("summary").click()
        part.get_by_role("button").click()
        line = part.locator(".result p")
        line.wait_for()
        answered.append(line.inner_text()[:3])
    assert answered == ["202", "200", "202", "200", "204", "201", "200", "200", "202", "200", "200", "200"]
    assert API_KEY not in page.url + page.content()


def test_what_went_wrong_is_shown(visit, settings):
    page = visit()
    part = page.locator(".try").nth(3)
    part.locator("summary").click()
    part.get_by_label("id").fill("never")
    page.get_by_label("API key").fill("ключ")  # which no header can hold
    part.get_by_role("button").click()
    playwright.expect(part.get_by_role("status")).to_contain_text("It could not be sent")


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core@4.14.1 of npm where NODE_PATH says")
@pytest.mark.parametrize("path", ["/v1/docs", "/v1/errors#blocked"])
@pytest.mark.parametrize(("width", "theme"), [(360, "light"), (1280, "dark")])
def test_nothing_stands_in_anybodys_way(visit, path, width, theme):
    page = visit(path, viewport={"width": width, "height": 740}, color_scheme=theme)
    page.evaluate(OPEN)
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    assert audit(page) == []


def test_it_can_be_read_without_javascript(visit):
    page = visit(java_script_enabled=False)
    assert page.get_by_role("article").count() == len(OPERATIONS)
    assert page.get_by_role("button").count() == 0
    page.locator("#start_verification").locator("..").get_by_text("Answers").click()
    error = page.locator("article").first.locator("details", has_text="phone_letters").last
    error.locator("summary").click()
    playwright.expect(error.locator("pre")).to_contain_text('"detail": "A phone number has no letters.')
