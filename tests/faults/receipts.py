"""Delivery reports of a scripted provider: signed as Twilio does, posted as well or badly as told."""

from __future__ import annotations

import http.client
import random
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Literal
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

PUBLIC_URL = "https://otp.example.com"

#: usual: for every second message, soon. So a run has messages with and without a receipt. late: for each
#: message, seconds after its answer. doubled: three times at once. first: before the answer to its call.
#: forged: no genuine receipt, but two that say "failed".
Manner = Literal["usual", "late", "doubled", "forged", "first"]

#: Seconds for which a receipt is tried again while the web or Redis is away. Vendors try for hours.
PATIENCE = 90.0


class Postman:
    """Posts receipts to the web server; both providers share one."""

    def __init__(self, webs: Callable[[], list[int]], rng: random.Random) -> None:
        self.manner: Manner = "usual"
        self.delivered: set[str] = set()  # references that a genuine receipt was taken for
        self.forged: Counter[int] = Counter()  # how forged ones were answered
        self.strange = 0  # receipts that were not posted in the usual manner
        self._webs, self._rng = webs, rng
        self._under_way: list[threading.Thread] = []

    def report(self, callback: str, sid: str, token: str) -> None:
        """Report a message that was just taken, in the manner of now. With "first" it waits."""
        if not callback:
            return
        manner = self.manner
        self.strange += manner != "usual"
        if manner == "usual":
            if zlib.crc32(callback.encode()) % 2:
                self._later(0.2, lambda: self._genuine(callback, sid, token))
        elif manner == "late":
            self._later(self._rng.uniform(4, 8), lambda: self._genuine(callback, sid, token))
        elif manner == "doubled":
            for _ in range(3):
                self._later(0.1, lambda: self._genuine(callback, sid, token))
        elif manner == "first":
            self._genuine(callback, sid, token)
        else:
            self._later(0.1, lambda: self._forge(callback, sid))

    @property
    def idle(self) -> bool:
        """Whether no receipt is under way."""
        self._under_way = [thread for thread in self._under_way if thread.is_alive()]
        return not self._under_way

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        def post() -> None:
            time.sleep(seconds)
            what()

        thread = threading.Thread(target=post, daemon=True)
        thread.start()
        self._under_way.append(thread)

    def _genuine(self, callback: str, sid: str, token: str) -> None:
        fields = {"MessageSid": sid, "MessageStatus": "delivered"}
        signature = RequestValidator(token).compute_signature(callback, fields)
        if self._post(callback, fields, {"X-Twilio-Signature": signature}) == 204:
            self.delivered.add(callback.rpartition("=")[2])

    def _forge(self, callback: str, sid: str) -> None:
        fields = {"MessageSid": sid, "MessageStatus": "failed", "ErrorCode": "30003"}
        guessed = RequestValidator("guessed").compute_signature(callback, fields)
        for headers in ({"X-Twilio-Signature": guessed}, {}):
            self.forged[self._post(callback, fields, headers)] += 1

    def _post(self, callback: str, fields: dict[str, str], headers: dict[str, str]) -> int:
        """The status; 0 if the web was away, or could not answer, for too long."""
        deadline = time.monotonic() + PATIENCE
        headers = headers | {"Content-Type": "application/x-www-form-urlencoded"}
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", self._rng.choice(self._webs()), timeout=10)
            try:
                connection.request("POST", callback.removeprefix(PUBLIC_URL), urlencode(fields), headers)
                status = connection.getresponse().status
            except (OSError, http.client.HTTPException):
                status = 503
            finally:
                connection.close()
            if status != 503:
                return status
            time.sleep(0.5)
        return 0
