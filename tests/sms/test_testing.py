"""The tools for a project's tests, set up as the docs say: each finds the same, run after run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from otp import services
from otp.errors import RateLimited
from sms import cells, names, scripts
from sms import services as sms
from sms.errors import Unavailable
from sms.scripts import client, gather
from sms.testing import code_in, outbox, reset

ROOT = Path(__file__).parents[2]
PHONE = "+12025550123"

OWN = """
import os
SECRET_KEY = "of the project"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "yourproject.urls"
INSTALLED_APPS = []
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""

URLS = """
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path
from otp import services
from otp.caller import caller_of

started = []

def login(request):
    started.append(services.start(request.POST["phone"], caller=caller_of(request)).id)
    return HttpResponse()

def code(request):
    valid = services.check(started[-1], request.POST["code"]).status == "valid"
    return redirect("/") if valid else HttpResponse()

urlpatterns = [path("login/", login), path("code/", code)]
"""


def block(beginning: str) -> str:
    """The example of the docs that begins so."""
    names = ("in-django.md", "start/django.md", "testing.md")
    pages = "".join((ROOT / "docs" / name).read_text() for name in names)
    found = re.search(rf"```python\n({re.escape(beginning)}.*?)```", pages, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def project(tmp_path):
    """Runs the tests of a project that has followed the docs."""
    package = tmp_path / "yourproject"
    package.mkdir()
    (package / "__init__.py").write_text("from .celery import app\n")
    (package / "celery.py").write_text(block("# yourproject/celery.py"))
    (package / "urls.py").write_text(URLS)
    test = block("from sms.testing")
    again = test.partition("\n\n\n")[2].replace("test_login", "test_login_again")
    (tmp_path / "test_login.py").write_text(f"{test}\n\n{again}")
    (tmp_path / "pytest.ini").touch()

    def run(url: str, *more: str, settings: str = "# settings.py") -> None:
        written = {"settings_test.py": "".join((block("# settings_test.py"), *more))}
        written["settings.py"] = OWN + block(settings)
        for name, text in written.items():
            (package / name).write_text(text.replace("redis://localhost:6379/1", url))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "pytest_django.plugin", "-p", "sms.pytest_plugin"],
            check=False,
            cwd=tmp_path,
            env=os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "yourproject.settings_test",
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # of what this machine has else
                "PYTHONPATH": f"{tmp_path}:{ROOT}",
                "SMS_PROVIDER_URL": "twilio://SID:TOKEN@?from=%2B15005550006",
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "2 passed" in done.stdout, done.stdout + done.stderr

    return run


@pytest.mark.one_server
def test_the_tests_of_a_project_pass_twice_in_a_row(project, redis_server):
    for _ in range(2):
        project(redis_server.url)


def test_without_a_server_fakeredis_does(project):
    project("redis://nowhere.invalid:1/0", block("import fakeredis"))


def test_without_a_server_fakeredis_does_after_the_first_steps(project, tmp_path):
    """The settings of that page have only the default cache."""
    (tmp_path / "accounts").mkdir()
    key = Fernet.generate_key().decode()
    secrets = f"PHONE_SECRET_KEY = {key!r}\nSMS_SEAL_KEYS = [{key!r}]\n"
    (tmp_path / "yourproject" / "secret_settings.py").write_text(secrets)
    project("redis://nowhere.invalid:1/0", block("import fakeredis"), settings="# shop/settings.py")


@pytest.mark.one_server
class TestReset:
    @pytest.fixture(autouse=True)
    def used(self, redis):
        """A phone that has had a code, and keys of somebody else."""
        services.start(PHONE)
        redis.mset({":1:otp:verification:x": 1, "otp:attempts:x": 1, "sms": 1, "gw1:sms:body:x": 1})

    THEIRS: ClassVar = {b":1:otp:verification:x", b"otp:attempts:x", b"sms", b"gw1:sms:body:x"}

    def test_nothing_is_left_of_what_is_ours(self, redis):
        sms.send("+12025550124", "Hello")
        reset()
        assert (outbox, set(redis.scan_iter())) == ([], self.THEIRS)
        started = services.start(PHONE)
        assert services.check(started.id, code_in(outbox[-1].body)).status == "valid"

    def test_it_keeps_to_its_namespace(self, settings):
        redis = scripts.connection()  # for the full names of keys
        before = set(redis.scan_iter())
        settings.OTPOST_NAMESPACE = "test"
        services.start(PHONE)
        reset()
        assert set(redis.scan_iter()) == before
        services.start(PHONE)
        settings.OTPOST_NAMESPACE = ""
        reset()
        theirs = (b"test:", b"{test:c")
        assert {key for key in redis.scan_iter() if not key.startswith(theirs)} == self.THEIRS

    def test_nothing_is_left_in_any_cell(self, settings):
        settings.REDIS_CELLS = 4
        body = f"{names.BODY}x"
        gather(cells.every(), lambda pipe, cell: pipe.set(names.key(body, cell), 1))
        with client() as server:
            server.set("{gw1:c3}sms:body:x", 1)
        reset()
        left = gather(cells.every(), lambda pipe, cell: pipe.exists(names.key(body, cell)))
        assert left == {cell: [0] for cell in cells.every()}
        with client() as server:
            assert server.exists("{gw1:c3}sms:body:x")

    @pytest.mark.parametrize("url", ["console://?clear=yes", "twilio://SID:TOKEN@?from=%2B15005550006"])
    def test_it_refuses_where_a_provider_sends(self, settings, url):
        settings.SMS_PROVIDERS = {"test": "memory://", "main": url}
        with pytest.raises(ImproperlyConfigured, match="main sends"):
            reset()
        with pytest.raises(RateLimited):
            services.start(PHONE)

    def test_it_refuses_where_a_worker_that_sends_has_been(self, redis):
        """Tests with the address of a production and a provider of their own would empty it."""
        redis.set(names.INSTALLATION, "0123456789abcdef", px=3_600_000)
        with pytest.raises(ImproperlyConfigured, match="OTPOST_NAMESPACE"):
            reset()
        with pytest.raises(RateLimited):
            services.start(PHONE)

    def test_without_redis_it_says_so(self, settings):
        away = settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:9/0"}
        settings.CACHES = {"default": away}
        with pytest.raises(Unavailable):
            reset()

    def test_it_takes_no_time_to_speak_of(self, redis):
        redis.mset({f"sms:body:{n}": 1 for n in range(5000)})
        began = time.monotonic()
        reset()
        assert set(redis.scan_iter()) == self.THEIRS
        assert time.monotonic() - began < 5
