"""The connections to Redis and the broker, as the project's Celery and cache have them."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from typing import Any

import celery
from django.conf import settings
from django.core.checks import Tags
from django.utils.module_loading import import_string
from redis.connection import SSLConnection

from sms import broker, names, scripts
from sms.checks import check

_CA = "a CA of your own is named by ssl_ca_certs=/path."


@check("sms.W012", Tags.security, deploy=True)
def redis_is_verified() -> Iterator[str]:
    """TLS that believes anybody keeps nobody out."""
    pool = scripts.connection().connection_pool
    if issubclass(pool.connection_class, SSLConnection) and (what := _unverified(pool.connection_kwargs)):
        mend = f"Leave out ssl_cert_reqs= and ssl_check_hostname=; {_CA}"
        yield _believes(names.store_setting(), what, mend)


@check("sms.W012", Tags.security, deploy=True)
def broker_is_verified() -> Iterator[str]:
    """The same. kombu's default for a Redis is to believe anybody."""
    with broker.readable():
        found: Any = celery.current_app.connection_for_write()
        amqp = found.transport.driver_type == "amqp"
    options, mend = found.ssl, f"Add ?ssl_cert_reqs=required to it; {_CA}"
    if amqp and options:
        own = options if isinstance(options, dict) else {}  # for amqps:// the transport has made True of it
        certificate, host = own.get("cert_reqs", ssl.CERT_REQUIRED), "server_hostname" in own
        options = {"ssl_cert_reqs": certificate, "ssl_check_hostname": host}
        mend = 'Say CELERY_BROKER_USE_SSL = {"server_hostname": "its.host.name"}.'
    if isinstance(options, dict) and (what := _unverified(options)):
        yield _believes(names.broker_setting(), what, mend)


@check("sms.W024", deploy=True)
def celery_reads_the_settings() -> Iterator[str]:
    """Without an app of the project's own Celery has its defaults, and asks a RabbitMQ on this machine."""
    if not _reads_the_settings():
        yield (
            "CELERY_BROKER_URL is set, and Celery does not read it. Make an app with "
            'config_from_object("django.conf:settings", namespace="CELERY"), and import it in the '
            "__init__.py of your project: the README has both."
        )


@check("sms.W011", deploy=True)
def the_consumer_is_ours() -> Iterator[str]:
    """Celery's own stays away for up to 30 s after an outage, and ends on an entry that is no task."""
    from sms.consumer import Consumer

    try:
        found = import_string(str(celery.current_app.conf.worker_consumer).replace(":", "."))
    except ImportError:
        found = object
    if _reads_the_settings() and not issubclass(found, Consumer):  # or the check above says it
        yield (
            'CELERY_WORKER_CONSUMER is not "sms.consumer:Consumer": after an outage of its broker a worker '
            "would stay away for up to 30 s, and an entry that is no task would end it."
        )


def _reads_the_settings() -> bool:
    url = getattr(settings, "CELERY_BROKER_URL", None)
    # Celery reads the environment's variable of that name first.
    return not url or bool(os.environ.get("CELERY_BROKER_URL")) or celery.current_app.conf.broker_url == url


def _unverified(options: dict[str, Any]) -> str:
    if options.get("ssl_cert_reqs", "required") not in ("required", ssl.CERT_REQUIRED):
        return "no certificate"
    return "" if options.get("ssl_check_hostname", True) else "no host name"


def _believes(name: str, what: str, mend: str) -> str:
    return (
        f"{name} has TLS, but {what} of it is verified: whoever stands between may read the password and "
        f"all else. {mend}"
    )
