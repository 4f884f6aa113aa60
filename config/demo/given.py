"""The environment of the demo. Its user may give a Redis, which is left as it was, and a provider."""

import secrets
from collections.abc import Mapping
from contextlib import suppress

import redis
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from config.addresses import ESCAPES, REDIS, Address, read, scheme
from otp.api import keys

#: Seconds for a given Redis to answer.
SECONDS = 2.0

#: Reset to their defaults, so that a `.env` file does not count.
_EMPTY = (
    *("ALLOWED_HOSTS", "DATABASE_URL", "GUARD_ALLOW", "GUARD_BUDGET", "GUARD_MODE"),
    *("GUARD_PRICES", "OTP_CHALLENGE", "OTP_GUESS_LIMITS", "OTP_LIMITS", "PHONE_SECRET_KEY_FALLBACKS"),
    *("CSP_SOURCES", "OTP_ALTCHA", "OTP_LOOKUPS", "OTP_REVERSE", "SMS_DESTINATIONS"),
    *("SMS_HELP", "SMS_OPTOUT_KEYS", "TEST_NUMBERS", "TEST_NUMBERS_UNTIL"),
)

#: Kept only if providers are given.
_OF_PROVIDERS = ("ANYMAIL", "EMAIL_URL", "SMS_ROUTES")


def problem_with(url: str) -> str | None:
    """The fault of the Redis at `url`, without its password; None if it works.

    The text continues a sentence that begins with the variable's name.
    """
    try:
        if scheme(url, "REDIS_URL") not in REDIS:
            raise ImproperlyConfigured
        address = read(url, "REDIS_URL")
    except ImproperlyConfigured:
        return f"is not a URL like redis://:password@host:6379/0 ({ESCAPES})"
    host, port = address.hosts[0]
    server = "" if address.scheme == "unix" else f"{host or 'localhost'}:{port or 6379}"
    where = f"{address.scheme}://{server}{address.path}"
    try:
        with _client(address) as client:
            client.ping()
    except AuthenticationError:
        return f"points to {where}, which does not accept the user name or password"
    except (RedisError, OSError) as error:
        # Without the text of the error, which may quote the URL.
        return f"points to {where}, which does not answer ({type(error).__name__})"
    return None


def wipe(url: str, namespace: str) -> None:
    """Delete the keys of an installation that has ended, and kombu's records of its queues."""
    with suppress(RedisError, OSError), _client(read(url, "REDIS_URL")) as client:
        for pattern in (f"{namespace}:*", f"_kombu.binding*.{namespace}:*"):
            for key in client.scan_iter(pattern, count=1000):
                client.unlink(key)
        shared = "_kombu.binding_deadlines"  # one key for all installations
        for member, _ in client.zscan_iter(shared, f"*{namespace}:*"):
            client.zrem(shared, member)


def _client(address: Address) -> redis.Redis:
    limits = {"socket_timeout": SECONDS, "socket_connect_timeout": SECONDS}
    return redis.Redis.from_url(address.url, retry=Retry(NoBackoff(), 0), **limits, **address.tls)


def throwaway(
    given: Mapping[str, str], *, port: int, redis_url: str, namespace: str
) -> tuple[dict[str, str], str]:
    """The environment of the demo's processes, with secrets for one run, and its API key.

    From `given` it keeps

    - SMS_PROVIDERS, and then SMS_ROUTES, EMAIL_URL and ANYMAIL;
    - OTP_PURPOSES, PHONE_REGION, METRICS_TOKEN, HOOKS and WEBHOOKS;
    - CELERY_BROKER_URL, if there is a REDIS_URL.

    Every other variable that could reach a production system is set here: a `.env` file may hold its values.
    """
    api_key, digest = keys.make()
    sandbox = f"sandbox://:{secrets.token_urlsafe(24)}@127.0.0.1:{port}"
    own_broker = given.get("CELERY_BROKER_URL") if given.get("REDIS_URL") else None
    providers = given.get("SMS_PROVIDERS")
    return {
        **given,
        **dict.fromkeys(_EMPTY, ""),
        **{name: given.get(name, "") if providers else "" for name in _OF_PROVIDERS},
        # Every scope, and a return URL for the examples that run beside the demo.
        "API_ACCESS": "demo=verify,messages,read,operate,phone,return:http://localhost:3000",
        "API_KEYS": f"demo:{digest}",
        "CELERY_BROKER_URL": own_broker or redis_url,
        "DEBUG": "1",
        "HOOKS": given.get("HOOKS", ""),
        "METRICS_TOKEN": given.get("METRICS_TOKEN", ""),
        "OTEL_TRACES_EXPORTER": "none",
        "OTPOST_COPIES": "0",  # the embedded server has no replica
        "REDIS_CELLS": "1",
        "REDIS_CELLS_BEFORE": "0",
        "OTP_PURPOSES": given.get("OTP_PURPOSES", ""),
        # A given Redis may be used by something else, or by another demo.
        "OTPOST_NAMESPACE": namespace,
        "PAGES": "open",
        "PHONE_REGION": given.get("PHONE_REGION") or "US",
        "PHONE_SECRET_KEY": secrets.token_hex(32),
        "PUBLIC_URL": f"http://localhost:{port}",
        "PYTHONUNBUFFERED": "1",
        "REDIS_URL": redis_url,
        "SECRET_KEY": secrets.token_hex(32),
        "SMS_PROVIDERS": providers or f"phone={sandbox},call={sandbox}?channel=voice",
        "SMS_SEAL_KEYS": Fernet.generate_key().decode(),
        "WEBHOOKS": given.get("WEBHOOKS", ""),
    }, api_key
