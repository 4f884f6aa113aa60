"""``make demo ARGS=--traffic``: simulate a day of a small site in two minutes.

People in six countries request codes over the API, and most of them type them. Three gateways, which this
process simulates as well, deliver the codes. One fails for two hours in the morning. In the afternoon, an
attacker requests codes to numbers that nobody holds. All of it goes through the product itself. Only the
counters of an hour are moved to their place in the day, when the hour's five seconds are over.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args
from urllib.parse import urlencode

import urllib3

from config.demo.ports import free_port

#: Seconds of a simulated hour.
HOUR = 5.0

#: Codes requested in the busiest hour, and in an hour of the attack.
BUSIEST, ATTACK = 45, 60

#: The hours in which the gateway ``south`` refuses everything, and those of the attack.
BROKEN, ATTACKED = range(9, 11), range(15, 18)

GATEWAYS = ("north", "south", "west")

#: Numbers of the virtual phone: fictional ones, as the page suggests.
BY_HAND = "+1202555"

#: A number of each country, whose last four digits are drawn, and its share of the traffic.
COUNTRIES = {
    "+1415200": 30,
    "+4917012": 25,
    "+3361234": 15,
    "+4479461": 12,
    "+9198765": 10,
    "+5511912": 8,
}
_LENGTHS = {"+1": 12, "+4": 13, "+3": 12, "+9": 13, "+5": 14}

#: The share of a gateway's messages that arrive. ``west`` is cheap and loses many.
ARRIVES = {"north": 0.97, "south": 0.93, "west": 0.8}


def environment(given: Mapping[str, str], web_port: int, api_key: str) -> dict[str, str]:
    """Further variables for the demo's processes. The virtual phone stays."""
    port, urls = free_port(), []
    keys = {name: secrets.token_urlsafe(24) for name in GATEWAYS}
    for name in GATEWAYS:
        options = {
            "json": '{"to":"{to}","text":"{body}","ref":"{id}"}',
            "id": "id",
            "receipt_secret": keys[name],
            "receipt_reference": "ref",
            "receipt_state": "status",
            "delivered": "DELIVERED",
            "failed": "FAILED",
        }
        urls.append(f"{name}=http://:{keys[name]}@127.0.0.1:{port}/{name}?{urlencode(options)}")
    return {
        "GUARD_MODE": "shadow",
        "GUARD_PRICES": "US=0.008,DE=0.075,FR=0.06,GB=0.04,IN=0.02,BR=0.03,default=0.1",
        "LOG_LEVEL": "ERROR",  # otherwise thousands of lines would hide ours
        "OTP_LIMITS": "phone=5/10m,10/1d",
        "SMS_PROVIDERS": ",".join([*urls, given["SMS_PROVIDERS"]]),
        "SMS_ROUTES": f"default=north>south,GB=south>west,DE=south>north,IN=west>north,{BY_HAND}=phone>call",
        "TRAFFIC": json.dumps({"port": port, "web_port": web_port, "api_key": api_key, "keys": keys}),
    }


_dice = secrets.SystemRandom()


class Gateways(ThreadingHTTPServer):
    """The three gateways. They keep the latest code of each number for its user."""

    daemon_threads = True

    def __init__(self, port: int, web: str, keys: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", port), _Call)
        self.broken = False
        self.codes: dict[str, str] = {}
        self.arrived = threading.Condition()
        self.keys = keys
        self._web = web
        self._pool = urllib3.PoolManager(maxsize=50, retries=False, timeout=10)
        self._later = ThreadPoolExecutor(50)

    def deliver(self, name: str, to: str, text: str, reference: str) -> None:
        """Deliver a message or lose it, and report that."""
        self._later.submit(self._deliver, name, to, text, reference)

    def _deliver(self, name: str, to: str, text: str, reference: str) -> None:
        from sms.testing import code_in

        time.sleep(_dice.uniform(0.1, 0.6))
        arrives = _dice.random() < ARRIVES[name]
        if arrives:
            with self.arrived:
                self.codes[to] = code_in(text)
                self.arrived.notify_all()
        self._pool.request(
            "POST",
            f"{self._web}/v1/receipts/{name}",
            json={"ref": reference, "status": "DELIVERED" if arrives else "FAILED"},
            headers={"Authorization": f"Bearer {self.keys[name]}"},
        )

    def code_of(self, phone: str, seconds: float) -> str:
        """The code that a phone gets; "" if none comes in time."""
        with self.arrived:
            self.arrived.wait_for(lambda: phone in self.codes, seconds)
            return self.codes.pop(phone, "")


class _Call(BaseHTTPRequestHandler):
    server: Gateways
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        name = self.path.partition("?")[0].strip("/")
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {self.server.keys.get(name)}":
            self._answer(401, {})
        elif name == "south" and self.server.broken:
            self._answer(503, {"error": "maintenance"})
        else:
            time.sleep(_dice.uniform(0.02, 0.12))
            self._answer(202, {"id": f"{name}-{_dice.getrandbits(48):x}"})
            self.server.deliver(name, sent["to"], sent["text"], sent["ref"])

    def _answer(self, status: int, content: Mapping[str, str]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class Day:
    """Simulates one hour after the other."""

    def __init__(self, gateways: Gateways, web: str, api_key: str) -> None:
        self._gateways = gateways
        self._web = web
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._pool = urllib3.PoolManager(maxsize=100, retries=False, timeout=10)
        self._people = ThreadPoolExecutor(100)
        self._names = iter(range(10**6))

    def play(self) -> None:
        """Twenty-four hours."""
        for hour in range(24):
            self._gateways.broken = hour in BROKEN
            for line in _news(hour):
                # The hour to which put_away moves the counters, in local time as on the dashboard.
                shown = time.strftime("%H:00", time.localtime(time.time() - (23 - hour) * 3600))
                print(f"{hour:02}:00 {line} (on the dashboard: {shown})", flush=True)
            self._hour(hour)
            put_away(23 - hour)

    def _hour(self, hour: int) -> None:
        # Least at night, most in the evening.
        usual = round(BUSIEST * (0.12 + 0.88 * math.sin(math.pi * ((hour - 3) % 24) / 24) ** 2))
        asks = [self._person] * usual + [self._attacker] * (ATTACK if hour in ATTACKED else 0)
        _dice.shuffle(asks)
        begun = time.monotonic()
        for number, ask in enumerate(asks):
            self._people.submit(ask)
            time.sleep(max(0.0, begun + HOUR * 0.8 * (number + 1) / len(asks) - time.monotonic()))
        time.sleep(max(0.0, begun + HOUR - time.monotonic()))

    def _person(self) -> None:
        begins = _dice.choices(list(COUNTRIES), list(COUNTRIES.values()))[0]
        phone = begins + "".join(_dice.choices("123456789", k=_LENGTHS[begins[:2]] - len(begins)))
        if not (id := self._start(phone, f"user-{next(self._names)}")):
            return
        code = self._gateways.code_of(phone, HOUR)
        if not code or _dice.random() < 0.06:
            return  # it never came, or the user gave up
        if _dice.random() < 0.07:
            self._post(f"/v1/verifications/{id}/check", {"code": "000000"})
        self._post(f"/v1/verifications/{id}/check", {"code": code})

    def _attacker(self) -> None:
        """An attacker who earns on each SMS. Nobody types the codes."""
        self._start(f"+22507070{_dice.randrange(10**5):05}", "")

    def _start(self, phone: str, reference: str) -> str:
        answer = self._post("/v1/verifications", {"phone": phone, "reference": reference})
        return str(answer.get("id", ""))

    def _post(self, path: str, content: Mapping[str, str]) -> dict[str, Any]:
        given = {name: value for name, value in content.items() if value}
        answer = self._pool.request("POST", self._web + path, json=given, headers=self._headers)
        return dict(answer.json())


def _news(hour: int) -> Iterator[str]:
    if hour == BROKEN.start:
        yield "south fails: its gateway answers 503, and others take over"
    if hour == BROKEN.stop:
        yield "south works again"
    if hour == ATTACKED.start:
        yield "an attack begins: codes for Ivory Coast, which nobody types; the guard only watches"
    if hour == ATTACKED.stop:
        yield "the attack is over"


def put_away(hours_ago: int) -> None:
    """Move the counters of this hour to an earlier hour, and to its day."""
    from sms import cells, store, tally

    if not hours_ago:
        return
    hour = int(store.now()) // tally.LENGTH["hour"]
    tally.everything()  # write pending counts first
    for cell in cells.every():
        for family in get_args(tally.Family):
            _move(family, hour, hour - hours_ago, cell)


def _move(family: Any, hour: int, then: int, cell: int) -> None:
    """Move what a cell has counted in an hour."""
    from sms import tally
    from sms.scripts import client

    now, place = (tally.place(family, "hour", number, cell) for number in (hour, then))
    today, day = (tally.place(family, "day", number // 24, cell) for number in (hour, then))
    with client(cell) as redis:
        if not redis.exists(now):
            return
        redis.rename(now, place)
        if day == today:
            return
        pipe = redis.pipeline()
        for field, value in redis.hgetall(place).items():
            pipe.hincrby(day, field, int(value))
            pipe.hincrby(today, field, -int(value))
        pipe.execute()


def main() -> None:
    """Simulate the day, then keep the gateways running for codes that are requested by hand."""
    import django

    django.setup()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    told = json.loads(os.environ["TRAFFIC"])
    web = f"http://127.0.0.1:{told['web_port']}"
    gateways = Gateways(told["port"], web, told["keys"])
    threading.Thread(target=gateways.serve_forever, daemon=True).start()
    print("a simulated day begins; it takes two minutes", flush=True)
    Day(gateways, web, told["api_key"]).play()
    print("the day is over", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
