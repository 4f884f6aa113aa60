"""examples/supabase: the payload of Supabase's hook, sent by the command that docs/auth-servers.md shows."""

from __future__ import annotations

import re
import subprocess
import sys

from django.core.wsgi import get_wsgi_application

from config.demo import given
from otp.hooks.settings import parse
from sms.testing import outbox
from tests.serving import serving
from tests.starts import ROOT

SECTION = (ROOT / "docs" / "auth-servers.md").read_text().partition("## Supabase")[2].partition("\n## ")[0]
SETTING, DEMO, CALL = re.findall(r"^ *```sh\n(.*?)^ *```", SECTION, re.MULTILINE | re.DOTALL)


def test_the_command_of_the_page_sends_a_code(settings):
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.HOOKS = parse(SETTING.strip().removeprefix("HOOKS="))
    with serving(get_wsgi_application()) as url:
        call = CALL.replace("http://localhost:8000", url).replace(".venv/bin/python", sys.executable)
        done = subprocess.run(["sh", "-c", call], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "{}\n"), done.stderr
    (sms,) = outbox
    assert (sms.to, sms.body[:6]) == ("+12025550123", "561166")


def test_the_demo_has_the_secret_that_the_command_signs_with():
    secret = DEMO.removesuffix(" make demo\n").removeprefix("HOOKS=supabase=")
    assert f"HOOK_SECRET={secret}\n" in CALL
    environment, _ = given.throwaway({"HOOKS": f"supabase={secret}"}, port=1, redis_url="", namespace="")
    assert parse(environment["HOOKS"]) == {"supabase": secret}
