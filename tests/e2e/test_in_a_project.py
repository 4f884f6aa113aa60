"""The apps inside somebody else's Django project, set up as the README says and no further."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

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
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    STATIC_URL="static/",
    ROOT_URLCONF="__main__",
    CELERY_TASK_ALWAYS_EAGER=True,
    **dict(setting.split("=") for setting in sys.argv[2:]),
)

import django
from celery import Celery

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
django.setup()

from django.test import Client

from sms.testing import code_in, outbox

urlpatterns = [path("verify/", include("otp.urls"))]
browser = Client(enforce_csrf_checks=True)


def send(path, **typed):
    html = browser.get(path).content.decode()
    hidden = dict(re.findall(r'type="hidden" name="(.+?)" value="(.+?)"', html))
    return browser.post(path, hidden | typed)


print(browser.get("/verify/").status_code)
if len(sys.argv) == 2:
    assert browser.post("/verify/", {"phone": "+12025550123"}).status_code == 403
    assert send("/verify/", phone="+12025550123")["Location"] == "/verify/code"
    print(send("/verify/code", code=code_in(outbox[-1].body))["Location"])
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


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        check=False,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_apps_in_another_project(redis_server):
    done = run(PROJECT, redis_server.url)
    assert done.stdout.endswith("done\n"), done.stderr


def test_the_pages_are_where_a_project_includes_them(redis_server):
    """Under any address, without a middleware of the project's, and unless PAGES is off."""
    done = run(PAGES, redis_server.url)
    first, *_, last = done.stdout.splitlines() or ["", ""]
    assert (first, last) == ("200", "/verify/done"), done.stderr
    assert run(PAGES, redis_server.url, "PAGES=off").stdout == "404\n"


def test_the_logging_of_a_project_decides_as_the_readme_says(redis_server):
    (example,) = re.findall(
        r"```python\n(import structlog\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    done = run(LOGGED.replace("EXAMPLE", example), redis_server.url)
    assert done.stdout == "done\n", done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("INFO otp event='code_issued' verification_id='")


def test_the_handler_alone_needs_neither_http_nor_celery(redis_server):
    done = run(ALONE, redis_server.url)
    assert done.stdout == "done\n", done.stderr
