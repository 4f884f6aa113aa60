"""A browser without JavaScript on the pages, and its mishaps there."""

from __future__ import annotations

import re

from django.test import Client

from sms.testing import code_in as sent_code
from sms.testing import outbox
from tests.conftest import point_cache_at

PHONE = "+12025550123"
OTHER = "+12025550124"


def start(browser: Client, phone: str = PHONE) -> str:
    """Ask for a code as the form does; the code that was sent."""
    answer = browser.post("/", {"phone": phone})
    assert (answer.status_code, answer["Location"]) == (303, "/code")
    return sent_code(outbox[-1].body)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def text(answer) -> str:
    """The visible text of a page, without the list of countries."""
    main = answer.content.decode().partition("<main")[2].partition("</main>")[0]
    main = re.sub(r"<option.*?</option>", "", main)
    return " ".join(re.sub(r"<[^>]+>", "", f"<{main}").split())


def title(answer) -> str:
    return answer.content.decode().partition("<title>")[2].partition("</title>")[0]


def guess(browser: Client, code: str):
    answer = browser.post("/code", {"code": code})
    assert answer.status_code == 303
    return browser.get(answer["Location"], follow=True)


def end(redis) -> None:
    """Make the code's time run out."""
    redis.delete(*redis.keys("otp:verification:*"))


def cool_down(redis) -> None:
    for key in redis.keys("otp:phone:*"):
        redis.hset(key, "resend_at", 0)


def break_redis(settings) -> None:
    point_cache_at(settings, "redis://127.0.0.1:9/0")
