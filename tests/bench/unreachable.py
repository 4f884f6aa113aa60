"""How long a number without WhatsApp waits for the next alias of its route."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from urllib.parse import quote

from django.conf import settings
from django.test import override_settings

from tests.sms.providers.gateway import gateway, response

from .report import Goal, Measure
from .surroundings import Surroundings

#: What WhatsApp's Cloud API says of a number that is not there; see tests/sms/providers/test_whatsapp.py.
_NOT_THERE = (
    '{"error": {"message": "(#131026) Message undeliverable", "type": "OAuthException", "code": 131026}}'
)

_phones = map("+1{}".format, itertools.count(2_032_550_000))


def waits(bench: Surroundings) -> Iterator[Measure]:
    """Milliseconds of a delivery by the second alias, after WhatsApp has refused, and by that alias alone."""
    from otp import services
    from sms.delivery.run import deliver

    found: dict[str, list[float]] = {"whatsapp>bench": [], "bench": []}
    with gateway() as refuses, bench.provider.answering_after(0):
        refuses.answer = lambda: response(400, _NOT_THERE)
        at = quote(refuses.url, safe="")
        whatsapp = f"whatsapp://:token@106540352242922?template=verify_code&only=codes&base_url={at}"
        aliases = {**settings.SMS_PROVIDERS, "whatsapp": whatsapp}
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
    yield Measure(
        "a number without WhatsApp: sent by the next alias",
        "ms",
        found["whatsapp>bench"],
        found["bench"],
        Goal("ours", "<", 100),
    )
