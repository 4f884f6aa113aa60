"""A channel that takes every code and delivers none."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import ClassVar

from tests.faults.scene import Scene
from tests.faults.stack import Stack

#: Seconds without a receipt after which the next channel has the code, the least and the most.
NEXT_AFTER = (5, 6)

#: Seconds in which it must be there. A code lives 120 s.
IN_TIME = 20.0


class TwoChannels(Stack):
    """A small site that tries WhatsApp, then SMS."""

    channels: ClassVar = ["whatsapp", "sms"]

    def __init__(self, directory: Path, **environment: str) -> None:
        purposes = {"login": {"channels": self.channels, "next_channel_after": NEXT_AFTER}}
        super().__init__(directory, OTP_PURPOSES=json.dumps(purposes), **environment)


def wait(scene: Scene) -> None:
    """Every code that it took is in an SMS in time, once."""
    scene.pause(IN_TIME)
    until = time.monotonic() - IN_TIME
    taken = [call for call in scene.calls if call.alias == "main" and call.at < until]
    assert taken, "it took nothing"
    for call in taken:
        texts = [other for other in scene.calls if other.alias == "spare" and other.to == call.to]
        assert len(texts) == 1, f"a number had {len(texts)} SMS"
        (text,) = texts
        assert call.body in text.body, "the SMS brought another code"
        assert text.at - call.at <= IN_TIME, f"the SMS came after {text.at - call.at:.0f} s"
