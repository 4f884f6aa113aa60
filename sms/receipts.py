"""Delivery reports of every provider: authenticate, parse, record, answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog

from sms import broker, conf, health, registry, store
from sms.errors import ReceiptRejected
from sms.facts import tell
from sms.message import State
from sms.providers.base import Provider

log = structlog.get_logger("sms")


class UnknownAlias(LookupError):
    """No provider of that name is configured."""


def check_head(alias: str, headers: Mapping[str, str], path: str, fallback_url: str) -> None:
    """Refuse what its head alone gives away, before its body is read. The arguments are those of ``take``.

    Raises ``UnknownAlias`` or ``ReceiptRejected``.
    """
    with _rejections_logged(alias):
        _provider(alias).check_head(_lowered(headers), _called(path, fallback_url))


def take(alias: str, headers: Mapping[str, str], body: bytes, path: str, fallback_url: str) -> int:
    """Record the receipts that a provider sent and return how many changed a message.

    ``path``: path and query as called. The signature covers the address that the provider used,
    which behind a proxy is ``PUBLIC_URL``; ``fallback_url`` is the request's own, for where that is
    not set. A receipt moves a message only forward, so it may come late, twice or out of order.

    Raises ``UnknownAlias``, ``ReceiptRejected`` or ``Unavailable``.
    """
    with _rejections_logged(alias):
        receipts = _provider(alias).parse_receipts(_lowered(headers), body, _called(path, fallback_url))
    changed = 0
    for receipt in receipts:
        fields = {
            "reported": receipt.raw,
            "error": receipt.error,
            "provider_message_id": receipt.provider_message_id,
        }
        moved, message, left_out = store.report(
            receipt.reference,
            receipt.state,
            alias=alias,
            health=health.HEALTH,
            figures=health.breaker().figures,
            **{name: value for name, value in fields.items() if value},
        )
        if moved and message is not None:
            changed += 1
            tell(message, reported=receipt.raw)
            if left_out:
                health.tell_left_out(alias, message.country, receipt.error or receipt.raw)
            if message.state is State.QUEUED:  # a code that still lives: another alias shall try
                broker.publish(message.id, message.queue)
        elif message is None:
            log.info("receipt_without_message", alias=alias)
    return changed


def _provider(alias: str) -> Provider:
    provider = registry.providers().get(alias)
    if provider is None:
        raise UnknownAlias(alias)
    return provider


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _called(path: str, fallback_url: str) -> str:
    """The address that the provider called."""
    public_url = conf.get("PUBLIC_URL").rstrip("/")
    return public_url + path if public_url else fallback_url


@contextmanager
def _rejections_logged(alias: str) -> Iterator[None]:
    try:
        yield
    except ReceiptRejected as error:
        log.warning("receipt_rejected", alias=alias, error=str(error))
        raise
