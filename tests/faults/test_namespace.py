"""Several installations on one server: real webs and workers, with namespaces and, by mistake, without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import NotFound
from cryptography.fernet import Fernet
from kombu import Connection, Queue
from redis import Redis

from config.demo.embedded import EmbeddedServer
from config.demo.leash import Leash
from tests.faults.rabbitmq import RabbitMQ, missing
from tests.faults.sentinels import Sentinels
from tests.faults.stack import Stack, wait_for
from tests.faults.test_pipeline import Outbox, phones
from tests.faults.test_rabbitmq import declare
from tests.starts import ROOT, manage

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path):
    with EmbeddedServer(directory=tmp_path) as found:
        yield found


class House:
    """An installation with secrets of its own, and what its provider got."""

    def __init__(self, directory: Path, name: str, **environment: str) -> None:
        directory.mkdir(exist_ok=True)
        self.outbox = Outbox(directory / "outbox.jsonl")
        self.stack = Stack(
            directory,
            OTPOST_NAMESPACE=name,
            SMS_PROVIDERS=self.outbox.url,
            SMS_SEAL_KEYS=Fernet.generate_key().decode(),
            **{"CELERY_BROKER_URL": "", "OTP_LIMITS": "off"} | environment,
        )

    def start(self, number: str) -> str:
        status, body, _ = self.stack.call("POST", "/v1/verifications", {"phone": number})
        assert status == 202, body
        return str(body["id"])

    def check(self, id: str, number: str) -> str:
        (code,) = (sms["body"][-6:] for sms in self.outbox() if sms["to"] == number)
        return str(self.stack.call("POST", f"/v1/verifications/{id}/check", {"code": code})[1]["status"])

    def ready(self) -> bool:
        return self.stack.call("GET", "/readyz")[0] == 200

    def manage(self, *arguments: str) -> str:
        done = manage(*arguments, **self.stack.environment)
        return done.stdout + done.stderr


def bindings(redis: Any) -> set[str]:
    """The queues that kombu has declared, by name."""
    return {key.decode().removeprefix("_kombu.binding.") for key in redis.scan_iter("_kombu.binding.*")}


def test_installations_with_namespaces_share_a_server_and_its_database(tmp_path, server):
    """The start commands are the same. Neither sees a key, a queue or a worker of the other."""
    redis: Any = Redis.from_url(server.url)
    shop = House(tmp_path / "shop", "shop", REDIS_URL=server.url)
    other = House(tmp_path / "other", "", REDIS_URL=server.url)
    numbers = phones(10)
    with shop.stack, other.stack:
        shop.stack.start("web", "worker", "beat")
        ids = [shop.start(number) for number in numbers]
        wait_for(lambda: len(shop.outbox()) == 10)
        assert wait_for(shop.ready)
        found = {key.decode() for key in redis.scan_iter()}
        assert {key for key in found if not key.startswith(("shop:", "_kombu.binding"))} == set()
        assert {name for name in bindings(redis) if "shop:" not in name} == set()

        other.stack.start("web")
        assert not other.ready()  # it has no worker, whatever answers beside it
        other.stack.start("worker", "beat")
        theirs = [other.start(number) for number in numbers]
        wait_for(lambda: len(other.outbox()) == 10)
        assert [shop.check(*pair) for pair in zip(ids, numbers, strict=True)] == ["valid"] * 10
        assert [other.check(*pair) for pair in zip(theirs, numbers, strict=True)] == ["valid"] * 10
        assert {"otp", "bulk", "shop:otp", "shop:bulk"} <= bindings(redis)
        for house in (shop, other):
            assert "unsealable" not in house.stack.log("worker")
            assert "another_installation" not in house.stack.log("worker")
            assert "W022" not in house.manage("check", "--deploy")


def test_installations_that_share_a_place_by_mistake_lose_nothing(tmp_path, server):
    """Each worker takes what is the other's, and gives it back; logs and the check say what is wrong."""
    first, second = (House(tmp_path / name, "", REDIS_URL=server.url) for name in ("first", "second"))
    started: list[tuple[str, str]] = []
    numbers = iter(phones(500))

    def second_had_one() -> bool:
        """Which worker takes a message is chance, and it may be the first one for a while."""
        number = next(numbers)
        started.append((first.start(number), number))
        return '"message_unsealable", "level": "error"' in second.stack.log("worker")

    with first.stack, second.stack:
        first.stack.start("web", "worker", "beat")
        wait_for(lambda: Redis.from_url(server.url).exists("sms:installation"))
        second.stack.start("worker")
        wait_for(second_had_one)
        wait_for(lambda: len(first.outbox()) == len(started), 60)
        assert [first.check(*pair) for pair in started] == ["valid"] * len(started)
        assert second.outbox() == []
        assert '"another_installation", "level": "error"' in second.stack.log("worker")
        assert "OTPOST_NAMESPACE" in second.manage("check", "--deploy")
        assert "W022" not in first.manage("check", "--deploy")


def test_a_seal_key_that_is_changed_in_one_step_loses_nothing(tmp_path, server):
    """The web seals with the new key before the worker has it."""
    house = House(tmp_path, "", REDIS_URL=server.url)
    new, numbers = Fernet.generate_key().decode(), phones(10)
    with house.stack as stack:
        stack.start("worker", "beat")
        stack.start("web", SMS_SEAL_KEYS=new)
        ids = [house.start(number) for number in numbers]
        wait_for(lambda: stack.log("worker").count("message_unsealable") == 10)
        stack.kill("worker")
        stack.spawn("worker", SMS_SEAL_KEYS=new)
        wait_for(lambda: len(house.outbox()) == 10)
        assert [house.check(*pair) for pair in zip(ids, numbers, strict=True)] == ["valid"] * 10


@pytest.mark.skipif(bool(missing()), reason=missing() or "it is there")
def test_the_queues_of_rabbitmq_have_the_namespace(tmp_path, server):
    with RabbitMQ(tmp_path) as rabbit:
        house = House(tmp_path, "shop", REDIS_URL=server.url, CELERY_BROKER_URL=rabbit.url)
        with house.stack as stack:
            stack.start("web", "worker", "beat")
            (number,) = phones(1)
            id = house.start(number)
            wait_for(lambda: len(house.outbox()) == 1)
            assert house.check(id, number) == "valid"
            assert wait_for(house.ready)
            with Connection(rabbit.url) as connection:
                for name in ("otp", "bulk"):
                    declare(connection, f"shop:{name}", **{"x-queue-type": "quorum"})
                    with pytest.raises(NotFound):
                        Queue(name).bind(connection.channel()).queue_declare(passive=True)


def test_behind_sentinel_too(tmp_path):
    with Sentinels(tmp_path) as sentinels:
        house = House(tmp_path, "shop", REDIS_URL=sentinels.url)
        with house.stack as stack:
            stack.start("web", "worker", "beat")
            (number,) = phones(1)
            id = house.start(number)
            wait_for(lambda: len(house.outbox()) == 1)
            assert house.check(id, number) == "valid"
            found = {key.decode() for key in sentinels.client(sentinels.master).scan_iter()}
            assert {key for key in found if not key.startswith(("shop:", "_kombu.binding"))} == set()


PROJECT = """
import os
from celery import Celery
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "yourproject.settings")
app = Celery("yourproject")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""

SETTINGS = """
import os
DEBUG = True
INSTALLED_APPS = ["sms", "otp"]
SECRET_KEY = "of the project"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.environ["URL"] + "0",
    },
    "otpost": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": os.environ["URL"] + "1",
        "KEY_PREFIX": "shop",
    },
}
OTPOST_CACHE = "otpost"
PHONE_SECRET_KEY = "abcdefghijklmnopqrstuvwxyz0123456789"
SMS_SEAL_KEYS = [os.environ["SEAL"]]
SMS_PROVIDERS = {"main": os.environ["PROVIDER"]}
SMS_DESTINATIONS = ["*"]
CELERY_BROKER_URL = os.environ["URL"] + "1"
"""


def test_in_a_project_its_cache_and_its_key_prefix_decide(tmp_path, server):
    """The worker's command is that of the docs, and ``cache.clear()`` touches nothing."""
    package = tmp_path / "yourproject"
    package.mkdir()
    (package / "__init__.py").write_text("from .celery import app\n")
    (package / "celery.py").write_text(PROJECT)
    (package / "settings.py").write_text(SETTINGS)
    outbox = Outbox(tmp_path / "outbox.jsonl")
    environment = {
        **{name: value for name, value in os.environ.items() if name.isupper()},
        "DJANGO_SETTINGS_MODULE": "yourproject.settings",
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "URL": server.url.removesuffix("0"),
        "SEAL": Fernet.generate_key().decode(),
        "PROVIDER": outbox.url.removeprefix("main="),
    }
    program = (
        "import django; django.setup()\n"
        "from django.core.cache import cache\n"
        "from otp import services\n"
        "id = services.start('+12025550123').id\n"
        "cache.clear()\n"
        "assert services.status(id).status == 'pending'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=60)
    redis: Any = Redis.from_url(server.url.removesuffix("0") + "1")
    assert redis.llen("shop:otp") == 1
    leash = Leash()
    worker = ["-m", "celery", "-A", "yourproject", "worker", "-P", "threads", "-c", "8", "-Q", "otp,bulk"]
    try:
        leash.spawn([sys.executable, *worker], env=environment, cwd=tmp_path)
        wait_for(lambda: len(outbox()) == 1)
    finally:
        leash.close()
