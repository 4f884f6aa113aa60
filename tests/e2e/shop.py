"""A site with the widget in its page, and the people who visit it."""

from __future__ import annotations

import time
from typing import Any

from otp import sessions
from sms.testing import code_in, outbox

PHONE = "+12025550123"

#: As strict as a site may be that lets the widget in. No style of a page, and no markup made of text.
POLICY = "default-src 'self'; script-src {otpost}; connect-src {otpost}; require-trusted-types-for 'script'"

#: Notes what the widget raises, from the first moment on.
_LISTEN = """
window.heard = [];
for (const name of ["otpost-verified", "otpost-error"])
  document.addEventListener(name, (event) => heard.push([name, event.detail.code ?? event.detail.session]));
"""


class Shop:
    """A site with the widget in its page, and people who visit it."""

    def __init__(self, chromium: Any, otpost: str) -> None:
        self.chromium, self.otpost = chromium, otpost
        self.html, self.address, self.policy = "", "", POLICY.format(otpost=otpost)
        self.contexts: list[Any] = []
        self.faults: list[str] = []

    def sell(
        self, *, head: str = "", script: str = "<script", within: str = "", named: str = "{id}", **about: Any
    ) -> sessions.Session:
        """A page with the widget for a new session. ``named``: how its attribute names that."""
        made = sessions.create(owner="tests", return_url=self.address, **about)
        attribute = named.format(id=made.id, otpost=self.otpost)
        self.html = f"""<!doctype html><html lang="en"><head><title>Shop</title>{head}
            {script} src="{self.otpost}/widget.js"></script></head><body><main><h1>Shop</h1>
            <otpost-verify session="{attribute}">{within}</otpost-verify></main></body></html>"""
        return made

    def visit(self, *scripts: str, routes: dict[str, Any] | None = None, **options: Any) -> Any:
        """The page in a browser of its own; ``scripts`` run before it. ``routes``: who takes requests."""
        self.contexts.append(self.chromium.new_context(**options))
        found = self.contexts[-1].new_page()
        found.set_default_timeout(20_000)
        found.on("pageerror", lambda error: self.faults.append(str(error)))
        found.on("console", self._note)
        for script in (_LISTEN, *scripts):
            found.add_init_script(script)
        for pattern, take in (routes or {}).items():
            found.route(pattern, take)
        found.goto(self.address)
        return found

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning") and "status of" not in message.text:
            self.faults.append(message.text)


def newest() -> str:
    return code_in(outbox[-1].body)


def wrong() -> str:
    return f"{(int(newest()) + 1) % 10**6:06d}"


def field(found: Any) -> Any:
    return found.locator("otpost-verify input#input")


def see(found: Any, words: str) -> None:
    found.locator("otpost-verify #box").filter(has_text=words).wait_for()


def ask_for_code(found: Any, number: str = PHONE) -> None:
    field(found).fill(number)
    field(found).press("Enter")
    found.locator('otpost-verify input[autocomplete="one-time-code"]').wait_for()


def until(found: Any, holds: str) -> None:
    """Wait for it as the policy of the page allows."""
    deadline = time.monotonic() + 20
    while not found.evaluate(holds):
        assert time.monotonic() < deadline, holds
        found.wait_for_timeout(20)


def done(found: Any, session: sessions.Session) -> None:
    """The phone is verified, and the page has heard of it once."""
    until(found, "heard.some(([name]) => name === 'otpost-verified')")
    assert [of for name, of in found.evaluate("heard") if name == "otpost-verified"] == [session.id]
    assert sessions.read(session.id).status == "valid"


def focused(found: Any) -> str:
    """The id of what has the focus within the widget."""
    name: str = found.evaluate("document.querySelector('otpost-verify').shadowRoot.activeElement?.id ?? ''")
    return name
