"""The apps inside somebody else's Django project, set up as docs/in-django.md says and no further."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest
from cryptography.fernet import Fernet
from twilio.request_validator import RequestValidator

from config.demo.leash import Leash
from config.demo.ports import free_port
from tests.faults.stack import wait_for
from tests.sms.providers.gateway import gateway, response

pytestmark = pytest.mark.first

ROOT = Path(__file__).parents[2]

PROJECT = """
import sys
from cryptography.fernet import Fernet
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["sms", "otp"],
    CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": sys.argv[1]}},
    SECRET_KEY="of the project",
    PHONE_SECRET_KEY="abcdefghijklmnopqrstuvwxyz0123456789",
    SMS_SEAL_KEYS=[Fernet.generate_key().decode()],
    SMS_PROVIDERS={"test": "memory://"},
    PUBLIC_URL="https://example.com",
    CELERY_TASK_ALWAYS_EAGER=True,
)

import django
from celery import Celery

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
django.setup()

from django.core.management import call_command

call_command("check")
call_command("providers")

from otp import services
from otp.handler import OTPHandler
from sms import services as sms
from sms.testing import code_in, outbox

verification = services.start("+1 202 555 0123", purpose="login")
assert outbox[-1].to == "+12025550123"
assert services.check(verification.id, code_in(outbox[-1].body)).status == "valid"

issued = OTPHandler.generate_otp("+12025550124")
assert OTPHandler.verify_otp("+12025550124", issued.code).status == "valid"

sms.send("+12025550123", "Your parcel is here.")
assert outbox[-1].body == "Your parcel is here."
print("done")
"""

PAGES = """
import re
import sys
from cryptography.fernet import Fernet
from django.conf import settings
from django.urls import include, path

settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["django.contrib.staticfiles", "sms", "otp"],
    CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": sys.argv[1]}},
    SECRET_KEY="of the project",
    PHONE_SECRET_KEY="abcdefghijklmnopqrstuvwxyz0123456789",
    SMS_SEAL_KEYS=[Fernet.generate_key().decode()],
    SMS_PROVIDERS={"test": "memory://"},
    SMS_DESTINATIONS=["US"],
    METRICS_TOKEN="the-token-of-this-project-0123456789",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    STATIC_URL="static/",
    ROOT_URLCONF="__main__",
    CELERY_TASK_ALWAYS_EAGER=True,
    PAGES=sys.argv[2],
)

import django
from celery import Celery

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
django.setup()

from django.test import Client

from sms.metrics_views import metrics
from sms.testing import code_in, outbox

urlpatterns = [path("verify/", include("otp.urls")), path("inner/metrics", metrics)]
browser = Client(enforce_csrf_checks=True)
bearer = {"Authorization": f"Bearer {settings.METRICS_TOKEN}"}
assert b"otpost_budget 0.0" in browser.get("/inner/metrics", headers=bearer).content


def send(path, **typed):
    html = browser.get(path).content.decode()
    hidden = dict(re.findall(r'type="hidden" name="(.+?)" value="(.+?)"', html))
    return browser.post(path, hidden | typed)


print(browser.get("/verify/").status_code)
if sys.argv[2] == "open":
    assert browser.get("/inner/metrics").status_code == 401
    assert browser.post("/verify/", {"phone": "+12025550123"}).status_code == 403
    assert send("/verify/", phone="+12025550123")["Location"] == "/verify/code"
    print(send("/verify/code", code=code_in(outbox[-1].body))["Location"])
"""

ACCOUNTS = """
import re
import sys
from cryptography.fernet import Fernet
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "sms", "otp"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": sys.argv[1]}},
    SECRET_KEY="of the project",
    PHONE_SECRET_KEY="abcdefghijklmnopqrstuvwxyz0123456789",
    SMS_SEAL_KEYS=[Fernet.generate_key().decode()],
    SMS_PROVIDERS={"test": "memory://"},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    STATIC_URL="static/",
    ROOT_URLCONF="__main__",
    PAGES="open",
)

import django

django.setup()

from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver, include, path

from otp.api.v1 import api
from sms.metrics_views import metrics
from sms.readiness import healthz

urlpatterns = [
    path("theirs", HttpResponse),
    path("v1/", api.urls),
    path("sms/", include("sms.urls")),
    path("hooks/", include("otp.hooks.urls")),
    path("dashboard/", include("otp.dashboard.urls")),
    path("metrics", metrics),
    path("healthz", healthz),
    path("", include("otp.urls")),
]


def addresses(patterns, before="/"):
    for pattern in patterns:
        at = before + re.sub("<.+?>", "x", str(pattern.pattern))
        yield from addresses(pattern.url_patterns, at) if hasattr(pattern, "url_patterns") else [at]


browser = Client(raise_request_exception=False)
asked = sorted(set(addresses(get_resolver().url_patterns)))
closed = [
    at
    for at in asked
    for answer in (browser.get(at), browser.post(at))
    if answer.headers.get("Location", "").startswith("/accounts/login/")
]
print(len(asked), *closed)
"""

LOGGED = """
import sys
from cryptography.fernet import Fernet
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["sms", "otp"],
    CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": sys.argv[1]}},
    PHONE_SECRET_KEY="abcdefghijklmnopqrstuvwxyz0123456789",
    SMS_SEAL_KEYS=[Fernet.generate_key().decode()],
    SMS_PROVIDERS={"test": "memory://"},
    CELERY_TASK_ALWAYS_EAGER=True,
    LOGGING={
        "version": 1,
        "formatters": {"short": {"format": "%(levelname)s %(name)s %(message)s"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "short"}},
        "loggers": {"otp": {"handlers": ["console"], "level": "INFO"}, "sms": {"level": "ERROR"}},
    },
)
EXAMPLE
import django
from celery import Celery

Celery("project").config_from_object("django.conf:settings", namespace="CELERY")
django.setup()

from otp import services

services.start("+12025550123")
print("done")
"""

#: The extras are somebody else's, even where they are installed.
BARE = """
import sys

class Bare:
    @staticmethod
    def find_spec(name, *_):
        if name in {"anymail", "environ", "granian", "opentelemetry", "twilio", "whitenoise"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Bare)
"""

ALONE = """
import sys
from django.conf import settings

settings.configure(
    CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": sys.argv[1]}},
    PHONE_SECRET_KEY="abcdefghijklmnopqrstuvwxyz0123456789",
)

from otp.handler import OTPHandler

issued = OTPHandler.generate_otp("+12025550123")
assert OTPHandler.verify_otp("+12025550123", issued.code).status == "valid"
assert not {"celery", "kombu", "ninja", "twilio", "django.http"} & set(sys.modules)
print("done")
"""


#: A Python that has the wheel installed, as in CI, or this one with the checkout on its path.
PYTHON = os.environ.get("OTPOST_PROJECT_PYTHON", sys.executable)
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
if sys.executable == PYTHON:
    ENVIRONMENT["PYTHONPATH"] = str(ROOT)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYTHON, "-c", BARE + program, *arguments],
        check=False,
        env=ENVIRONMENT,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )


def example(begin: str) -> str:
    """The example of the page that begins so."""
    (found,) = re.findall(
        rf"```python\n({begin}.*?)```", (ROOT / "docs" / "in-django.md").read_text(), re.DOTALL
    )
    return str(found)


class Project:
    """A project as ``django-admin`` makes it, in production, with what the page says added to it.

    ``**environment``: what its settings read.
    """

    def __init__(self, directory: Path, redis_url: str, **environment: str) -> None:
        self.directory = directory
        self.environment = ENVIRONMENT | environment
        self.python("-m", "django", "startproject", "shop", ".")
        settings = example("# settings.py")
        settings = re.sub(r"redis://localhost:6379(?=/\d)", redis_url.rpartition("/")[0], settings)
        self.add("settings.py", settings)
        self.add("settings.py", 'DEBUG, ALLOWED_HOSTS = False, ["example.com"]\n')
        # Nobody is let in without an account, and the providers have none.
        self.add("settings.py", 'MIDDLEWARE += ["django.contrib.auth.middleware.LoginRequiredMiddleware"]\n')
        self.add("celery.py", example("# yourproject/celery.py").replace("yourproject", "shop"))
        self.add("__init__.py", "from .celery import app\n")

    def add(self, name: str, text: str) -> None:
        with (self.directory / "shop" / name).open("a") as file:
            file.write(f"\n{text}")

    def python(self, *words: str) -> str:
        """Its output, with errors."""
        done = subprocess.run(
            [PYTHON, *words],
            check=False,
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout + done.stderr

    def shell(self, program: str) -> str:
        """The last line that it prints."""
        return self.python("manage.py", "shell", "-v", "0", "-c", program).splitlines()[-1]

    def spawn(self, leash: Leash, *words: str) -> Path:
        """Start a process of its own; its log."""
        path = self.directory / f"{words[1]}.log"
        with path.open("wb") as log:
            leash.spawn([PYTHON, *words], cwd=self.directory, env=self.environment, stdout=log, stderr=log)
        return path


@pytest.mark.first(20)
def test_a_fresh_project_hears_what_became_of_its_sms(tmp_path, redis_server):
    """From the page alone: a check tells what is missing, then a signed report finds its message."""
    sid, token = "AC" + "0" * 32, "token-of-the-account"
    with gateway() as vendor, Leash() as leash:
        vendor.answer = lambda: response(201, '{"sid": "SM1"}')
        project = Project(
            tmp_path,
            redis_server.url,
            PHONE_SECRET_KEY=secrets.token_urlsafe(48),
            SMS_SEAL_KEYS=Fernet.generate_key().decode(),
            SMS_PROVIDER_URL=f"twilio://{sid}:{token}@?from=%2B15005550006&base_url={vendor.url}",
        )
        assert "sms.W006" in project.python("manage.py", "check", "--deploy")
        project.add("urls.py", example("# urls.py"))
        said = project.python("manage.py", "check", "--deploy")
        found = set(re.findall(r"\(((?:sms|otp)\.[EW]\d+)\)", said))
        assert found <= {"otp.W003"}, said  # which is about the Python that runs these tests

        port = free_port()
        worker = project.spawn(
            leash, "-m", "celery", "-A", "shop", "worker", "-P", "threads", "-c", "4", "-Q", "otp,bulk"
        )
        web = project.spawn(
            leash, "-m", "granian", "--interface", "wsgi", "--port", str(port), "shop.wsgi:application"
        )
        id = project.shell("from otp import services; print(services.start('+12025550123').message_id)")
        wait_for(lambda: vendor.requests or (sys.stderr.write(worker.read_text()) and False))
        callback = vendor.requests[0][2]["StatusCallback"]
        assert callback == f"https://example.com/sms/receipts/main?reference={id}"

        fields = {"MessageSid": "SM1", "MessageStatus": "delivered"}
        wait_for(lambda: listens(port))
        for secret, status in (("wrong", 403), (token, 204)):
            signature = RequestValidator(secret).compute_signature(callback, fields)
            headers = {
                "Host": "example.com",
                "X-Twilio-Signature": signature,
                "Content-Type": "application/x-www-form-urlencoded",
            }
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request(
                "POST", callback.removeprefix("https://example.com"), urlencode(fields), headers
            )
            assert connection.getresponse().status == status, web.read_text()
            connection.close()
        assert project.shell(f"from sms import services; print(services.get('{id}').state)") == "delivered"


@pytest.mark.first(10)
@pytest.mark.parametrize("prefix", ["", "tools/"])
def test_a_project_has_the_virtual_phone_while_it_is_developed(tmp_path, redis_server, prefix):
    """From the page alone, and not once DEBUG is off."""
    project = Project(
        tmp_path,
        redis_server.url,
        PHONE_SECRET_KEY=secrets.token_urlsafe(48),
        SMS_SEAL_KEYS=Fernet.generate_key().decode(),
        SMS_PROVIDER_URL="console://?clear=yes",
    )
    port = free_port()
    development = example("# settings_dev.py").replace("8000", str(port))
    if prefix:
        development = development.replace(f"127.0.0.1:{port}", f"?base_url=http://127.0.0.1:{port}/tools")
    project.add("settings.py", development)
    project.add("settings.py", "CELERY_TASK_ALWAYS_EAGER = True\nDEBUG, ALLOWED_HOSTS = True, []")
    project.add("urls.py", "from django.urls import include, path")
    project.add("urls.py", example("# yourproject/urls.py").replace('"phone/"', f'"{prefix}phone/"'))
    with Leash() as leash:
        web = project.spawn(leash, "manage.py", "runserver", "--noreload", str(port))
        wait_for(lambda: listens(port) or (sys.stderr.write(web.read_text()) and False))
        project.shell("from sms import services; services.send('+12025550123', 'Your parcel is here.')")
        address = f"http://127.0.0.1:{port}/{prefix}phone/"
        with urllib.request.urlopen(f"{address}messages") as answer:  # noqa: S310
            (message,) = json.load(answer)["messages"]
        assert (message["to"], message["body"]) == ("+12025550123", "Your parcel is here.")
        with urllib.request.urlopen(address) as answer:
            page = answer.read().decode()
        assert f'data-messages="/{prefix}phone/messages"' in page
        for name in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{name}") as answer:
                assert answer.status == 200
    project.add("settings.py", "DEBUG = False")
    assert project.shell("from sms.virtual_phone import urls; print(urls.urlpatterns)") == "[]"


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def test_the_apps_in_another_project(redis_server):
    done = run(PROJECT, redis_server.url)
    assert done.stdout.endswith("done\n"), done.stderr


def test_the_pages_are_where_a_project_includes_them(redis_server):
    """Under any address, without a middleware of the project's, and where PAGES is open."""
    done = run(PAGES, redis_server.url, "open")
    first, *_, last = done.stdout.splitlines() or ["", ""]
    assert (first, last) == ("200", "/verify/done"), done.stderr
    for pages in ("sessions", "off"):
        assert run(PAGES, redis_server.url, pages).stdout == "404\n"


def test_only_their_own_views_want_an_account(redis_server):
    """In a project that requires one. Ours ask for a key, a session or a signature."""
    done = run(ACCOUNTS, redis_server.url)
    count, *closed = done.stdout.splitlines()[-1].split()  # the lines before are of the log
    assert {*closed} == {"/theirs"}
    assert int(count) > 50


def test_the_logging_of_a_project_decides_as_the_page_says(redis_server):
    done = run(LOGGED.replace("EXAMPLE", example("import structlog\n")), redis_server.url)
    assert done.stdout == "done\n", done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("INFO otp event='code_issued' verification_id='")


def test_the_handler_alone_needs_neither_http_nor_celery(redis_server):
    done = run(ALONE, redis_server.url)
    assert done.stdout == "done\n", done.stderr
