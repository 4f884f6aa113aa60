"""Inbound messages: authenticate, parse, record opt-outs, announce, answer.

STOP puts a number on the opt-out list of the alias that received the message, and of every other alias with
the same sender. START removes it. HELP is answered with ``SMS_HELP``. See ``sms.keywords`` for the words and
``sms.optouts`` for the lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import structlog

from sms import conf, keywords, names, optouts, receipts, registry, routing, services, signals
from sms.delivery.handover import plain
from sms.errors import InvalidNumber, SmsError
from sms.message import Inbound
from sms.phone import parse, told
from sms.providers.base import Reply
from sms.scripts import client
from sms.webhooks import store as webhooks

log = structlog.get_logger("sms")

#: Seconds between two answers to HELP for one number and sender.
HELP_AGAIN = 3600


def take(alias: str, headers: Mapping[str, str], body: bytes, path: str, fallback_url: str) -> Reply:
    """Take the messages in a provider's call, and return the answer that it expects.

    The arguments are those of ``receipts.take``. Raises ``UnknownAlias``, ``ReceiptRejected`` or
    ``Unavailable``. A provider may repeat a call, such as after ``Unavailable``. Then its messages are
    announced again.
    """
    with receipts.provider_of(alias) as provider:
        found = provider.parse_inbound(receipts.lowered(headers), body, receipts.called(path, fallback_url))
    for message in found:
        receive(alias, message)
    return provider.inbound_reply


def receive(alias: str, message: Inbound) -> None:
    """Take one message that ``alias`` has received, by a call or a connection. Raises ``Unavailable``."""
    phone = told(message.phone, conf.get("PHONE_REGION"))
    message = _readable(message, phone)
    word = message.word
    if phone:  # we send nothing to short codes and names
        if word == "stop":
            for name in sorted(_by_this_sender(alias, message.sender)):
                optouts.add(name, [phone])
        elif word == "start":
            for name in sorted(_by_this_sender(alias, message.sender)):
                optouts.remove(name, phone)
        elif word == "help":
            _help(alias, message)
    elif word == "stop":
        log.warning("inbound_number_unreadable", alias=alias)
    if phone and not word:
        signals.text_received.send(Inbound, alias=alias, message=message)
    webhooks.received(alias, message.id, country=_country(phone), word=word, channel=registry.channel(alias))
    log.info("message_received", alias=alias, **({"word": word} if word else {}))
    signals.message_received.send_robust(Inbound, alias=alias, message=message)


def _country(e164: str) -> str:
    with suppress(InvalidNumber):
        return parse(e164).country
    return ""


def _readable(message: Inbound, e164: str) -> Inbound:
    """The message without characters that a receiver could not keep, and with its word. The word comes from
    the vendor or else from the text. ``e164``: the number of the user, "" if the sender is not a number.
    """
    # Replace halves of surrogate pairs, which cannot be encoded.
    text = message.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    phone = e164 or plain(message.phone)
    word = message.word or keywords.meaning(text, phone)
    return replace(
        message, id=plain(message.id), phone=phone, sender=plain(message.sender), text=text, word=word
    )


def _by_this_sender(alias: str, sender: str) -> set[str]:
    """The alias, and every other alias with the sender to which the user wrote.

    If the alias does not send by that sender, this is only the alias. The sender is what the caller claims,
    and a caller for one alias must not affect the others.
    """
    wanted = _bare(sender)
    found = {name for name, of_it in _senders().items() if wanted in of_it}
    return found if alias in found else {alias}


def _senders() -> dict[str, set[str]]:
    """The senders of each alias: its own, and those of its hops. "" does not count."""
    found = {name: {_bare(provider.sender)} for name, provider in registry.providers().items()}
    for route in routing.all_routes().values():
        for step in route:
            for hop in step:
                found[hop.alias].add(_bare(hop.sender))
    return {name: senders - {""} for name, senders in found.items()}


def _bare(sender: str) -> str:
    """A sender in one spelling: vendors differ."""
    return sender.removeprefix("+").casefold()


def _help(alias: str, message: Inbound) -> None:
    text = str(conf.get("SMS_HELP"))
    if not text.strip():
        return
    mark = optouts.newest(f"{message.phone} {message.sender}").digest
    with client() as redis:
        if not redis.set(names.key(f"{names.HELPED}{alias}:{mark}"), 1, nx=True, ex=HELP_AGAIN):
            return
    try:
        services.send(message.phone, text)
    except SmsError as error:  # such as OptedOut, or a denied country
        log.warning("help_unanswered", alias=alias, error=type(error).__name__)
