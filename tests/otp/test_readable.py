"""Code, number, address and text are unreadable on every channel: not in Redis, in logs or in traces."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_plus

import pytest

from tests.readable import assert_nowhere, everything, listening
from tests.sms.mail.servers import Postbox, postbox
from tests.sms.providers.gateway import Gateway, gateway, response
from tests.sms.traced import traced
from tests.standards.conftest import wrong

pytestmark = pytest.mark.one_server  # of which MONITOR tells

PHONE, TYPED = "+12025550123", "+1 (202) 555-0123"
ADDRESS = "Jane.Doe@posteo.example"


@dataclass
class Channel:
    """A vendor's ``url``, what it says to a message, and the ``words`` that it is to bring with the code."""

    url: str
    accepted: Any = None
    words: str = ""
    mails: list[Postbox] = field(default_factory=list)
    servers: list[Gateway] = field(default_factory=list)

    def sent(self) -> str:
        """The requests that it got."""
        bodies = [unquote_plus(body.decode()) for server in self.servers for body in server.bodies]
        letters = [letter for box in self.mails for letter in box.mails]
        return "\n".join([*bodies, *(f"{one['subject']}\n{one.get_body().get_content()}" for one in letters)])

    def code(self) -> str:
        """As it is written, or as it is said."""
        found = re.findall(r"(?<!\d)\d(?:(?:, )?\d){5}(?!\d)", self.sent())
        return str(found[0]).replace(", ", "")


WAMID = "wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI3MTE5MjVBOTE3MDk5QUVFM0YA"
CHECKED = {"ok": True, "result": {"request_id": "f5c9a1", "phone_number": PHONE, "request_cost": 0.01}}

#: By each channel, a new one.
CHANNELS = {
    "sms": lambda: Channel("twilio://AC1:token@?from=%2B12025550100", {"sid": "SM1"}, "Sesame opens with"),
    "whatsapp": lambda: Channel(
        "whatsapp://:token@106540352242922?template=verify_code", {"messages": [{"id": WAMID}]}
    ),
    "telegram": lambda: Channel("telegram://:token@?only=codes", CHECKED),
    "voice": lambda: Channel(
        "twilio-voice://AC1:token@?from=%2B12025550100&key_press=no",
        {"sid": "CA1"},
        "Your verification code is",
    ),
    "email": lambda: Channel("email://?from=codes@shop.example", words="Sesame opens with"),
}


@pytest.fixture(params=CHANNELS)
def channel(request, settings) -> Iterator[Channel]:
    """The only one of ``login``, whose vendor is reached over real sockets."""
    found = CHANNELS[request.param]()
    settings.OTP_PURPOSES = {"login": {"channels": [request.param], "text": "Sesame opens with {code}."}}
    with gateway() as server, postbox() as box:
        server.answer = lambda: response(200, json.dumps(found.accepted))
        server.before["/checkSendAbility"] = server.answer()
        found.servers, found.mails = [server], [box]
        settings.MAILERS = {"default": {"OPTIONS": {"host": "127.0.0.1", "port": box.port}}}
        base_url = f"&base_url={quote(server.url, safe='')}" if found.accepted else ""
        settings.SMS_PROVIDERS = {"main": found.url + base_url}
        yield found


def test_nobody_reads_it_anywhere(channel, api, redis, redis_server, caplog):
    caplog.set_level(logging.DEBUG)
    to = {"email": ADDRESS} if channel.accepted is None else {"phone": TYPED}
    held: list[bytes] = []
    commands: list[bytes] = []
    with traced() as spans, listening(redis_server.url, commands):
        started = api.post("/v1/verifications", to).json()
        held.extend(everything(redis))
        at, code = f"/v1/verifications/{started['id']}/check", channel.code()
        for typed, status in ((wrong(code), "invalid"), (code, "valid")):
            assert api.post(at, {"code": typed}).json()["status"] == status
            held.extend(everything(redis))
    assert channel.words in channel.sent()
    assert "code_valid" in caplog.text
    assert dict(spans.one("send main").attributes or {})["otpost.outcome"] == "accepted"
    assert any(b"EVALSHA" in command for command in commands)
    words = [ADDRESS, ADDRESS.lower(), "posteo", ", ".join(code), *([channel.words] if channel.words else [])]
    for haystack in (held, commands, [caplog.text.encode()], [spans.text().encode()]):
        assert_nowhere(haystack, codes={code, wrong(code)}, numbers={PHONE: TYPED}, words=words)
