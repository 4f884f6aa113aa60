"""Receipts, the delivery reports of every provider: where they go; authenticate, parse, record, answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

import structlog
from django.conf import settings
from django.urls import NoReverseMatch, get_script_prefix, reverse

from sms import alarms, broker, conf, registry, store
from sms.delivery import health
from sms.delivery.handover import place_of, plain
from sms.errors import ReceiptRejected
from sms.facts import tell
from sms.message import State
from sms.providers.base import Provider

log = structlog.get_logger("sms")


class UnknownAlias(LookupError):
    """No provider of that name is configured."""


def path(alias: str) -> str:
    """Where ``alias`` sends receipts, below ``PUBLIC_URL``; "" where ``sms.urls`` is not included."""
    return _path(alias, getattr(settings, "ROOT_URLCONF", ""), get_script_prefix())


@lru_cache(maxsize=256)  # asked for each message, and Django takes longer than for the rest of its way
def _path(alias: str, urlconf: str, prefix: str) -> str:
    if not urlconf:
        return ""
    try:
        return reverse("sms:receipts", urlconf, args=(alias,))
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
    with _provider(alias) as provider:
        provider.check_head(_lowered(headers), _called(path, fallback_url))


def take(alias: str, headers: Mapping[str, str], body: bytes, path: str, fallback_url: str) -> int:
    """Record the receipts that a provider sent and return how many changed a message.

    ``path``: path and query as called. The signature covers the address that the provider used,
    which behind a proxy is ``PUBLIC_URL``; ``fallback_url`` is the request's own, for where that is
    not set. A receipt moves a message only forward, so it may come late, twice or out of order, and only
    one that this alias was asked for.

    Raises ``UnknownAlias``, ``ReceiptRejected`` or ``Unavailable``.
    """
    with _provider(alias) as provider:
        receipts = provider.parse_receipts(_lowered(headers), body, _called(path, fallback_url))
    changed = 0
    for receipt in receipts:
        fields = {
            "reported": plain(receipt.raw),
            "error": plain(receipt.error),
            "provider_message_id": plain(receipt.provider_message_id),
        }
        moved, message, left_out, never_asked = store.record_receipt(
            plain(receipt.reference),
            receipt.state,
            alias=alias,
            **{name: value for name, value in fields.items() if value},
        )
        if moved and message is not None:
            changed += 1
            tell(message, reported=fields["reported"])
            if left_out:
                health.tell_left_out(alias, message.country, fields["error"] or fields["reported"])
            if message.state is State.QUEUED:  # a code that still lives: another alias shall try
                broker.publish(message.id, message.queue)
        elif never_asked:
            log.warning("receipt_of_another", alias=alias, message_id=plain(receipt.reference))
        elif message is None:
            log.info("receipt_without_message", alias=alias)
    return changed


@contextmanager
def _provider(alias: str) -> Iterator[Provider]:
    """The provider of an alias. What it refuses or cannot read is told, and raises ``ReceiptRejected``."""
    found = registry.aliases().get(alias)
    if found is None:
        raise UnknownAlias(alias)
    try:
        yield found.provider
    except ReceiptRejected as error:
        alarms.note(alarms.REJECTED, alias=alias, error=str(error))
        raise
    except Exception as error:
        log.error("receipt_unreadable", alias=alias, error=type(error).__name__, place=place_of(error))
        raise ReceiptRejected("the provider's module cannot read it") from None


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _called(path: str, fallback_url: str) -> str:
    """The address that the provider called."""
    public_url = conf.get("PUBLIC_URL").rstrip("/")
    return public_url + path if public_url else fallback_url
