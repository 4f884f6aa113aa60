"""Receipts, the delivery reports of every provider: where they go; authenticate, parse, record, answer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

import structlog
from django.conf import settings
from django.urls import NoReverseMatch, get_script_prefix, reverse

from sms import alarms, broker, conf, optouts, registry, store, traces
from sms.delivery import health
from sms.delivery.handover import place_of, plain
from sms.errors import ReceiptRejected, Unavailable
from sms.facts import tell
from sms.message import Receipt, State
from sms.phone import mask, told
from sms.providers.base import Provider, Reply

log = structlog.get_logger("sms")


class UnknownAlias(LookupError):
    """No provider of that name is configured."""


def path(alias: str, what: str = "receipts") -> str:
    """Where ``alias`` sends receipts (or ``inbound``: what users send), below ``PUBLIC_URL``; "" where
    ``sms.urls`` is not included.
    """
    return _path(alias, what, getattr(settings, "ROOT_URLCONF", ""), get_script_prefix())


@lru_cache(maxsize=256)  # asked for each message, and Django takes longer than for the rest of its way
def _path(alias: str, what: str, urlconf: str, prefix: str) -> str:
    if not urlconf:
        return ""
    try:
        return reverse(f"sms:{what}", urlconf, args=(alias,))
    except NoReverseMatch:
        return ""


def address(alias: str, message_id: str) -> str:
    """What a provider is told to call about a message; "" where it could not, or would find nobody."""
    public_url = conf.get("PUBLIC_URL").rstrip("/")
    # Vendors refuse or cannot reach an address of this machine alone.
    if not public_url.startswith("https://"):
        return ""
    try:
        where = path(alias)
    except Exception as error:  # a URLconf that this process cannot import must not cost the message
        log.error("receipts_have_no_address", alias=alias, error=type(error).__name__)
        where = ""
    return f"{public_url}{where}?reference={message_id}" if where else ""


def check_head(alias: str, headers: Mapping[str, str], path: str, fallback_url: str) -> None:
    """Refuse what its head alone gives away, before its body is read. The arguments are those of ``take``.

    Raises ``UnknownAlias`` or ``ReceiptRejected``.
    """
    with provider_of(alias) as provider:
        provider.check_head(lowered(headers), called(path, fallback_url))


def greet(alias: str, headers: Mapping[str, str], body: bytes, path: str, fallback_url: str) -> Reply | None:
    """The answer to a call by which a provider makes sure that an address is ours, this one or that of
    ``sms.inbound``; None for any other call. Arguments and errors are those of ``take``.
    """
    with provider_of(alias) as provider:
        return provider.greet(lowered(headers), body, called(path, fallback_url))


def take(alias: str, headers: Mapping[str, str], body: bytes, path: str, fallback_url: str) -> int:
    """Record the receipts that a provider sent and return how many changed a message.

    ``path``: path and query as called. The signature covers the address that the provider used,
    which behind a proxy is ``PUBLIC_URL``; ``fallback_url`` is the request's own, for where that is
    not set. A receipt moves a message only forward, so it may come late, twice or out of order, and only
    one that this alias was asked for.

    Raises ``UnknownAlias``, ``ReceiptRejected`` or ``Unavailable``.
    """
    with provider_of(alias) as provider:
        receipts = provider.parse_receipts(lowered(headers), body, called(path, fallback_url))
    return sum([record(alias, receipt) for receipt in receipts])


def record(alias: str, receipt: Receipt, *, about: str = "") -> bool:
    """Record one receipt that ``alias`` sent; whether it changed its message. Raises ``Unavailable``.

    ``about``: the vendor's id of the message, if it was asked what became of that.
    """
    fields = {
        "reported": plain(receipt.raw),
        "error": plain(receipt.error),
        "provider_message_id": plain(receipt.provider_message_id),
    }
    reference = plain(receipt.reference)
    if not reference:
        kept = {"alias": alias, "state": receipt.state.value, **fields}
        reference = store.whose(alias, fields["provider_message_id"], kept)
        phone = "" if reference else told(receipt.opted_out, conf.get("PHONE_REGION"))
        if phone:
            # What is kept holds no number, and its call may never end. Whoever names no message of ours has
            # not the address of one, but speaks for the alias, as with what users send.
            optouts.reported(alias, phone)
    return _record(
        reference,
        alias,
        receipt.state,
        fields,
        opted_out=receipt.opted_out,
        unreachable=receipt.unreachable,
        about=about,
    )


def record_early(message_id: str, kept: Mapping[str, str]) -> None:
    """Record a receipt that came before the answer of its call; ``kept``: as ``record`` left it."""
    fields = dict(kept)
    alias, state = fields.pop("alias"), State(fields.pop("state"))
    _record(message_id, alias, state, fields)


def _record(
    message_id: str,
    alias: str,
    state: State,
    fields: Mapping[str, str],
    *,
    opted_out: str = "",
    unreachable: bool = False,
    about: str = "",
) -> bool:
    fault = "opted_out" if opted_out else "undelivered" if state is State.FAILED else ""
    said = {name: value for name, value in {**fields, "fault": fault}.items() if value}
    began = time.time_ns()
    moved, message, left_out, never_asked = store.record_receipt(
        message_id, state, alias=alias, about=about, unreachable=unreachable, **said
    )
    if message is not None and not never_asked:
        traces.receipt(message, alias, state, fields["error"] or fields["reported"], began)
    # Whoever has the address of one message says nothing of other numbers.
    if opted_out and message is not None and not never_asked and mask(opted_out) == message.masked:
        optouts.reported(alias, opted_out, message_id=message.id)
    if moved and message is not None:
        tell(message, reported=fields["reported"])
        if left_out:
            health.tell_left_out(alias, message.country, fields["error"] or fields["reported"])
        if message.state is State.QUEUED:  # a code that still lives: another alias shall try
            broker.publish(message.id, message.queue)
        return True
    if never_asked:
        log.warning("receipt_of_another", alias=alias, message_id=message_id)
    elif message is None:
        log.info("receipt_without_message", alias=alias)
    return False


def reply(alias: str) -> Reply:
    """What the provider of an alias wants to hear for its receipts. Raises ``UnknownAlias``."""
    with provider_of(alias) as provider:
        return provider.receipt_reply


@contextmanager
def provider_of(alias: str) -> Iterator[Provider]:
    """The provider of an alias. What it refuses or cannot read is told, and raises ``ReceiptRejected``. What
    it cannot judge now, as it must ask its vendor first, raises ``Unavailable``.
    """
    found = registry.aliases().get(alias)
    if found is None:
        raise UnknownAlias(alias)
    try:
        yield found.provider
    except ReceiptRejected as error:
        alarms.note(alarms.REJECTED, alias=alias, error=str(error))
        raise
    except Unavailable:
        raise
    except Exception as error:
        log.error("receipt_unreadable", alias=alias, error=type(error).__name__, place=place_of(error))
        raise ReceiptRejected("the provider's module cannot read it") from None


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def called(path: str, fallback_url: str) -> str:
    """The address that the provider called."""
    public_url = conf.get("PUBLIC_URL").rstrip("/")
    return public_url + path if public_url else fallback_url
