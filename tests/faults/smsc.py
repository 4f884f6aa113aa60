"""An SMSC among the scripted providers: it dies and comes back, and has its receipts still."""

from __future__ import annotations

import itertools
import threading
import time
import zlib
from contextlib import ExitStack

from config.demo.ports import free_port
from tests.faults.provider import PATIENCE, USUAL, Call, Mood, ScriptedProvider
from tests.faults.receipts import Postman
from tests.sms.providers import smsc as wire
from tests.sms.providers.smsc import Connection, Pdu, Smsc

#: Seconds after which a receipt that was not taken is told again.
AGAIN = 1.0


class ScriptedSmsc(ScriptedProvider):
    """It takes a message when that arrives, and answers a moment later. If it dies meanwhile, the outcome is
    in doubt.

    A message is known by its number, as SMPP carries no reference of ours. Every other one has a receipt.
    """

    def __init__(self, alias: str, calls: list[Call], postman: Postman) -> None:
        self._receipts: dict[int, str] = {}  # to be told: id and number
        self._known: set[int] = set()  # ids that were told in an answer
        self._ids = itertools.count(0x1000)
        self._open = ExitStack()
        super().__init__(alias, calls, postman)
        self._port = free_port()
        self._begin()
        threading.Thread(target=self._report_all, daemon=True).start()

    @property
    def url(self) -> str:
        return f"smpp://tester:secret@127.0.0.1:{self._port}?from=Shop&timeout={PATIENCE}"

    @property
    def idle(self) -> bool:
        return not self._receipts

    def turn(self, mood: Mood) -> None:
        """It knows only the moods "well" and "refuse", in which it is dead."""
        before, self.mood = self.mood, mood
        if mood == "refuse":
            self._open.close()
        elif before == "refuse":
            self._begin()

    def close(self) -> None:
        self._open.close()

    def _listen(self) -> None:
        """Not over HTTP."""

    def _begin(self) -> None:
        self._centre: Smsc = self._open.enter_context(wire.smsc(self._port))
        self._centre.on_submit = self._submitted
        self._centre.on_delivered = self._told

    def _submitted(self, connection: Connection, request: Pdu) -> None:
        found, now = wire.read_submit(request.body), time.monotonic()
        to, id = f"+{found.destination[2].decode()}", next(self._ids)
        text = found.text.decode()
        self.calls.append(Call(now, now + USUAL, self.alias, to, text, to, "well", taken=True))
        if zlib.crc32(to.encode()) % 2:
            threading.Timer(4 * USUAL, lambda: self._receipts.update({id: to})).start()

        def answer() -> None:
            connection.answer(request, wire.OK, b"%x\0" % id)
            if connection in self._centre.connections:  # else it has died meanwhile
                self._known.add(id)

        threading.Timer(USUAL, answer).start()

    def _report_all(self) -> None:
        while True:
            time.sleep(AGAIN)
            for id in list(self._receipts):
                times = b"submit date:2611272100 done date:2611272101"
                text = b"id:%x sub:001 dlvrd:001 %s stat:DELIVRD err:000 text:" % (id, times)
                body = wire.deliver_sm(text)
                for connection in [one for one in self._centre.connections if one.bound][-1:]:
                    connection.write(wire.pdu(wire.DELIVER_SM, 0, id, body))

    def _told(self, answer: Pdu) -> None:
        """Note that a receipt was taken, or tell it again later. A receipt for an id that was never given
        says nothing.
        """
        id = answer.sequence
        if answer.status == wire.OK and (to := self._receipts.pop(id, "")) and id in self._known:
            self._postman.delivered.add(to)
