"""Vendors on loopback, and starts whose numbers are looked up there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from otp.lookups import verdict
from tests.faults.stack import wait_for
from tests.sms.providers.gateway import Gateway, gateway, response

SECRET, TOKEN = "a-secret-of-a-client", "a.token-of_the~operator"


def twilio_says(line_type: str = "mobile", swapped: bool | None = False, **sim_swap: Any) -> bytes:
    """As in spec/json/twilio_lookups_v2.json of twilio/twilio-oai; None: Twilio knows nothing of the SIM."""
    last = {"last_sim_swap_date": None, "swapped_period": "PT24H", "swapped_in_period": swapped} | sim_swap
    about = {
        "carrier_name": "Acme",
        "mobile_country_code": "276",
        "mobile_network_code": "02",
        "error_code": None,
    }
    found = {
        "calling_country_code": "1",
        "country_code": "US",
        "phone_number": "+12025550123",
        "valid": True,
        "line_type_intelligence": about | {"type": line_type},
        "sim_swap": about | {"last_sim_swap": last if swapped is not None or sim_swap else None},
    }
    return response(200, json.dumps(found))


class Vendor:
    """A gateway that answers by address: Twilio, or an operator with its token endpoint."""

    def __init__(self, server: Gateway) -> None:
        self.server = server
        self.twilio: bytes | None = twilio_says()
        self.sim_swap: bytes | None = response(200, '{"swapped":false}')
        self.verify: bytes | None = response(200, '{"devicePhoneNumberVerified":true}')
        self.token: bytes | None = response(
            200, json.dumps({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600})
        )
        server.answer = self._answer

    def _answer(self) -> bytes | None:
        path = self.server.requests[-1][0]
        ends = {"/token": self.token, "/check": self.sim_swap, "/verify": self.verify}
        return next((answer for end, answer in ends.items() if path.endswith(end)), self.twilio)

    def asked(self, part: str = "") -> list[tuple[str, dict[str, str], bytes]]:
        """The requests whose address holds ``part``: path, headers and body."""
        pairs = zip(list(self.server.requests), list(self.server.bodies), strict=False)
        return [(path, headers, body) for (path, headers, _), body in pairs if part in path]

    def twilio_url(self, options: str = "refuse=fixed_line|voip&sim_swap=72h") -> str:
        return f"twilio-lookup://AC{'0' * 32}:{SECRET}@?base_url={self.server.url}&{options}"

    def camara_url(self, options: str = "sim_swap=72h") -> str:
        base = f"base_url={self.server.url}/root&token_url={self.server.url}/token"
        return f"camara://client:{SECRET}@operator.example?{base}&{options}"


@pytest.fixture
def vendors() -> Iterator[Callable[[], Vendor]]:
    """Makes a vendor."""
    with ExitStack() as stack:
        yield lambda: Vendor(stack.enter_context(gateway()))


@pytest.fixture
def vendor(vendors) -> Vendor:
    return vendors()


@pytest.fixture(autouse=True)
def fresh(monkeypatch, settings):
    """No cooldown, and no start of the test before that took long."""
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    settings.OTP_LIMITS = "off"
    monkeypatch.setattr(verdict, "_latest", 0.0)


def took(function: Callable[[], Any]) -> float:
    begun = time.monotonic()
    function()
    return time.monotonic() - begun


def soon(holds: Callable[[], Any]) -> None:
    wait_for(holds, seconds=10.0)
