"""The environment which the demo gives to its processes: secrets for one run, safe settings."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Throwaway:
    """`environment` is complete, `api_key` is the key which it lets in."""

    environment: dict[str, str]
    api_key: str


def throwaway(given: Mapping[str, str], *, port: int, redis_url: str, namespace: str) -> Throwaway:
    """Settings for a web server on localhost:`port` and a Redis at `redis_url`, where `namespace` is free.

    Of the settings in `given` only those for trying a real provider are kept: SMS_PROVIDERS with
    SMS_ROUTES, and PHONE_REGION; and CELERY_BROKER_URL beside a REDIS_URL. All others are set here,
    because one that is not set may stand in a `.env` file, and the demo must not touch the database,
    the queue or the providers of a production.
    """
    api_key = secrets.token_urlsafe(24)
    sandbox = f"phone=sandbox://:{secrets.token_urlsafe(24)}@127.0.0.1:{port}"
    own_broker = given.get("CELERY_BROKER_URL") if given.get("REDIS_URL") else None
    environment = {
        **given,
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "API_ACCESS": "",
        "API_KEYS": f"demo:{hashlib.sha256(api_key.encode()).hexdigest()}",
        "CELERY_BROKER_URL": own_broker or redis_url,
        "DATABASE_URL": "",
        "DEBUG": "1",
        "GUARD_ALLOW": "",
        "GUARD_BUDGET": "0",
        "GUARD_MODE": "shadow",
        "GUARD_PRICES": "",
        # A given Redis may hold something else, or another demo.
        "OTPOST_NAMESPACE": namespace,
        "OTP_CHALLENGE": "",
        "OTP_GUESS_LIMITS": "",
        "OTP_LIMITS": "",
        "PAGES": "open",
        "PHONE_REGION": given.get("PHONE_REGION") or "US",
        "PHONE_SECRET_KEY_FALLBACKS": "",
        "PHONE_SECRET_KEY": secrets.token_hex(32),
        "PUBLIC_URL": f"http://localhost:{port}",
        "PYTHONUNBUFFERED": "1",
        "REDIS_URL": redis_url,
        "SECRET_KEY": secrets.token_hex(32),
        "SMS_DESTINATIONS": "",
        "SMS_PROVIDERS": given.get("SMS_PROVIDERS") or sandbox,
        "SMS_ROUTES": given.get("SMS_ROUTES", "") if given.get("SMS_PROVIDERS") else "",
        # What cryptography's Fernet.generate_key makes.
        "SMS_SEAL_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "TEST_NUMBERS": "",
    }
    return Throwaway(environment, api_key)
