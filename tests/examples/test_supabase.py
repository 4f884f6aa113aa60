"""examples/supabase: the payload of Supabase's hook, sent by the command that docs/auth-servers.md shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from urllib.request import urlopen

from django.core.wsgi import get_wsgi_application

from otp.hooks.settings import parse
from sms.testing import outbox
from tests.e2e.browser import running_demo
from tests.faults.stack import wait_for
from tests.serving import serving
from tests.starts import ROOT

SECTION = (ROOT / "docs" / "auth-servers.md").read_text().partition("## Supabase")[2].partition("\n## ")[0]
SETTING, DEMO, CALL = re.findall(r"^ *```sh\n(.*?)^ *```", SECTION, re.MULTILINE | re.DOTALL)


def call(url: str) -> tuple[int, str, str]:
    """The command of the page: its exit code, and what it says."""
    command = CALL.replace("http://localhost:8000", url).replace(".venv/bin/python", sys.executable)
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_command_of_the_page_sends_a_code(settings):
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.HOOKS = parse(SETTING.strip().removeprefix("HOOKS="))
    with serving(get_wsgi_application()) as url:
        assert call(url) == (0, "{}\n", "")
    (sms,) = outbox
    assert (sms.to, sms.body[:6]) == ("+12025550123", "561166")


def test_the_demo_shows_the_sms_on_its_virtual_phone():
    """`make demo`, with what the page puts before it."""
    variable, _, secret = DEMO.removesuffix(" make demo\n").partition("=")
    with running_demo(**{variable: secret}) as demo:
        assert call(demo.url) == (0, "{}\n", "")
        wait_for(lambda: shown(demo.url))
        assert shown(demo.url) == [("+12025550123", "561166")]


def shown(url: str) -> list[tuple[str, str]]:
    """The messages on the virtual phone: the numbers, and how the texts begin."""
    with urlopen(f"{url}/phone/messages") as answer:  # noqa: S310
        return [(one["to"], one["body"][:6]) for one in json.load(answer)["messages"]]
