"""The pages about moving to Otpost: a project as it was before, then as it is after, with the same users."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contrib.project import OWN, PAGES, ROOT, URLS, blocks

ALLAUTH, PHONE_VERIFY = "docs/moving-from-allauth-codes.md", "docs/moving-from-django-phone-verify.md"

#: The beginning of every visit of a project: its tables, a browser, and what was sent by Twilio's SDK.
VISIT = """
import json, re
import django
django.setup()
from django.contrib.auth import get_user
from django.core.management import call_command
from django.test import Client
from sms.testing import code_in, outbox
from twilio.rest.api.v2010.account.message import MessageList

sent = []
MessageList.create = lambda self, **sms: sent.append(sms)
call_command("migrate", run_syncdb=True, verbosity=0)
PHONE = "+12025550123"
browser = Client()
"""

SIGN_UP = """
browser.post("/accounts/signup/", {"phone": PHONE, "password1": "a long sentence"})
assert (sent[0]["to"], sent[0]["from_"], outbox) == (PHONE, "+15005550006", [])
code = sent[0]["body"].removeprefix("Your code is ")
browser.post("/accounts/phone/verify/", {"code": code})
assert get_user(browser).phone == PHONE
"""

LOG_IN = """
browser.post("/accounts/login/code/", {"phone": PHONE})
assert (outbox[-1].to, sent) == (PHONE, [])
browser.post("/accounts/login/code/confirm/", {"code": code_in(outbox[-1].body)})
assert get_user(browser).phone_verified
"""

#: A program that knows the endpoints of django-phone-verify, and nothing of ours.
VERIFY = """
def post(name, **body):
    answer = browser.post(f"/api/phone/{name}", body, "application/json")
    return answer.status_code, answer.json()

status, answer = post("register", phone_number=PHONE)
assert (status, list(answer)) == (200, ["session_token"])
asked = {"phone_number": PHONE, "session_token": answer["session_token"]}
assert post("verify", **asked, security_code="000000")[0] == 400
assert post("verify", **asked | {"phone_number": "+12025550124"}, security_code="000000") == (
    400, {"non_field_errors": ["Session Token mis-match"]}
)
assert post("verify", phone_number=PHONE, session_token="x", security_code="1")[0] == 400
code = code_in(outbox[-1].body)
assert post("verify", **asked, security_code=code) == (200, {"message": "Security code is valid."})
assert post("verify", **asked, security_code=code)[0] == 400
status, answer = post("register", phone_number="12")
assert (status, list(answer)) == (400, ["phone_number"])
assert post("register", phone_number=PHONE)[0] == 200
assert post("register", phone_number=PHONE)[0] == 429
"""


def part(page: str, beginning: str) -> str:
    """The examples of a page that begin so, also of a list."""
    text = (ROOT / page).read_text()
    found = re.findall(
        rf"^( *)```python\n(\1{re.escape(beginning)}\n.*?)^\1```", text, re.MULTILINE | re.DOTALL
    )
    assert found, beginning
    return "".join(re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found)


class Shop:
    """A project in a folder, whose files change while its database stays."""

    def __init__(self, directory: Path, redis_url: str) -> None:
        self.directory, self.redis = directory, redis_url.rpartition("/")[0]
        (directory / "shop").mkdir()
        self.write("__init__.py", "from .celery import app\n")
        celery = blocks("docs/in-django.md", "# yourproject/celery.py")
        self.write("celery.py", celery.replace("yourproject", "shop"))
        self.settings = OWN.replace(":memory:", str(directory / "db.sqlite3"))
        self.settings += blocks("docs/in-django.md", "# settings.py")
        self.test_settings = blocks("docs/testing.md", "# settings_test.py")
        self.write("settings_test.py", self.test_settings)

    def write(self, name: str, text: str) -> None:
        text = re.sub(r"redis://localhost:6379(?=/\d)", self.redis, text)
        (self.directory / "shop" / name).write_text(text)

    def run(self, *command: str) -> None:
        env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "shop.settings_test",
            "PYTHONPATH": f"{self.directory}:{ROOT}",
            "SMS_PROVIDER_URL": "twilio://SID:TOKEN@?from=%2B15005550006",
            "TWILIO_SID": "AC1",
            "TWILIO_TOKEN": "token",
        }
        done = subprocess.run(
            [sys.executable, *command],
            check=False,
            cwd=self.directory,
            env=env,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def visit(self, script: str) -> None:
        self.run("-c", VISIT + script)

    def check(self, page: str) -> None:
        """The command of the page, which must find nothing wrong."""
        assert "python manage.py check\n" in (ROOT / page).read_text()
        self.run("-m", "django", "check", "--fail-level", "ERROR")


@pytest.fixture
def shop(tmp_path, redis_server) -> Shop:
    return Shop(tmp_path, redis_server.url)


@pytest.mark.first(10)
@pytest.mark.parametrize("subclassed", [False, True])
def test_whoever_signed_up_by_allauths_own_codes_logs_in_by_ours(shop, subclassed):
    page = PAGES["django-allauth"]
    ours = shop.settings + blocks(page, "# settings.py: django-allauth\n")
    ours += '\nAUTH_USER_MODEL = "shop.User"\n'
    shop.write("models.py", blocks(page, "# models.py: the user of django-allauth\n"))
    shop.write("urls.py", URLS + blocks(page, "# urls.py: django-allauth\n"))

    shop.write("settings.py", ours + part(ALLAUTH, "# settings.py, before"))
    shop.write("adapter.py", part(ALLAUTH, "# shop/adapter.py, before"))
    shop.visit(SIGN_UP)

    if subclassed:
        shop.write("adapter.py", part(ALLAUTH, "# shop/adapter.py, after"))
        shop.write("settings.py", ours + part(ALLAUTH, "# settings.py, after, with a subclass"))
    else:
        (shop.directory / "shop" / "adapter.py").unlink()
        shop.write("settings.py", ours + part(ALLAUTH, "# settings.py, after"))
    shop.check(ALLAUTH)
    shop.visit(LOG_IN)


@pytest.mark.first(10)
def test_a_program_for_django_phone_verify_needs_no_change(shop):
    shop.write("settings.py", shop.settings + part(PHONE_VERIFY, "# settings.py, after"))
    shop.write("phone_api.py", part(PHONE_VERIFY, "# shop/phone_api.py"))
    shop.write("urls.py", URLS + part(PHONE_VERIFY, "# urls.py, after"))
    shop.check(PHONE_VERIFY)
    shop.visit(VERIFY)
