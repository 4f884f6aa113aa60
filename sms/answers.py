"""Answer a vendor that asks for the code of a phone call, after the user has pressed a key.

By the time the phone rings, the text of the message is gone from Redis. So the URL that the vendor calls
holds the code, the alias, the number and the expiry. They are sealed like the texts in Redis, so the URL does
not reveal them. Only the vendor may call it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import structlog

from sms import receipts, store
from sms.errors import ReceiptRejected
from sms.message import Receipt, State
from sms.providers.base import Reply
from sms.seal import Unsealable, seal, unseal

log = structlog.get_logger("sms")

#: The query parameter of the URL.
FIELD = "answer"

#: States of a message whose code must not be read out any more.
OVER = frozenset({State.FAILED, State.EXPIRED, State.CANCELLED})

#: The vendor's word in the record of a message whose code was read out.
PRESSED = "key_pressed"


def address(alias: str, message_id: str, content: Mapping[str, Any], remaining: float) -> str:
    """The URL at which ``alias`` asks for the code of a message. "" if the provider could not reach us.

    ``content``: the message's to, code and locale. ``remaining``: seconds until its code expires.
    """
    where = receipts.address(alias, message_id)
    if not where:
        return ""
    sealed = seal(
        {
            "alias": alias,
            "id": message_id,
            "until": round(time.time() + remaining),  # by our own clock: Redis is not asked first
            **{name: content.get(name, "") for name in ("to", "code", "locale")},
        }
    )
    # Use no characters that need escaping: a vendor's signature covers the URL as we wrote it.
    return f"{where}&{FIELD}={sealed.decode().rstrip('=')}"


def take(alias: str, headers: Mapping[str, str], body: bytes, path: str, fallback_url: str) -> Reply | None:
    """Answer a vendor that asks for a code, and record the message as delivered. None for any other call.
    Arguments and errors are those of ``receipts.take``.

    If no key was pressed, or the code is over, the call ends without it.
    """
    url = receipts.called(path, fallback_url)
    sealed = parse_qs(urlsplit(url).query).get(FIELD)
    if not sealed:
        return None
    with receipts.provider_of(alias) as provider:
        if not provider.asks_for_code:
            return None
        asked = provider.parse_question(receipts.lowered(headers), body, url)
        content = _opened(sealed[0], alias)
        if content["to"].removeprefix("+") not in asked.phones:
            raise ReceiptRejected("the URL belongs to another call")
        locale = content["locale"]
        message = store.get(content["id"])
        alive = message is not None and message.state not in OVER and not message.code_dead
        if not alive or time.time() >= content["until"] or not asked.has_key:
            log.info("code_not_read_out", message_id=content["id"], alias=alias, has_key=asked.has_key)
            return provider.read_out("", locale)
        answer = provider.read_out(content["code"], locale)
    receipts.record(alias, Receipt(content["id"], State.DELIVERED, PRESSED, asked.id))
    return answer


def _opened(sealed: str, alias: str) -> dict[str, Any]:
    try:
        content = unseal((sealed + "=" * (-len(sealed) % 4)).encode())
    except Unsealable:
        raise ReceiptRejected("the sealed part of the URL cannot be opened") from None
    if content.get("alias") != alias:
        raise ReceiptRejected("the URL belongs to another alias")
    return content
