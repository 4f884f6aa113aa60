"""A support person at the dashboard, in a real browser: one user's story, and a dead letter."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis

from tests.e2e.browser import AXE, audit, axe
from tests.faults.stack import wait_for

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from tests.e2e import test_dashboard as dashboard  # noqa: E402  # which needs it as well

pytestmark = pytest.mark.together(20)

demo, come, operator = dashboard.demo, dashboard.come, dashboard.operator


def call(demo: SimpleNamespace, path: str, body: dict[str, str]) -> Any:
    """A program's request to the API."""
    headers = {"Authorization": f"Bearer {demo.api_key}", "Content-Type": "application/json"}
    request = urllib.request.Request(demo.url + path, json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.load(answer)


def find(operator: dashboard.Operator, what: str) -> None:
    operator.page.get_by_label("A number, a reference or an id").fill(what)
    with operator.page.expect_navigation():
        operator.page.get_by_role("button", name="Find").click()


def lines(operator: dashboard.Operator) -> list[str]:
    found: list[str] = operator.page.locator(".lines li > span").all_inner_texts()
    return found


@pytest.mark.parametrize("script", [True, False], ids=["", "without JavaScript"])
def test_one_user_is_found_by_number_reference_and_id(come, demo, script):
    number, reference = ("+12025550160", "order-1") if script else ("+12025550161", "order-2")
    started = call(demo, "/v1/verifications", {"phone": number, "reference": reference})
    call(demo, f"/v1/verifications/{started['id']}/check", {"code": "000000"})
    operator = come(java_script_enabled=script)
    operator.log_in("user")
    deadline = time.monotonic() + 10
    find(operator, number)
    while len(lines(operator)) < 4 and time.monotonic() < deadline:  # the worker has it in hand
        find(operator, number)
    story = lines(operator)
    assert story[0] == f"A code for login was asked for (key demo, reference {reference})."
    assert story[-1].startswith("The right code was not typed so far; it expires at ")
    assert "A wrong code was typed." in story
    assert any(line.startswith("The virtual phone (phone) took the message") for line in story)
    shown = operator.page.content() + operator.page.url
    assert number[1:] not in shown
    assert f"••{number[-2:]}" in shown
    for what in (reference, started["id"], started["sms"]["message_id"]):
        find(operator, what)
        assert lines(operator)[:3] == story[:3]
        assert what not in operator.page.url
    find(operator, "+1202")
    assert operator.page.locator("#what-error").inner_text() == "The phone number is too short."
    find(operator, "never-was")
    assert "Nothing was found" in operator.page.locator(".note").inner_text()


def stands_still(pid: int) -> bool:
    """Whether no thread of it runs any more."""
    stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


@pytest.fixture
def dead(demo) -> Any:
    """A message that no provider took in any round, as its worker would have left it."""
    os.kill(demo.pids["worker"], signal.SIGSTOP)
    wait_for(lambda: stands_still(demo.pids["worker"]))  # on a busy machine it may still take what comes
    try:
        id = call(demo, "/v1/messages", {"to": "+12025550162", "body": "Your parcel is here."})["id"]
        store = Redis(port=demo.redis_port)
        (record,) = store.keys(f"*:sms:message:{id}")
        place = record.decode().removesuffix(f"message:{id}")
        store.hset(record, mapping={"state": "failed", "error": "busy", "fault": "no_provider"})
        store.zrem(f"{place}leases:bulk", id)
        store.zadd(f"{place}dead", {id: int(time.time() * 1000)})
    finally:
        os.kill(demo.pids["worker"], signal.SIGCONT)
    return id


def test_a_dead_letter_is_sent_again(operator, demo, dead):
    operator.open("dead-letters")
    letter = operator.page.get_by_role("listitem").filter(has_text=dead)
    playwright.expect(letter).to_contain_text("no provider took it; last error: busy")
    assert audit(operator.page) == []
    if AXE.exists():
        assert axe(operator.page) == []
    letter.get_by_role("button", name="Send again").click()
    playwright.expect(operator.page.locator(".said")).to_have_text("It is on its way again.")
    playwright.expect(letter).to_have_count(0)
    assert dead not in operator.page.url
    deadline = time.monotonic() + 10
    texts: list[str] = []
    while "Your parcel is here." not in texts and time.monotonic() < deadline:
        time.sleep(0.1)
        with urllib.request.urlopen(f"{demo.url}/phone/messages") as answer:  # noqa: S310
            texts = [message["body"] for message in json.load(answer)["messages"]]
    assert texts.count("Your parcel is here.") == 1


def test_the_story_of_a_dead_letter_is_one_press_away(operator, dead):
    operator.open("dead-letters")
    operator.page.get_by_role("listitem").filter(has_text=dead).get_by_role("button", name="Story").click()
    playwright.expect(operator.page.get_by_role("heading", level=1)).to_have_text("One user")
    assert dead in operator.page.locator(".ids").inner_text()
    assert audit(operator.page) == []
    if AXE.exists():
        assert axe(operator.page) == []
