"""Receipts, the delivery reports of providers: give out their addresses, verify, parse, record and answer."""

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
    """No provider has that alias."""


def path(alias: str, what: str = "receipts") -> str:
    """The path below ``PUBLIC_URL`` to which ``alias`` sends receipts, or with ``inbound`` what users send.
    "" if ``sms.urls`` is not included.
    """
    return _path(alias, what, getattr(settings, "ROOT_URLCONF", ""), get_script_prefix())


@lru_cache(maxsize=256)  # each message needs it, and Django's look-up takes longer than all else
def _path(alias: str, what: str, urlconf: str, prefix: str) -> str:
    if not urlconf:
        return ""
    try:
        return reverse(f"sms:{what}", urlconf, args=(alias,))
    except NoReverseMatch:
        return ""


def address(alias: str, message_id: str) -> str:
    """The URL for a provider's receipts of a message. "" if the provider could not reach us."""
    public_url = conf.get("PUBLIC_URL").rstrip("/")
    # Vendors refuse a local address, or cannot reach it.
    if not public_url.startswith("https://"):
        return ""
    try:
        where = path(alias)
    except Exception as error:  # if this process cannot import the URLconf, send the message anyway
        log.error("receipts_have_no_address", alias=alias, error=type(error).__name__)
        where = ""
    return f"{public_url}{where}?reference={message_id}" if where else ""


def check_head(alias: str, headers: Mapping[str, str], path: str, fallback_url: str) -> None:
    """Refuse a request by its head if possible, before reading the body. Takes the arguments of ``take``.

    Raises ``UnknownAlias`` or ``ReceiptRejected``.
    """
    with provider_of(alias) as provider:
        provider.check_head(lowered(headers), called(path, fallback_url))


def greet(alias: str, headers: Mapping[str, str], body: bytes, path: str, fallback_url: str) -> Reply | None:
    """Answer a call by which a provider verifies that an address is ours, this one or that of
    ``sms.inbound``. None for any other call. Arguments and errors are those of ``take``.
    """
    with provider_of(alias) as provider:
        return provider.greet(lowered(headers), body, called(path, fallback_url))


def take(alias: str, headers: Mapping[str, str], body: bytes, path: str, fallback_url: str) -> int:
    """Record the receipts that a provider sent. Returns how many of them changed a message.

    ``path``: path and query as called. The signature covers the address that the provider used. Behind a
    proxy, that address is below ``PUBLIC_URL``. ``fallback_url`` is the request's own address, used if
    ``PUBLIC_URL`` is not set.

    A receipt only moves a message forward, so it may come late, twice or out of order. It only counts for a
    message that this alias was asked to send.

    Raises ``UnknownAlias``, ``ReceiptRejected`` or ``Unavailable``.
    """
    with provider_of(alias) as provider:
        receipts = provider.parse_receipts(lowered(headers), body, called(path, fallback_url))
    return sum([record(alias, receipt) for receipt in receipts])


def record(alias: str, receipt: Receipt, *, about: str = "") -> bool:
    """Record one receipt from ``alias``. Returns whether it changed its message. Raises ``Unavailable``.

    ``about``: the vendor's id of the message, if we polled for it.
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
            # The kept receipt holds no number, and its call may never end. So record the opt-out now. A
            # receipt without a reference speaks for the whole alias, like a message from a user.
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
    """Record a receipt that came before the answer to its call. ``kept``: as ``record`` left it."""
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
    # The address of one message does not authorise reports about other numbers.
    if opted_out and message is not None and not never_asked and mask(opted_out) == message.masked:
        optouts.reported(alias, opted_out, message_id=message.id)
    if moved and message is not None:
        tell(message, reported=fields["reported"])
        if left_out:
            health.tell_left_out(alias, message.country, fields["error"] or fields["reported"])
        if message.state is State.QUEUED:  # a code that is still valid goes to another alias
            broker.publish(message.id, message.queue)
        return True
    if never_asked:
        log.warning("receipt_of_another", alias=alias, message_id=message_id)
    elif message is None:
        log.info("receipt_without_message", alias=alias)
    return False


def reply(alias: str) -> Reply:
    """The answer that the provider of an alias expects to its receipts. Raises ``UnknownAlias``."""
    with provider_of(alias) as provider:
        return provider.receipt_reply


@contextmanager
def provider_of(alias: str) -> Iterator[Provider]:
    """The provider of an alias. If it refuses or cannot read a request, this alerts the operator and raises
    ``ReceiptRejected``. If it must ask its vendor first and cannot, this raises ``Unavailable``.
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
