"""``manage.py providers``: list the vendors with their options and abilities."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from sms import conf, receipts, registry
from sms.providers.base import ListeningProvider, Provider
from sms.providers.described import COMMON, Described, vendors


class Command(BaseCommand):
    help = (
        "List every provider that SMS_PROVIDERS can name, with its URL and its features. With a name, show "
        "all its options. With --configured, show the configured aliases, and the URLs to enter in a "
        "vendor's console."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("scheme", nargs="?", default="", help="one provider, such as twilio")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--configured", action="store_true", help="list the configured aliases instead")
        form.add_argument("--markdown", action="store_true", help="print the table of docs/providers.md")
        parser.add_argument("--json", action="store_true", help="print one JSON object per line")

    def handle(self, *args: Any, scheme: str, **options: Any) -> None:
        if options["configured"]:
            self.write(_configured(), as_json=options["json"])
            return
        found = [one for one in vendors() if scheme in ("", one.scheme)]
        if not found:
            known = ", ".join(one.scheme for one in vendors())
            raise CommandError(f"{scheme} is not a provider. There are: {known}.")
        if options["json"]:
            self.write([one._asdict() for one in found], as_json=True)
        elif options["markdown"]:
            self.stdout.write(table(found))
        elif scheme:
            self.stdout.write(found[0].text)
            self.stdout.write(f"\nOptions: {', '.join((*found[0].options, *COMMON))}")
            self.stdout.write(f"Features: {', '.join(found[0].can) or 'none beyond sending'}")
        else:
            for one in found:
                self.stdout.write(f"{one.summary}\n    {one.url}\n    {', '.join(one.can) or '-'}")

    def write(self, rows: Any, *, as_json: bool) -> None:
        for row in rows:
            if as_json:
                self.stdout.write(json.dumps(row, ensure_ascii=False))
                continue
            self.stdout.write(f"{row['alias']}: {row['scheme']}, {', '.join(row['can']) or 'only sends'}")
            for name in ("receipts", "inbound"):
                if row[name]:
                    self.stdout.write(f"    in its console, for {name}: {row[name]}")


def table(found: list[Described]) -> str:
    """The table of docs/providers.md."""
    lines = ["| provider | URL | features |", "|---|---|---|"]
    lines += [
        f"| [{one.summary}](vendors/{one.scheme}.md) | `{one.url}` | {', '.join(one.can) or '–'} |"
        for one in found
    ]
    return "\n".join(lines)


def _configured() -> Iterator[dict[str, Any]]:
    try:
        known = registry.providers()
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None
    for alias, provider in known.items():
        reports = provider.takes_receipts and provider.set_in_console
        yield {
            "alias": alias,
            "scheme": provider.scheme,
            "can": [word for word, can in _abilities(provider).items() if can],
            "receipts": _address(provider, alias) if reports else "",
            "inbound": _inbound(provider, alias),
        }


def _abilities(provider: Provider) -> dict[str, bool]:
    """The features of a provider with its options, in the words of ``described.abilities``."""
    return {
        "only codes": provider.needs_code,
        "receipts": provider.takes_receipts or isinstance(provider, ListeningProvider),
        "receipts by poll": provider.reports_by_poll,
        "inbound": provider.receives and (provider.takes_receipts or isinstance(provider, ListeningProvider)),
        "repeats safely": provider.repeats_safely,
        "feedback": provider.takes_feedback,
        "revokes": provider.revokes,
    }


def _inbound(provider: Provider, alias: str) -> str:
    what = "receipts" if provider.one_address else "inbound"
    return _address(provider, alias, what) if _abilities(provider)["inbound"] else ""


def _address(provider: Provider, alias: str, what: str = "receipts") -> str:
    """The URL to enter in the vendor's console; "" if there is none, or if the vendor could not reach it."""
    base, path = conf.get("PUBLIC_URL").rstrip("/"), receipts.path(alias, what)
    if not base or not path or isinstance(provider, ListeningProvider):
        return ""
    return provider.panel_address(base + path)
