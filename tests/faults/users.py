"""Users, who do something with the code that they get: at another web than the one where they began, if there
are two.
"""

from __future__ import annotations

import http.client
import random
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from tests.faults.load import Load, Start
from tests.faults.provider import Call
from tests.faults.scene import Scene

#: Seconds between two SMS of one code.
COOLDOWN = 2

#: Seconds in which an SMS must be there.
MOST_WAIT = 30.0

#: So many users at once.
MOST_USERS = 100


class Wrong(Exception):
    """Something that no user should see."""


class User(NamedTuple):
    """A user who began at ``port`` and has this code in hand."""

    phone: str
    id: str
    port: int
    code: str


class Users(Load):
    """After each start come checks, a resend or a cancel. ``problems``: what was not as promised."""

    def __init__(self, scene: Scene, rate: float) -> None:
        self._calls = scene.calls
        self._rng = random.Random(scene.rng.random())
        self._inbox: dict[str, list[str]] = defaultdict(list)
        self._read = 0
        self._reading = threading.Lock()
        self._wrong: Counter[str] = Counter()
        self._crossed: Counter[str] = Counter()  # what was done at another web than the start
        self._pool = ThreadPoolExecutor(MOST_USERS)
        super().__init__(scene.stack, rate)

    def stop(self) -> None:
        super().stop()
        self._pool.shutdown()
        self.problems += [f"{count} times: {text}" for text, count in self._wrong.items()]
        never = {"check", "resend", "cancel"} - (+self._crossed).keys()
        self.problems += [f"no {what} was at another web than its start" for what in sorted(never)]

    def _start(self, number: str) -> Start:
        begun = time.monotonic()
        try:
            port, status, body = self._ask(self._webs(), "POST", "", {"phone": number})
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._wrong[f"a start broke: {error!r}"] += 1
            return Start(number, begun, time.monotonic(), 0)
        start = Start(number, begun, time.monotonic(), status, body.get("id", ""))
        if start.accepted:
            self._pool.submit(self._go_on, start, port)
        else:
            self._wrong[f"a start was answered {status}"] += 1
        return start

    def _go_on(self, start: Start, port: int) -> None:
        way = self._WAYS[int(start.phone[-4:]) % len(self._WAYS)]
        try:
            way(self, User(start.phone, start.id, port, self._code(start.phone, 1)))
        except Exception as error:
            self._wrong[f"{way.__name__.strip('_')}: {error!r}"] += 1

    def _right(self, user: User) -> None:
        """The right code at both webs at once, and once more."""
        with ThreadPoolExecutor(2) as both:
            found = list(both.map(lambda home: self._check(user, user.code, at_home=home), (True, False)))
        found.append(self._check(user, user.code))
        self._expect(found.count("valid") == 1, f"a right code was {sorted(found)}")

    def _guessed(self, user: User) -> None:
        """A wrong code before the right one."""
        wrong = f"{(int(user.code) + 1) % 10**6:06}"
        self._expect((found := self._check(user, wrong)) == "invalid", f"a wrong code was {found}")
        self._accepted_once(user)

    def _resent(self, user: User) -> None:
        """The same code by a second SMS."""
        time.sleep(COOLDOWN + 0.5)
        status = self._do("resend", user, "POST", f"/{user.id}/resend")[0]
        self._expect(status == 202, f"a resend was answered {status}")
        self._expect(self._code(user.phone, 2) == user.code, "a resend had another code")
        self._accepted_once(user)

    def _cancelled(self, user: User) -> None:
        """A code that is no more."""
        status = self._do("cancel", user, "DELETE", f"/{user.id}")[0]
        self._expect(status == 204, f"a cancel was answered {status}")
        self._expect((found := self._check(user, user.code)) == "expired", f"a cancelled code was {found}")

    _WAYS: tuple[Callable[[Users, User], None], ...] = (_right, _guessed, _resent, _cancelled)

    def _accepted_once(self, user: User) -> None:
        found = [self._check(user, user.code), self._check(user, user.code)]
        self._expect(found == ["valid", "expired"], f"a right code was {found}")

    def _check(self, user: User, code: str, *, at_home: bool = False) -> str:
        status, body = self._do("check", user, "POST", f"/{user.id}/check", {"code": code}, at_home=at_home)
        return str(body["status"]) if status == 200 else str(status)

    def _do(
        self, what: str, user: User, method: str, path: str, body: Any = None, *, at_home: bool = False
    ) -> tuple[int, Any]:
        """Ask another web than the one of the start; ``at_home``: that one."""
        webs = sorted(self._webs(), key=lambda port: (port == user.port) != at_home)
        port, status, answer = self._ask(webs, method, path, body)
        self._crossed[what] += port != user.port
        return status, answer

    def _webs(self) -> list[int]:
        webs = self._stack.webs()
        return self._rng.sample(webs, len(webs))

    def _ask(self, webs: list[int], method: str, path: str, body: Any = None) -> tuple[int, int, Any]:
        """Port, status and JSON of the first web that is there; a proxy goes on to the next as well."""
        for port in webs:
            try:
                return port, *self._stack.call_at(port, method, f"/v1/verifications{path}", body)[:2]
            except (ConnectionRefusedError, BrokenPipeError):
                # The latter: it went away with the connection still in its backlog, and read nothing of it.
                continue
        raise ConnectionRefusedError(f"none of {len(webs)} webs is there")

    def _code(self, phone: str, count: int) -> str:
        """The code in the ``count``-th SMS that this phone gets."""
        deadline = time.monotonic() + MOST_WAIT
        while len(self._sms(phone)) < count:
            self._expect(time.monotonic() < deadline, f"SMS {count} did not arrive")
            time.sleep(0.1)
        found = re.search(r"\b\d{6}\b", self._sms(phone)[count - 1])
        self._expect(found is not None, "an SMS without a code")
        return found[0] if found else ""

    def _sms(self, phone: str) -> list[str]:
        with self._reading:
            calls: list[Call] = self._calls[self._read :]
            self._read += len(calls)
            for call in calls:
                if call.taken:
                    self._inbox[call.to].append(call.body)
        return self._inbox[phone]

    def _expect(self, so: bool, otherwise: str) -> None:
        if not so:
            raise Wrong(otherwise)
