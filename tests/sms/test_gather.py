"""What is read over all cells: one round trip for each server."""

from __future__ import annotations

import pytest
from redis.client import Pipeline

from sms import cells, names
from sms.errors import Unavailable
from sms.scripts import connection, gather


@pytest.fixture
def executed(settings, monkeypatch):
    """Two servers with eight cells. Collects the pipelines that are sent, by database."""
    entry = settings.CACHES["default"]
    second = entry | {"LOCATION": entry["LOCATION"].removesuffix("0") + "5"}
    settings.CACHES = {"default": entry, "second": second}
    settings.OTPOST_CACHE = ["default", "second"]
    settings.REDIS_CELLS = 8
    found, execute = [], Pipeline.execute

    def noted(self, *args, **options):
        found.append(self.connection_pool.connection_kwargs["db"])
        return execute(self, *args, **options)

    monkeypatch.setattr(Pipeline, "execute", noted)
    return found


@pytest.mark.one_server
def test_each_server_is_asked_once(executed):
    answers = gather(
        cells.every(), lambda pipe, cell: (pipe.set(names.key("sms:x", cell), cell), pipe.ping())
    )
    assert answers == {cell: [True, True] for cell in range(9)}
    assert sorted(executed) == [0, 5]
    on = {cell: [connection(cell).get(names.key("sms:x", cell))] for cell in cells.every()}
    assert on == {cell: [str(cell).encode()] for cell in range(9)}
    assert {names.cache_alias(cell) for cell in range(1, 9)} == {"default", "second"}


@pytest.mark.one_server
def test_as_many_answers_as_a_cell_was_asked_for(executed):
    answers = gather((3, 1), lambda pipe, cell: [pipe.echo(cell) for _ in range(cell)])
    assert answers == {3: [b"3"] * 3, 1: [b"1"]}


@pytest.mark.one_server
def test_all_of_it_is_unavailable_if_one_server_is(executed, settings):
    away = settings.CACHES["second"] | {"LOCATION": "redis://127.0.0.1:9/0"}
    settings.CACHES = settings.CACHES | {"second": away}
    with pytest.raises(Unavailable):
        gather(cells.every(), lambda pipe, _: pipe.ping())
    there = [cell for cell in cells.every() if names.cache_alias(cell) == "default"]
    assert list(gather(cells.every(), lambda pipe, _: pipe.ping(), partly=True)) == there
    with pytest.raises(Unavailable):
        gather(set(range(9)).difference(there), lambda pipe, _: pipe.ping(), partly=True)
