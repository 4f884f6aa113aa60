"""What the checks say of REDIS_CELLS, and of several servers."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from config import servers
from sms import names
from sms.checks import settings as checks

THREE = "redis://:sesame@one;redis://:sesame@two;redis://:sesame@three"


@pytest.fixture
def three(settings: Any) -> Any:
    settings.REDIS_CELLS = 64
    settings.CACHES, settings.OTPOST_CACHE = servers.caches(THREE, connections=2)
    return settings


def found() -> list[tuple[str, str]]:
    """The ids and texts of whatever is wrong."""
    all_checks = (checks.cell_counts, checks.alias, checks.several_servers, checks.cells_are_of_use)
    return [(str(one.id), one.msg) for check in all_checks for one in check()]


@pytest.mark.parametrize("value", [0, -1, 256, 1.5, "16", None, True])
def test_a_count_of_cells_that_cannot_be(settings, value):
    settings.REDIS_CELLS = value
    (told,) = checks.cell_counts()
    text = "REDIS_CELLS must be a whole number from 1 to 255, such as 16."
    assert (told.id, told.msg) == ("sms.E048", text)
    with pytest.raises(SystemCheckError, match=r"sms\.E048"):
        call_command("check")


def test_a_former_count_may_be_zero(settings):
    settings.REDIS_CELLS, settings.REDIS_CELLS_BEFORE = 16, 0
    assert found() == []
    settings.REDIS_CELLS_BEFORE = 300
    assert found()[0][1].startswith("REDIS_CELLS_BEFORE must be a whole number from 0 to 255")


def test_a_former_count_that_is_the_present_one(settings):
    settings.REDIS_CELLS = settings.REDIS_CELLS_BEFORE = 16
    ((id, text),) = found()
    assert (id, text.startswith("REDIS_CELLS_BEFORE equals REDIS_CELLS")) == ("sms.W047", True)


def test_three_servers_with_cells_are_right(three):
    assert found() == []


def test_three_servers_without_cells(three):
    three.REDIS_CELLS = 1
    ((id, text),) = found()
    assert id == "sms.E049"
    assert text.startswith("REDIS_URL names 3 servers, but REDIS_CELLS is 1")
    del three.REDIS_URL
    assert found()[0][1].startswith("OTPOST_CACHE names 3 servers")
    three.REDIS_CELLS_BEFORE = 64  # on the way back to one server
    assert "sms.E049" not in dict(found())


def test_too_few_cells_for_the_servers(three):
    three.REDIS_CELLS = 2
    idle = set(three.OTPOST_CACHE) - {names.cache_alias(cell) for cell in range(3)}
    warnings = dict(found())
    assert idle
    assert all(alias in warnings["sms.W047"] for alias in idle)


def test_a_cluster_beside_a_server(three):
    cluster = servers.cache("redis+cluster://:sesame@four", connections=2)
    three.CACHES = three.CACHES | {"four": cluster}
    three.OTPOST_CACHE = [*three.OTPOST_CACHE, "four"]
    ((id, text),) = found()
    assert (id, "a Redis Cluster and another server" in text) == ("sms.E049", True)


def test_two_aliases_of_one_server(three):
    three.CACHES = three.CACHES | {"again": three.CACHES["default"]}
    three.OTPOST_CACHE = [*three.OTPOST_CACHE, "again"]
    ((id, text),) = found()
    assert (id, "names a server twice" in text) == ("sms.E049", True)
    assert "sesame" not in text


def test_an_alias_that_is_not_there(three):
    three.OTPOST_CACHE = ["default", "nowhere"]
    assert "OTPOST_CACHE names 'nowhere'" in dict(found())["sms.E021"]


@pytest.mark.parametrize("value", ["", []])
def test_no_alias_at_all(settings, value):
    settings.OTPOST_CACHE = value
    (error,) = checks.servers()
    assert (error.id, error.msg.startswith("OTPOST_CACHE is empty")) == ("sms.E021", True)
    with pytest.raises(SystemCheckError, match=r"sms\.E021"):
        call_command("check")
