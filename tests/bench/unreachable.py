"""How long a number without WhatsApp or Telegram waits for the next alias of its route."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from functools import partial
from urllib.parse import quote

from django.conf import settings
from django.test import override_settings

from tests.sms.providers.gateway import gateway, response

from .report import Goal, Measure
from .surroundings import Surroundings

#: The answer at each of their addresses about a number that is not there: see the samples in
#: tests/sms/providers/test_whatsapp.py and test_telegram.py.
_NOT_THERE = {
    "WhatsApp": (
        "whatsapp://:token@106540352242922?template=verify_code&only=codes&base_url=",
        400,
        '{"error": {"message": "(#131026) Message undeliverable", "type": "OAuthException", "code": 131026}}',
    ),
    "Telegram": (
        "telegram://:token@?only=codes&base_url=",
        200,
        '{"ok": false, "error": "PHONE_NUMBER_NOT_FOUND"}',
    ),
}

_phones = map("+1{}".format, itertools.count(2_032_550_000))


def waits(bench: Surroundings) -> Iterator[Measure]:
    """Milliseconds of a delivery by the second alias once the first has refused, and by that alias alone."""
    for name, (url, status, body) in _NOT_THERE.items():
        with gateway() as refuses, bench.provider.answering_after(0):
            refuses.answer = partial(response, status, body)
            first, second = _deliveries(bench, url + quote(refuses.url, safe=""))
        yield Measure(
            f"a number without {name}: sent by the next alias", "ms", first, second, Goal("ours", "<", 100)
        )


def _deliveries(bench: Surroundings, url: str) -> tuple[list[float], list[float]]:
    """With the vendor at ``url`` before the second alias, and without it."""
    from otp import services
    from sms.delivery.run import deliver

    found: dict[str, list[float]] = {"refuses>bench": [], "bench": []}
    aliases = {**settings.SMS_PROVIDERS, "refuses": url}
    with override_settings(OTP_LIMITS="off", SMS_PROVIDERS=aliases):
        for number in (turns := bench.rounds(300)):
            if number % 50 == 0:
                bench.say(f"unreachable, round {number + 1} of {len(turns)}")
            for route, took in found.items():
                with override_settings(SMS_ROUTES={"default": route}):
                    id = services.start(next(_phones)).message_id
                    began = time.perf_counter()
                    deliver(id)
                    took.append((time.perf_counter() - began) * 1000)
    return found["refuses>bench"], found["bench"]
