"""Issue a code by the handler's own rules, with what only ``otp.services`` gives."""

from __future__ import annotations

from typing import Any

from otp import digests, purposes, store
from otp.admission.limits import NOTHING, Counted
from otp.admission.rules import Rule
from otp.results import Issue, Sending


def issue(phone: str, counted: Counted = NOTHING, *, owner: str = "") -> Issue:
    """A code without an SMS that counts towards limits, or that an API key owns."""
    rules, phones = purposes.get("login"), digests.of_phone(phone, "login")
    draft = digests.draw(rules, phones)
    return store.start(rules, phones, draft, Sending(counted=counted), owner=owner)


def end_cooldown(redis: Any) -> None:
    """As if the cooldown of every phone had run, without a wait for it."""
    for key in redis.keys("otp:phone:*"):
        redis.hset(key, "resend_at", 0)


def counted_by(*rules: Rule) -> Counted:
    """The counts under these rules, each for the same subject."""
    named = ({"key": f"otp:limit:test{place}", **rule.in_lua} for place, rule in enumerate(rules))
    return Counted(rules, tuple(named))
