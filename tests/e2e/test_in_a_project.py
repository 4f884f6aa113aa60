"""The apps inside somebody else's Django project, set up as the README says and no further."""

from __future__ import annotations

import os
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


def run(program: str, url: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(
        [sys.executable, "-c", program, url],
        check=False,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_apps_in_another_project(redis_server):
    done = run(PROJECT, redis_server.url)
    assert done.stdout.endswith("done\n"), done.stderr


def test_the_handler_alone_needs_neither_http_nor_celery(redis_server):
    done = run(ALONE, redis_server.url)
    assert done.stdout == "done\n", done.stderr
