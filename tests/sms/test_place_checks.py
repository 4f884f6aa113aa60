"""Checks of where everything stands: an alias that nobody else clears, a namespace of its own."""

from __future__ import annotations

from itertools import pairwise

import pytest
from cryptography.fernet import Fernet
from django.core.checks import run_checks
from structlog.testing import capture_logs

from config.servers import cache
from otp import services
from sms import names, sweeper
from sms import services as sms
from sms.checks import place
from sms.scripts import client
from tests.tagged import forget_nodes

DJANGO, DJANGO_REDIS = "django.core.cache.backends.redis.RedisCache", "django_redis.cache.RedisCache"


def found(*ids: str) -> list[str]:
    """The texts of these checks."""
    return [str(one.msg) for one in run_checks(include_deployment_checks=True) if one.id in ids]


def entry(location: str | list[str], backend: str = DJANGO_REDIS, **more: object) -> dict[str, object]:
    return {"BACKEND": backend, "LOCATION": location} | more


@pytest.fixture
def caches(settings, redis_server):
    """CACHES of a project, whose default is of its own; ``…0`` is a database of the server of this test."""
    server = redis_server.url.removesuffix("0")

    def put(**aliases: dict[str, object]) -> None:
        settings.CACHES = {"default": entry(server + "7")} | aliases

    put.server = server  # type: ignore[attr-defined]
    return put


def test_an_alias_of_its_own_is_what_nobody_clears(caches, settings):
    caches(
        otpost=entry(caches.server + "1"), local={"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
    settings.OTPOST_CACHE = "otpost"
    assert found("sms.W021", "sms.E021") == []


def test_the_cache_of_the_whole_project_is_warned_of(caches, settings):
    (text,) = found("sms.W021")
    assert "'default'" in text
    assert "OTPOST_CACHE" in text


@pytest.mark.parametrize(
    ("own", "other"),
    [
        (entry("redis://10.0.0.1:6379/1"), entry("redis://10.0.0.1/1", DJANGO)),
        (entry("redis://10.0.0.1/0"), entry("rediss://:secret@10.0.0.1", DJANGO)),
        (entry("redis://10.0.0.1/0?db=1"), entry("redis://10.0.0.1", DJANGO, OPTIONS={"db": 1})),
        (entry("redis://localhost/1"), entry("redis://127.0.0.1/1", KEY_PREFIX="theirs")),
        (entry("unix:///run/redis.sock?db=1"), entry("unix://:secret@/run/redis.sock?db=1")),
        (entry("redis://10.0.0.1/1"), entry(["redis://10.0.0.1/1", "redis://10.0.0.2/1"], DJANGO)),
        (entry("redis://10.0.0.1/1"), entry("redis://10.0.0.1/1,redis://10.0.0.2/1")),
        (
            cache("redis+sentinel://a,b/mymaster/1", connections=1),
            cache("redis+sentinel://b/mymaster/1", connections=1),
        ),
    ],
)
def test_whatever_alias_has_the_same_database_is_named(settings, own, other):
    """Its clear() is a FLUSHDB, however the address is spelled and whatever its KEY_PREFIX."""
    settings.CACHES = {"default": entry("redis://10.0.0.9/0"), "otpost": own, "theirs": other}
    settings.OTPOST_CACHE = "otpost"
    (warning,) = place.nobody_else_clears_it()
    assert "'theirs'" in warning.msg
    assert "secret" not in warning.msg


def test_each_alias_is_looked_at(settings):
    own = {"one": entry("redis://10.0.0.1/1"), "two": entry("redis://10.0.0.2/1")}
    settings.CACHES = own | {"default": entry("redis://10.0.0.9/0"), "theirs": entry("redis://10.0.0.2/1")}
    settings.OTPOST_CACHE = ["one", "two"]
    (warning,) = place.nobody_else_clears_it()
    assert "'two' shares its database with 'theirs'" in warning.msg


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ("redis://10.0.0.1/1", "redis://10.0.0.1/2"),
        ("redis://10.0.0.1/1", "redis://10.0.0.2/1"),
        ("redis://10.0.0.1:6380/1", "redis://10.0.0.1/1"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=2"),
    ],
)
def test_another_database_is_nobodys_business(settings, own, other):
    settings.CACHES = {"default": entry(other), "otpost": entry(own)}
    settings.OTPOST_CACHE = "otpost"
    assert place.nobody_else_clears_it() == []


def test_a_cache_in_a_folder_is_not_in_the_way(settings, tmp_path):
    folder = entry(tmp_path, "django.core.cache.backends.filebased.FileBasedCache")
    settings.CACHES = {"default": folder, "otpost": entry("redis://10.0.0.1/1")}
    settings.OTPOST_CACHE = "otpost"
    assert place.nobody_else_clears_it() == []


@pytest.mark.one_server
def test_clear_of_the_default_cache_deletes_nothing(caches, settings, redis_server):
    """The same for any other alias that is not ours: this is why the alias is there."""
    from django.core.cache import caches as all_caches

    caches(otpost=entry(caches.server + "1"), theirs=entry(caches.server + "2", DJANGO))
    settings.OTPOST_CACHE = "otpost"
    started = services.start("+12025550123")
    for alias in ("default", "theirs"):
        all_caches[alias].clear()
    assert services.status(started.id).status == "pending"


def test_an_alias_that_is_missing_is_named(settings):
    settings.OTPOST_CACHE = "otpots"
    (text,) = found("sms.E021")
    assert "'otpots'" in text
    assert "default" in text


class TestMark:
    """A sender leaves a mark, and an installation that finds another's mark is warned."""

    @pytest.fixture(autouse=True)
    def sends(self, settings, monkeypatch):
        settings.SMS_PROVIDERS = {"main": "console://?clear=yes"}
        monkeypatch.setattr(place, "_next_mark", 0.0)

    @staticmethod
    def keep() -> list[str]:
        """A sweep of a worker that has just started; its loud lines."""
        place._next_mark = 0.0
        with capture_logs() as logs:
            sweeper.sweep("otp", 0)
        return [line["event"] for line in logs if line["log_level"] == "error"]

    def test_nothing_is_there(self):
        assert found("sms.W022") == []

    def test_its_own(self, redis):
        assert self.keep() == self.keep() == []
        assert found("sms.W022") == []
        assert 3590 < redis.ttl(names.INSTALLATION) <= 3600

    def test_anothers(self, settings, redis):
        self.keep()
        left = redis.get(names.INSTALLATION)
        settings.SMS_SEAL_KEYS = [Fernet.generate_key().decode()]
        assert self.keep() == ["another_installation"]
        assert redis.get(names.INSTALLATION) == left
        (text,) = found("sms.W022")
        assert "OTPOST_NAMESPACE" in text
        settings.OTPOST_NAMESPACE = "shop"
        forget_nodes()
        assert self.keep() == []
        assert found("sms.W022") == []

    def test_anothers_in_a_cell(self, settings):
        """Two lists of servers may have one in common."""
        settings.REDIS_CELLS = 4
        assert self.keep() == self.keep() == []
        with client(3) as redis:
            redis.set(names.key(names.INSTALLATION, 3), "0123456789abcdef")
        assert self.keep() == ["another_installation"]
        assert len(found("sms.W022")) == 1

    def test_it_survives_a_rotation_of_the_keys(self, settings):
        """As docs/rotating-keys.md has it, with processes of two steps side by side, in any order."""
        (old,), new = settings.SMS_SEAL_KEYS, Fernet.generate_key().decode()
        steps = [[old], [old, new], [new, old], [new]]
        for before, after in pairwise(steps):
            for keys in (before, after, before, after):
                settings.SMS_SEAL_KEYS = keys
                assert self.keep() == []
                assert found("sms.W022") == []

    def test_it_tells_nothing_of_the_key(self, settings, redis):
        self.keep()
        (key,) = settings.SMS_SEAL_KEYS
        assert len(redis.get(names.INSTALLATION)) == 16
        assert key.encode() not in redis.get(names.INSTALLATION)

    def test_who_only_keeps_for_tests_leaves_none(self, settings, redis):
        settings.SMS_PROVIDERS = {"test": "memory://"}
        assert self.keep() == []
        assert not redis.exists(names.INSTALLATION)

    def test_without_redis_it_says_nothing(self, settings):
        settings.CACHES = {"default": entry("redis://127.0.0.1:9/0")}
        assert found("sms.W022", "sms.W023") == []
        place.leave_mark()


@pytest.mark.one_server
def test_what_waits_without_the_namespace_that_key_prefix_gives_is_told(settings, redis, monkeypatch):
    """A project with a KEY_PREFIX is upgraded: its codes in flight stand where no version looks any more.

    The version before knew no cells.
    """
    settings.REDIS_CELLS = 1
    monkeypatch.setattr("sms.broker.publish", lambda *_: True)
    settings.CACHES = {"default": settings.CACHES["default"] | {"KEY_PREFIX": "shop"}}
    settings.OTPOST_NAMESPACE = ""
    id = sms.send("+12025550123", "Hello").id
    assert found("sms.W023") == []
    settings.OTPOST_NAMESPACE = None
    assert sms.get(id) is None
    (text,) = found("sms.W023")
    assert "Messages (1) wait" in text
    settings.OTPOST_NAMESPACE = ""
    assert sms.get(id) is not None
    settings.OTPOST_NAMESPACE = "shop"
    assert found("sms.W023") == []
