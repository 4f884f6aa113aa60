"""The cost of writing events for a receiver. Another thread sends them."""

from __future__ import annotations

from collections.abc import Iterator

from django.test import override_settings
from django_redis import get_redis_connection

from .report import Goal, Measure
from .surroundings import Surroundings
from .tallying import spend

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


def cost(bench: Surroundings) -> Iterator[Measure]:
    """CPU of this process and of Redis for a start, and for an SMS that a worker hands over."""
    many = 100 if bench.quick else 300
    sides: dict[bool, dict[str, str]] = {True: {"shop": f"https://shop.example/#secret={SECRET}"}, False: {}}
    found: dict[bool, list[tuple[float, float]]] = {told: [] for told in sides}
    with override_settings(OTP_LIMITS="off"), bench.provider.answering_after(0):
        for number in (turns := bench.rounds(15)):
            bench.say(f"webhooks, round {number + 1} of {len(turns)}")
            # The machine may be in another mood for the second one, so take turns.
            for told in sorted(sides, reverse=bool(number % 2)):
                with override_settings(WEBHOOKS=sides[told]):
                    get_redis_connection().flushall()
                    spend(20)  # loads the scripts
                    found[told].append(spend(many))
    for place, name in enumerate(("a start", "an SMS")):
        ours, baseline = ([both[place] for both in found[told]] for told in (True, False))
        yield Measure(f"webhooks: CPU of {name}", "µs", ours, baseline, Goal("ratio", "<=", 1.1))
