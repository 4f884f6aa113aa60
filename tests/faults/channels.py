"""Providers of other channels than SMS, which behave as the scripted one does and report nothing."""

from __future__ import annotations

import json
import socket
from email import message_from_bytes, policy
from typing import BinaryIO, ClassVar

from tests.faults.load import Load
from tests.faults.provider import PATIENCE, ScriptedProvider
from tests.faults.silent import TwoChannels
from tests.sms.mail.servers import next_letter, well
from tests.sms.providers.gateway import form, response


class ScriptedWhatsApp(ScriptedProvider):
    """WhatsApp's Cloud API."""

    @property
    def url(self) -> str:
        base = f"http://127.0.0.1:{self._port}"
        return f"whatsapp://:{self._token}@106540352242922?template=code&timeout={PATIENCE}&base_url={base}"

    def _take(self, connection: socket.socket, headers: dict[str, str], body: bytes) -> bool:
        message = json.loads(body)
        code = message["template"]["components"][0]["parameters"][0]["text"]
        return self._answer(
            connection, _fields(f"+{message['to']}", code, message["biz_opaque_callback_data"])
        )

    def _accepted(self, sid: str) -> bytes:
        return response(200, json.dumps({"messages": [{"id": f"wamid.{sid}"}]}))

    def _report(self, callback: str, sid: str) -> None:
        pass


class ScriptedTelegram(ScriptedProvider):
    """Telegram's Gateway. Faults hit the message, not the check before it."""

    @property
    def url(self) -> str:
        base = f"http://127.0.0.1:{self._port}"
        return f"telegram://:{self._token}@?timeout={PATIENCE}&base_url={base}"

    def _take(self, connection: socket.socket, headers: dict[str, str], body: bytes) -> bool:
        message = json.loads(body)
        if "payload" not in message:  # a check, or a message is to be taken back
            connection.sendall(self._accepted("check"))
            return True
        return self._answer(connection, _fields(message["phone_number"], message["code"], message["payload"]))

    def _accepted(self, sid: str) -> bytes:
        return response(200, json.dumps({"ok": True, "result": {"request_id": sid}}))

    def _report(self, callback: str, sid: str) -> None:
        pass


class ScriptedCalls(ScriptedProvider):
    """Twilio's calls. Nobody answers the phone, and no report is sent."""

    @property
    def url(self) -> str:
        return super().url.replace("twilio://", "twilio-voice://")

    def _take(self, connection: socket.socket, headers: dict[str, str], body: bytes) -> bool:
        fields = form(body)
        if "To" not in fields:  # to hang up
            connection.sendall(response(200, "{}"))
            return True
        return self._answer(connection, fields | {"Body": fields["Twiml"]})

    def _report(self, callback: str, sid: str) -> None:
        pass


class ScriptedMail(ScriptedProvider):
    """An SMTP server. Faults happen once it has the whole letter."""

    refusals: ClassVar = {"throttle": b"454 4.7.0 Throttling failure: slow down\r\n"}
    garbage: ClassVar = (b"\x00\xff\x13 ouch \r\n", response(200, "<html>It works!</html>"))

    @property
    def environment(self) -> dict[str, str]:
        return {"EMAIL_URL": f"smtp://127.0.0.1:{self._port}"}

    @property
    def url(self) -> str:
        return f"email://?from=codes@shop.example&timeout={PATIENCE}"

    def _greet(self, connection: socket.socket) -> None:
        connection.sendall(well("greeting"))

    def _read(self, connection: socket.socket, stream: BinaryIO) -> tuple[str, dict[str, str], bytes] | None:
        letter = next_letter(connection, stream)
        return None if letter is None else ("", {}, letter)

    def _take(self, connection: socket.socket, headers: dict[str, str], body: bytes) -> bool:
        letter = message_from_bytes(body, policy=policy.default)
        number, reference = letter["to"].partition("@")[0], letter["message-id"].partition("@")[0]
        return self._answer(
            connection,
            _fields(f"+{number}", letter["subject"].partition(" ")[0], reference.rpartition(".")[2]),
        )

    def _accepted(self, sid: str) -> bytes:
        return well(".")

    def _report(self, callback: str, sid: str) -> None:
        pass


class MailFirst(TwoChannels):
    """A small site that tries e-mail, then SMS."""

    channels: ClassVar = ["email", "sms"]


class Addresses(Load):
    """Each number has an address too, which names it."""

    def _asks(self, number: str) -> dict[str, str]:
        return super()._asks(number) | {"email": f"{number[1:]}@example.com"}


def _fields(to: str, code: str, reference: str) -> dict[str, str]:
    """As Twilio would have them."""
    return {"To": to, "Body": code, "StatusCallback": f"?reference={reference}"}
