"""The environment which the demo gives to its processes: secrets for one run, safe settings."""

import hashlib
import secrets
from collections.abc import Mapping

from cryptography.fernet import Fernet

#: Left at their defaults: not even what a `.env` file says of them counts.
_EMPTY = (
    *("API_ACCESS", "DATABASE_URL", "GUARD_ALLOW", "GUARD_PRICES", "OTP_CHALLENGE", "OTP_GUESS_LIMITS"),
    *("OTP_LIMITS", "PHONE_SECRET_KEY_FALLBACKS", "SMS_DESTINATIONS", "TEST_NUMBERS"),
)


def throwaway(
    given: Mapping[str, str], *, port: int, redis_url: str, namespace: str
) -> tuple[dict[str, str], str]:
    """Settings for a web server on localhost:`port` and a Redis at `redis_url`, where `namespace` is free.

    Returns the whole environment and the API key which it lets in. Of the settings in `given` only those
    for trying a real provider are kept: SMS_PROVIDERS with SMS_ROUTES, and PHONE_REGION; and
    CELERY_BROKER_URL beside a REDIS_URL. All others are set here, because one that is not set may
    stand in a `.env` file, and the demo must not touch the database, the queue or the providers of a
    production.
    """
    api_key = secrets.token_urlsafe(24)
    sandbox = f"phone=sandbox://:{secrets.token_urlsafe(24)}@127.0.0.1:{port}"
    own_broker = given.get("CELERY_BROKER_URL") if given.get("REDIS_URL") else None
    return {
        **given,
        **dict.fromkeys(_EMPTY, ""),
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "API_KEYS": f"demo:{hashlib.sha256(api_key.encode()).hexdigest()}",
        "CELERY_BROKER_URL": own_broker or redis_url,
        "DEBUG": "1",
        "GUARD_BUDGET": "0",
        "GUARD_MODE": "shadow",
        # A given Redis may hold something else, or another demo.
        "OTPOST_NAMESPACE": namespace,
        "PAGES": "open",
        "PHONE_REGION": given.get("PHONE_REGION") or "US",
        "PHONE_SECRET_KEY": secrets.token_hex(32),
        "PUBLIC_URL": f"http://localhost:{port}",
        "PYTHONUNBUFFERED": "1",
        "REDIS_URL": redis_url,
        "SECRET_KEY": secrets.token_hex(32),
        "SMS_PROVIDERS": given.get("SMS_PROVIDERS") or sandbox,
        "SMS_ROUTES": given.get("SMS_ROUTES", "") if given.get("SMS_PROVIDERS") else "",
        "SMS_SEAL_KEYS": Fernet.generate_key().decode(),
    }, api_key
