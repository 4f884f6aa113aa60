"""The findings of `check --deploy` about a project's own Celery and cache."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from celery import current_app

from sms.checks import servers
from tests.conftest import point_cache_at


def told(*checks: Any) -> list[str]:
    return [str(found.msg) for check in checks for found in check()]


@pytest.mark.parametrize(
    ("url", "use_ssl", "what"),
    [
        ("redis://:p@host/0", False, ""),
        ("rediss://:p@host/0", False, "the certificate"),  # kombu's default
        ("rediss://:p@host/0?ssl_cert_reqs=none", False, "the certificate"),
        ("rediss://:p@host/0?ssl_cert_reqs=required", False, ""),
        ("rediss://:p@host/0?ssl_cert_reqs=required&ssl_check_hostname=false", False, "the host name"),
        ("rediss://:p@host/0", {"ssl_cert_reqs": ssl.CERT_REQUIRED}, ""),
        ("rediss://:p@host/0", {"ssl_cert_reqs": ssl.CERT_OPTIONAL}, "the certificate"),
        ("amqp://host", False, ""),
        ("pyamqp://host", True, "the host name"),
        ("pyamqp://host", {"cert_reqs": ssl.CERT_NONE}, "the certificate"),
        ("pyamqp://host", {"server_hostname": "host"}, ""),
    ],
)
def test_a_broker_whose_tls_believes_anybody_is_named(monkeypatch, url, use_ssl, what):
    monkeypatch.setitem(current_app.conf, "broker_write_url", url)
    monkeypatch.setitem(current_app.conf, "broker_use_ssl", use_ssl)
    found = told(servers.redis_is_verified, servers.broker_is_verified)
    assert [text for text in found if "CELERY_BROKER_URL" in text and what in text] == found
    assert bool(found) is bool(what)


@pytest.mark.parametrize(
    ("url", "pool", "what"),
    [
        ("rediss://host/0", {}, ""),
        ("rediss://host/0?ssl_cert_reqs=none", {}, "the certificate"),
        ("rediss://another/0", {"ssl_cert_reqs": None}, "the certificate"),
        ("rediss://host/0?ssl_check_hostname=false", {}, "the host name"),
        ("redis://host/0", {}, ""),
    ],
)
def test_a_cache_whose_tls_believes_anybody_is_named(settings, url, pool, what):
    point_cache_at(settings, url, **pool)
    found = told(servers.redis_is_verified, servers.broker_is_verified)
    assert [text for text in found if "REDIS_URL" in text and what in text] == found
    assert bool(found) is bool(what)


def test_a_worker_that_would_stay_away_is_named(monkeypatch):
    """Celery's own consumer waits for up to 30 s between its tries."""
    assert told(servers.the_consumer_is_ours) == []
    monkeypatch.setitem(current_app.conf, "worker_consumer", "sms.consumer:Consumer")
    assert told(servers.the_consumer_is_ours) == []
    monkeypatch.setitem(current_app.conf, "worker_consumer", "celery.worker.consumer:Consumer")
    assert "sms.consumer:Consumer" in told(servers.the_consumer_is_ours)[0]


def test_an_app_that_does_not_read_the_settings_is_named(settings, monkeypatch):
    """Celery then asks a RabbitMQ on this machine, and "nothing answers" would send people to their Redis."""
    assert told(servers.celery_reads_the_settings) == []
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # Celery reads it first
    monkeypatch.setitem(current_app.conf, "broker_url", "amqp://another")
    settings.CELERY_BROKER_URL = "redis://elsewhere/1"
    assert (
        "CELERY_BROKER_URL is set, but Celery does not read it" in told(servers.celery_reads_the_settings)[0]
    )
    assert told(servers.the_consumer_is_ours) == []
    del settings.CELERY_BROKER_URL
    assert told(servers.celery_reads_the_settings) == []


def test_checks_call_the_servers_by_the_names_that_the_project_has(settings):
    """REDIS_URL is a setting of Otpost's own server; a project has an alias of its cache."""
    from sms import names

    assert names.store_setting() == "REDIS_URL"
    assert names.broker_setting() == "CELERY_BROKER_URL (without one, REDIS_URL)"
    del settings.REDIS_URL
    assert names.store_setting() == "CACHES['default']"
    assert names.broker_setting() == "CELERY_BROKER_URL"
