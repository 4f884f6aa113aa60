"""The settings of the demo: a Redis, tried first without repeating its password, and an environment."""

import hashlib
import socket
import time

import pytest
from cryptography.fernet import Fernet

from config.demo import given
from config.demo.embedded import EmbeddedServer
from config.demo.given import problem_with, throwaway
from config.demo.ports import free_port
from config.settings import env
from otp.api.access import SCOPES, parse

#: What a `.env` may say to the demo as well: how much, how long, how it looks, and who is believed.
HARMLESS = {
    *("HSTS_INCLUDE_SUBDOMAINS", "HSTS_PRELOAD", "LOG_LEVEL", "MESSAGE_RECORD_HOURS", "OTP_SITE_COLOR"),
    *("OTP_SITE_LOGO", "OTP_SITE_NAME", "SMS_CODE_WORTH", "SMS_LONGEST_WAIT", "SMS_RECEIPT_WAIT"),
    *("SMS_ROUTING", "TRUSTED_PROXIES", "WORKER_CONCURRENCY"),
}


def test_every_run_has_secrets_of_its_own() -> None:
    names = ("SECRET_KEY", "PHONE_SECRET_KEY", "SMS_SEAL_KEYS", "API_KEYS", "SMS_PROVIDERS")
    one, other = (throwaway({}, port=8000, redis_url="redis://", namespace="demo-1")[0] for _ in range(2))
    assert all(one[name] != other[name] for name in names)
    Fernet(one["SMS_SEAL_KEYS"])


def test_the_key_is_the_one_that_is_let_in() -> None:
    environment, api_key = throwaway({}, port=8000, redis_url="redis://", namespace="demo-1")
    assert environment["API_KEYS"] == f"demo:{hashlib.sha256(api_key.encode()).hexdigest()}"
    assert parse(environment["API_ACCESS"])["demo"].scopes == set(SCOPES)


def test_a_real_provider_can_be_tried() -> None:
    named = {
        "EMAIL_URL": "smtp://localhost",
        "PHONE_REGION": "GB",
        "SMS_PROVIDERS": "main=console://",
        "SMS_ROUTES": "default=main",
    }
    environment = throwaway(named, port=8000, redis_url="redis://", namespace="demo-1")[0]
    assert {name: environment[name] for name in named} == named


def test_nothing_of_a_production_is_touched() -> None:
    """An absent variable may be in a .env file. So each one that could point to a production is set."""
    named = {
        "CELERY_BROKER_URL": "redis://production",
        "DATABASE_URL": "postgres://production",
        "EMAIL_URL": "smtp://production",
        "OTEL_TRACES_EXPORTER": "production",
        "OTP_LOOKUPS": "twilio=twilio-lookup://production",
        "OTP_REVERSE": "production=+12025550100",
        "PUBLIC_URL": "https://production",
        "SMS_ROUTES": "default=production",
    }
    environment = throwaway(named, port=8000, redis_url="redis://here", namespace="demo-1")[0]
    assert environment["REDIS_URL"] == environment["CELERY_BROKER_URL"] == "redis://here"
    assert environment["DATABASE_URL"] == environment["SMS_ROUTES"] == environment["HOOKS"] == ""
    assert not [name for name, value in environment.items() if "production" in value]


def test_whatever_can_be_set_is_set_or_harmless() -> None:
    """A new variable is one that the demo sets, or is named here."""
    environment = throwaway({}, port=8000, redis_url="redis://here", namespace="demo-1")[0]
    assert env.names - environment.keys() == HARMLESS


def test_a_broker_beside_a_given_redis_is_kept() -> None:
    named = {"REDIS_URL": "redis://there", "CELERY_BROKER_URL": "amqp://there"}
    environment = throwaway(named, port=8000, redis_url="redis://there", namespace="demo-1")[0]
    assert environment["CELERY_BROKER_URL"] == "amqp://there"


def test_a_server_that_answers_is_no_problem() -> None:
    with EmbeddedServer(password="open sesame") as server:
        assert problem_with(server.url) is None


def test_a_wrong_password_is_named_as_such_and_not_repeated() -> None:
    with EmbeddedServer(password="open sesame") as server:
        problem = problem_with(f"redis://:close-sesame@127.0.0.1:{server.port}/3")
    assert problem is not None
    assert f"redis://127.0.0.1:{server.port}/3" in problem
    assert "password" in problem
    assert "sesame" not in problem


def test_nobody_there_is_a_problem() -> None:
    port = free_port()
    problem = problem_with(f"redis://user:sesame@127.0.0.1:{port}/0?password=sesame")
    assert problem == f"points to redis://127.0.0.1:{port}/0, which does not answer (ConnectionError)"


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        problem = problem_with(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - started < 2
    assert problem is not None
    assert "does not answer" in problem


@pytest.mark.parametrize(
    "url",
    [
        "sesame",
        "http://:sesame@127.0.0.1:6379",
        "redis://:sesame/12@127.0.0.1:6379",
        "redis://:12/sesame@127.0.0.1:6379",
        "redis://:12#sesame@127.0.0.1:6379",
        "redis://:sesame@127.0.0.1:port",
        "redis://:sesame@127.0.0.1/main",
    ],
)
def test_what_cannot_be_read_is_not_repeated(url: str) -> None:
    """A password with a character that should have been escaped falls to pieces in a URL."""
    problem = problem_with(url)
    assert problem is not None
    assert "is not a URL like redis://" in problem
    assert "sesame" not in problem
