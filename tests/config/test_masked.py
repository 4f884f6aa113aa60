"""Printed settings, and those from a worker, show no secret. Remote control answers only `ping`."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any
from urllib.parse import quote

import pytest
from celery import Celery
from redis import Redis

from config.demo.embedded import EmbeddedServer
from config.demo.leash import Leash
from sms.masked import MASK, Masked, masked
from tests.faults.stack import Stack, wait_for
from tests.starts import ROOT, manage, python

#: Stands in every secret; those that cannot hold it are looked for as they are.
MARK = "sesame"
SEAL_KEY = "c2VzYW1l" + "r6z--mFFv60fd-zhSncr0oRuyHvR07PoW4Y="
CODE = "918273"
WEBHOOK_KEY = "c2VzYW1lr6z+mFFv60fd/zhSncr0oRuyHvR07PoW4Yr="
SECRETS = {
    "SECRET_KEY": f"{MARK}-Zk3-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "PHONE_SECRET_KEY": f"{MARK}-abcdefghijklmnopqrstuvwxyz0123456789",
    "PHONE_SECRET_KEY_FALLBACKS": f"{MARK}-abcdefghijklmnopqrstuvwxyz01234567",
    "SMS_SEAL_KEYS": SEAL_KEY,
    "SMS_OPTOUT_KEYS": f"{MARK}-abcdefghijklmnopqrstuvwxyz0123456",
    "SMS_PROVIDERS": f"main=twilio://AC1:{MARK}@?from=%2B15005550006",
    "WEBHOOKS": f"shop=https://{MARK}.example/#secret=whsec_{WEBHOOK_KEY}",
    "TEST_NUMBERS": f"+12025550100:{CODE}",
    "TEST_NUMBERS_UNTIL": "2099-01-01",
    "API_KEYS": f"shop:{'5e5a3e' + '0' * 58}",
    "DATABASE_URL": f"postgres://me:{MARK}@db/name",
}
SENTINEL = f"redis+sentinel://me:{MARK}@a.test,b.test/mymaster/0?sentinel_password={MARK}"
RABBITMQ = f"amqp://me:{MARK}@a.test;amqp://me:{MARK}@b.test"


def leaks(text: str) -> list[str]:
    return [secret for secret in (MARK, quote(MARK), SEAL_KEY, WEBHOOK_KEY, CODE, "5e5a3e") if secret in text]


@pytest.mark.parametrize("redis", [f"redis://me:{MARK}@a.test:6379/0", SENTINEL])
@pytest.mark.parametrize("broker", ["", RABBITMQ, f"rediss://:{MARK}@a.test/1"])
def test_settings_that_are_printed_hold_no_secret(redis, broker):
    urls = {"REDIS_URL": redis, "CELERY_BROKER_URL": broker}
    printed = manage("diffsettings", "--all", **SECRETS, **urls)
    assert printed.returncode == 0, printed.stderr
    assert "SMS_PROVIDERS = {'main': 'twilio://********'}" in printed.stdout
    assert leaks(printed.stdout) == []
    told = python("-m", "celery", "-A", "config", "report", **SECRETS, **urls)
    assert told.returncode == 0, told.stderr
    assert "broker_url" in told.stdout
    assert leaks(told.stdout + told.stderr) == []


def test_the_debug_page_shows_no_secret(settings, rf):
    from django.views.debug import technical_500_response

    settings.DEBUG = True
    settings.SMS_PROVIDERS = masked({"main": f"twilio://AC1:{MARK}@"})
    settings.REDIS_URL = Masked(f"redis://:{MARK}@a.test")
    try:
        raise ValueError
    except ValueError:
        page = technical_500_response(rf.get("/"), *sys.exc_info()).content.decode()
    assert "SMS_PROVIDERS" in page
    assert f"twilio://{MASK}" in page
    shown = page.partition("SMS_PROVIDERS")[2][:200]
    assert MARK not in shown


def test_a_mask_is_for_whoever_prints_alone():
    value = masked({"a": ["redis://:sesame@host", b"bytes", 7], "b": ("x",)})
    assert value == {"a": ["redis://:sesame@host", b"bytes", 7], "b": ("x",)}
    assert repr(value) == f"{{'a': ['redis://{MASK}', b'bytes', 7], 'b': ('{MASK}',)}}"
    assert f"{value['a'][0]}" == "redis://:sesame@host"


@pytest.fixture
def server():
    with EmbeddedServer(password=MARK) as found:
        yield found


def ask(server: EmbeddedServer, command: str, **arguments: object) -> Any:
    """The answers to a command of Celery's remote control."""
    with Celery("asks", broker=server.url, set_as_current=False) as app:
        return app.control.broadcast(command, arguments=arguments, reply=True, timeout=5, limit=1)


def test_remote_control_answers_ping_alone(tmp_path, server):
    """Others would show settings, slow the worker down or end it, for whoever may write to the broker."""
    from celery.worker.control import Panel

    secrets = {name: value for name, value in SECRETS.items() if name != "DATABASE_URL"}
    with Stack(tmp_path, REDIS_URL=server.url, CELERY_BROKER_URL="", **secrets) as stack:
        stack.start("worker")
        worker = stack.processes["worker"]
        (answer,) = ask(server, "ping")
        assert list(answer.values()) == [{"ok": "pong"}]
        for command in sorted(Panel.data.keys() - {"ping"}):
            told = ask(server, command, task_name="sms.deliver", rate_limit="1/h", task_id="x")
            assert all("error" in found for one in told for found in one.values()), command
            assert leaks(repr(told)) == []
        assert worker.poll() is None
        assert len(ask(server, "ping")) == 1
        for junk in (
            b"",
            b"sesame",
            b"[]",
            b"{}",
            b'{"properties": {}}',
            b'{"body": 1, "properties": {"a": 1}}',
        ):
            Redis.from_url(server.url).publish("/0.celery.pidbox", junk)
        wait_for(lambda: ask(server, "ping"))  # Celery may subscribe anew: what is asked meanwhile is lost
        assert worker.poll() is None
        assert leaks(stack.log("worker").replace(str(tmp_path), "")) == []


PROJECT = {
    "project/__init__.py": "from .celery import app",
    "project/celery.py": """
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
""",
    "project/settings.py": f"""
import os

INSTALLED_APPS = ["sms", "otp"]
CACHES = {{"default": {{"BACKEND": "django_redis.cache.RedisCache", "LOCATION": os.environ["TEST_URL"]}}}}
SECRET_KEY = "{SECRETS["SECRET_KEY"]}"
PHONE_SECRET_KEY = "{SECRETS["PHONE_SECRET_KEY"]}"
SMS_SEAL_KEYS = ["{SEAL_KEY}"]
SMS_PROVIDERS = {{"main": "memory://?token={MARK}"}}
API_KEYS = {{"shop": ["5e5a3e"]}}
TEST_NUMBERS = {{"+12025550100": "{CODE}"}}
TEST_NUMBERS_UNTIL = "2099-01-01"
CELERY_BROKER_URL = os.environ["TEST_URL"]
OF_THE_PROJECT = "its own"
""",
}


def test_a_projects_worker_shows_no_secret_of_ours_and_obeys_as_it_did(tmp_path, server):
    """An app must not take its project's remote control away: it masks its own, and passwords in URLs."""
    for name, text in PROJECT.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "TEST_URL": server.url}
    environment["DJANGO_SETTINGS_MODULE"] = "project.settings"
    log = tmp_path / "worker.log"
    leash = Leash()
    try:
        with log.open("wb") as output:
            leash.spawn(
                [*(sys.executable, "-m", "celery", "-A", "project", "worker"), "-P", "threads", "-c", "2"],
                env=environment,
                cwd=tmp_path,
                stdout=output,
                stderr=output,
            )
        wait_for(lambda: ask(server, "ping"))
        for command in ("conf", "report"):
            ((_, found),) = ask(server, command)[0].items()
            assert leaks(json.dumps(found)) == [], command
            assert "its own" in json.dumps(found)
            assert re.search(r"memory://\*+|\*{8}", json.dumps(found))
        assert ask(server, "rate_limit", task_name="sms.deliver", rate_limit="100/s")[0]
    finally:
        leash.close()
