"""``manage.py webhooks``, whose lines docs/webhooks.md has: look, replay, test."""

from __future__ import annotations

import io
import json
import re

import pytest
from django.core.management import CommandError, call_command

from sms import services
from sms.webhooks import store
from tests.conftest import point_cache_at
from tests.sms.house import PHONE
from tests.sms.webhooks.conftest import due_now, send_all
from tests.sms.webhooks.receiver import OTHER, SECRET, Receiver


def run(*args: str, fails: str = "") -> str:
    out = io.StringIO()
    if fails:
        with pytest.raises(CommandError, match=fails):
            call_command("webhooks", *args, stdout=out)
    else:
        call_command("webhooks", *args, stdout=out)
    for secret in (SECRET, OTHER, "/hook"):
        assert secret not in out.getvalue()
    return out.getvalue()


def rows(*args: str) -> list[dict]:
    return [json.loads(line) for line in run(*args, "--json").splitlines()]


@pytest.fixture
def dead(receiver, redis) -> list[str]:
    """The ids of two dead letters."""
    receiver.status = 503
    for _ in range(2):
        services.send(PHONE, "Hello")
    for _ in range(7):
        send_all()
        due_now()
    receiver.status = 204
    return sorted({got.id for got in receiver.got})


def test_what_waits(receiver):
    services.send(PHONE, "Hello")
    assert f"shop: http://127.0.0.1:{receiver.port}, all events; 1 waiting, 0 dead" in run()
    (row,) = rows()
    assert (row["endpoint"], row["waiting"], row["dead"]) == ("shop", 1, 0)
    assert (row["error"], row["error_at"]) == ("", None)


def test_what_fails_is_told_with_its_cause_and_the_next_try(receiver):
    receiver.status = 503
    services.send(PHONE, "Hello")
    assert "failed" not in run()
    send_all()
    assert re.search(
        r"1 waiting, 0 dead\n  the oldest has waited for \d+ s; failed at 2\S+ \(status_503\); "
        r"next try at 2\S+\n",
        run(),
    )
    (row,) = rows()
    assert row["error"] == "status_503"
    assert row["error_at"] < row["next_try_at"]
    assert 0 <= row["oldest_seconds"] < 60
    receiver.status = 204


def test_dead_letters_are_listed_and_replayed(receiver, dead):
    assert sorted(row["id"] for row in rows()[1:]) == dead
    assert "status_503" in run()
    assert "sent again" in run("--replay", dead[0])
    run("--replay", dead[0], fails="No dead letter has the id")
    run("--replay", fails="Write --replay ID, or --replay --all")
    send_all()
    assert receiver.got[-1].id == dead[0]
    assert [row["id"] for row in rows()[1:]] == [dead[1]]


def test_all_of_them(receiver, dead):
    assert len(rows("--replay", "--all")) == 2
    send_all()
    assert sorted(got.id for got in receiver.got[-2:]) == dead
    assert store.queues()["shop"].dead == 0


def test_a_test_event(receiver):
    assert "taken" in run("--test")
    assert receiver.types() == ["otpost.test"]
    receiver.status = 404
    assert "status_404" in run("--test", fails="Not every endpoint")


def test_one_endpoint_alone(receiver, settings):
    with Receiver() as other:
        settings.WEBHOOKS = {"shop": receiver.url(), "crm": other.url()}
        run("--test", "--endpoint", "crm")
        assert (receiver.types(), other.types()) == ([], ["otpost.test"])
    run("--endpoint", "nobody", fails="WEBHOOKS has no endpoint nobody")


def test_what_stands_in_the_way_is_said(settings):
    settings.WEBHOOKS = {}
    run(fails="WEBHOOKS has no endpoints")
    settings.WEBHOOKS = {"shop": "s3cret"}
    run(fails="WEBHOOKS: shop must look like")
    settings.WEBHOOKS = {"shop": f"https://shop.example.com/#secret={SECRET}"}
    run("--limit", "0", fails="must be 1 or more")
    point_cache_at(settings, "redis://127.0.0.1:9/0")
    run(fails="Is REDIS_URL right")
