"""What the demo's processes are told."""

import hashlib

from cryptography.fernet import Fernet

from config.demo.throwaway import throwaway


def test_every_run_has_secrets_of_its_own() -> None:
    names = ("SECRET_KEY", "PHONE_SECRET_KEY", "SMS_SEAL_KEYS", "API_KEYS", "SMS_PROVIDERS")
    one, other = (throwaway({}, port=8000, redis_url="redis://", namespace="demo-1")[0] for _ in range(2))
    assert all(one[name] != other[name] for name in names)
    Fernet(one["SMS_SEAL_KEYS"])


def test_the_key_is_the_one_that_is_let_in() -> None:
    environment, api_key = throwaway({}, port=8000, redis_url="redis://", namespace="demo-1")
    assert environment["API_KEYS"] == f"demo:{hashlib.sha256(api_key.encode()).hexdigest()}"


def test_a_real_provider_can_be_tried() -> None:
    given = {"SMS_PROVIDERS": "main=console://", "SMS_ROUTES": "default=main", "PHONE_REGION": "GB"}
    environment = throwaway(given, port=8000, redis_url="redis://", namespace="demo-1")[0]
    assert {name: environment[name] for name in given} == given


def test_nothing_of_a_production_is_touched() -> None:
    """Variables which are absent may stand in a .env file: each that could point there is set."""
    given = {
        "CELERY_BROKER_URL": "redis://production",
        "DATABASE_URL": "postgres://production",
        "PUBLIC_URL": "https://production",
        "SMS_ROUTES": "default=production",
    }
    environment = throwaway(given, port=8000, redis_url="redis://here", namespace="demo-1")[0]
    assert environment["REDIS_URL"] == environment["CELERY_BROKER_URL"] == "redis://here"
    assert environment["DATABASE_URL"] == environment["SMS_ROUTES"] == ""
    assert not [name for name, value in environment.items() if "production" in value]


def test_a_broker_beside_a_given_redis_is_kept() -> None:
    given = {"REDIS_URL": "redis://there", "CELERY_BROKER_URL": "amqp://there"}
    environment = throwaway(given, port=8000, redis_url="redis://there", namespace="demo-1")[0]
    assert environment["CELERY_BROKER_URL"] == "amqp://there"
