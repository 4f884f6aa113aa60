"""System checks of the connections to Redis and the broker, as the project's Celery and cache have them."""

from __future__ import annotations

import os
import ssl
from typing import Any

import celery
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from kombu import Connection
from redis.connection import SSLConnection

from sms import broker, names, scripts
from sms.declared import register


@register(Tags.security, deploy=True)
def servers_are_verified(**_: Any) -> list[CheckMessage]:
    """TLS that believes anybody keeps nobody out. kombu's default for a Redis is to believe anybody."""
    return [
        Warning(
            f"{name} has TLS, but {what} of it is verified: whoever stands between may read the password and "
            f"all else. {mend}",
            id="sms.W012",
        )
        for name, what, mend in (_store(), _broker())
        if what
    ]


@register(deploy=True)
def celery_reads_the_settings(**_: Any) -> list[CheckMessage]:
    """Without an app of the project's own Celery has its defaults, and asks a RabbitMQ on this machine."""
    if _reads_the_settings():
        return []
    return [
        Warning(
            "CELERY_BROKER_URL is set, and Celery does not read it. Make an app with "
            'config_from_object("django.conf:settings", namespace="CELERY"), and import it in the '
            "__init__.py of your project: the README has both.",
            id="sms.W024",
        )
    ]


@register(deploy=True)
def the_consumer_is_ours(**_: Any) -> list[CheckMessage]:
    """Celery's own stays away for up to 30 s after an outage, and ends on an entry that is no task."""
    from sms.consumer import Consumer

    if not _reads_the_settings():
        return []  # the check above says it
    path = str(celery.current_app.conf.worker_consumer).replace(":", ".")
    try:
        right = issubclass(import_string(path), Consumer)
    except ImportError:
        right = False
    if right:
        return []
    return [
        Warning(
            'CELERY_WORKER_CONSUMER is not "sms.consumer:Consumer": after an outage of its broker a worker '
            "would stay away for up to 30 s, and an entry that is no task would end it.",
            id="sms.W011",
        )
    ]


def _reads_the_settings() -> bool:
    url = getattr(settings, "CELERY_BROKER_URL", None)
    # Celery reads the environment's variable of that name first.
    return not url or bool(os.environ.get("CELERY_BROKER_URL")) or celery.current_app.conf.broker_url == url


def _store() -> tuple[str, str, str]:
    try:
        pool = scripts.connection().connection_pool
    except ImproperlyConfigured:
        return "", "", ""  # another check says it
    tls = issubclass(pool.connection_class, SSLConnection)
    return (
        names.store_setting(),
        _unverified(pool.connection_kwargs) if tls else "",
        "Leave out ssl_cert_reqs= and ssl_check_hostname=; a CA of your own is named by ssl_ca_certs=/path.",
    )


def _broker() -> tuple[str, str, str]:
    name = names.broker_setting()
    try:
        with broker.readable():
            found = celery.current_app.connection_for_write()
            driver = found.transport.driver_type
    except ImproperlyConfigured:
        return name, "", ""  # another check says it
    if driver == "amqp":
        return (
            name,
            _unverified_amqp(found),
            'Say CELERY_BROKER_USE_SSL = {"server_hostname": "its.host.name"}.',
        )
    what = _unverified(found.ssl) if isinstance(found.ssl, dict) else ""
    return name, what, "Add ?ssl_cert_reqs=required to it; a CA of your own is named by ssl_ca_certs=/path."


def _unverified(options: dict[str, Any]) -> str:
    if options.get("ssl_cert_reqs", "required") not in ("required", ssl.CERT_REQUIRED):
        return "no certificate"
    return "" if options.get("ssl_check_hostname", True) else "no host name"


def _unverified_amqp(connection: Connection) -> str:
    options: Any = connection.ssl
    if not options:  # for amqps:// the transport has made True of it
        return ""
    if isinstance(options, dict) and options.get("cert_reqs", ssl.CERT_REQUIRED) != ssl.CERT_REQUIRED:
        return "no certificate"
    return "" if isinstance(options, dict) and "server_hostname" in options else "no host name"
