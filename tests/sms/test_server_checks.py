"""Caches and brokers that are refused before anything starts, by the name of the setting."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from sms import services
from sms.checks import servers
from tests.conftest import point_cache_at
from tests.starts import python

CACHES = {
    "LocMemCache": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "DummyCache": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    "FileBasedCache": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": "."},
    "RedisCache": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": "redis://:sesame@127.0.0.1:9",
    },
}


@pytest.mark.parametrize("kind", CACHES)
@pytest.mark.parametrize("deploy", [False, True])
def test_a_cache_that_is_not_of_django_redis(settings, kind, deploy):
    """Codes and messages live in it, and only django-redis gives us Redis itself."""
    settings.CACHES = {"default": CACHES[kind]}
    with pytest.raises(SystemCheckError, match=r"sms\.E020") as caught:
        call_command("check", deploy=deploy)
    assert "django_redis.cache.RedisCache" in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_a_start_on_such_a_cache_names_it(settings):
    settings.CACHES = {"default": CACHES["LocMemCache"]}
    with pytest.raises(Exception, match="CACHES") as caught:
        services.send("+12025550123", "Hello")
    assert "NotImplementedError" not in repr(caught.value)


@pytest.mark.parametrize(
    "location", ["sesame@127.0.0.1", "http://:sesame@127.0.0.1", "redis://:sesame@one:port"]
)
def test_a_location_that_cannot_be_read(settings, location):
    point_cache_at(settings, location)
    (error,) = servers.cache_is_redis()
    assert error.id == "sms.E020"
    assert "sesame" not in error.msg


@pytest.mark.one_server
@pytest.mark.parametrize("way", ["option", "URL"])
def test_a_cache_that_decodes_answers(settings, redis_server, way):
    """A sealed text is bytes."""
    if way == "URL":
        point_cache_at(settings, f"{redis_server.url}?decode_responses=True")
    else:
        url = redis_server.url.replace("127.0.0.1", "localhost")
        point_cache_at(settings, url, decode_responses=True)
    (error,) = servers.cache_keeps_bytes()
    assert error.id == "sms.E031"
    assert "decode_responses" in error.msg


def test_the_cache_that_we_write_ourselves_passes():
    assert servers.cache_is_redis() == []
    assert servers.cache_keeps_bytes() == []


@pytest.mark.parametrize(
    "url",
    [
        "unix://:sesame@/run/redis.sock",
        "redis://:se/same@one",
        "redis://:sesame@one/main",
        "azureservicebus://a:sesame@b",
    ],
)
def test_a_broker_that_celery_cannot_read(url, redis_server):
    """In a project its settings are not ours to read, and Celery's own error is a traceback."""
    code = (
        "import django, celery; django.setup(); from django.core.management import call_command; "
        f"celery.current_app.conf.update(task_always_eager=False, broker_url={url!r}, "
        f"broker_read_url={url!r}, broker_write_url={url!r}); "
        "call_command('check', deploy=True)"
    )
    done = python("-c", code, DJANGO_SETTINGS_MODULE="tests.settings")
    assert "(sms.E033) CELERY_BROKER_URL" in done.stderr
    assert "same" not in done.stderr.replace(code, "")
