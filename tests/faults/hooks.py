"""A receiver of events that hangs while codes are sent."""

from __future__ import annotations

from pathlib import Path

from sms import names
from tests.faults.scene import SOON, Scene
from tests.faults.stack import Stack
from tests.sms.webhooks.receiver import Receiver

#: Seconds for which it hangs: longer than a call may take.
HANGS = 20.0

#: Seconds in which the first retry of all that it did not take must have come.
RETRIED = 60.0


class ToldStack(Stack):
    """A small site that tells a receiver of everything."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.receiver = Receiver()
        self.receiver.forgets = True
        super().__init__(directory, WEBHOOKS=f"shop={self.receiver.url()}", **environment)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.receiver.close()


def hang(scene: Scene) -> None:
    """No code may wait for it, and no event may get lost."""
    assert isinstance(scene.stack, ToldStack)
    receiver = scene.stack.receiver
    assert scene.until(lambda: receiver.got != [], 20), "nothing was told before"
    before = _sent(scene).keys()
    receiver.hangs.set()
    try:
        scene.pause(HANGS)
        assert receiver.in_hand > 1, "no call hung"
    finally:
        receiver.hangs.clear()
        scene.over()
    during = {id: waited for id, waited in _sent(scene).items() if id not in before}
    late = [waited for waited in during.values() if waited > SOON]
    assert during, "no code was sent while it hung"
    assert not late, f"{len(late)} of {len(during)} codes waited for up to {max(late, default=0):.1f} s"

    def untold() -> set[str]:
        told = {got.data.get("message_id") for got in receiver.got if got.type == "message.sent"}
        return during.keys() - told

    assert scene.until(lambda: not untold(), RETRIED), f"{len(untold())} of {len(during)} were not told"
    assert not receiver.forged, "what was told was not signed"


def _sent(scene: Scene) -> dict[str, float]:
    """Message → the seconds from when it was accepted until a provider had it."""
    keys = list(scene.redis.scan_iter(f"{names.RECORD}*", count=1000))
    pipe = scene.redis.pipeline(transaction=False)
    for key in keys:
        pipe.hmget(key, "created_at", "sent_at")
    found = zip(keys, pipe.execute(), strict=True)
    return {
        key.decode().removeprefix(names.RECORD): (int(sent_at) - int(created_at)) / 1000
        for key, (created_at, sent_at) in found
        if created_at and sent_at
    }
