"""``manage.py guard``: show what the pumping guard counts, and set rules for it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from otp.guard import orders, report, settings
from otp.guard.report import Row, Window
from sms import probe
from sms.errors import Unavailable

_COUNTS = ("sent/verified 1 h", "unverified/cap", "sent/verified 1 d", "unverified/cap")
_HEAD = ("scope", *_COUNTS, "refused", "state")


class Command(BaseCommand):
    help = (
        "Show what the pumping guard counts: codes sent and verified in an hour and a day, those that stayed "
        "unverified, and their cap. It also shows how many sends the cap refused in a day, or would have in "
        "shadow mode. Ranges and IP addresses within their caps are hidden; --all shows every one. "
        "A SCOPE is a country (DE) or a prefix (+4930). The rule of the narrowest scope wins, at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--allow", metavar="SCOPE", help="lift its caps, for 30 days or --hours")
        act.add_argument("--block", metavar="SCOPE", help="send no codes there, for 24 hours or --hours")
        act.add_argument(
            "--release",
            metavar="SCOPE",
            help="end its rule and forgive its unverified codes; SCOPE may also be the word new (all new "
            "countries together) or an ip:…",
        )
        act.add_argument("--all", action="store_true", help="show every range and IP address")
        parser.add_argument("--hours", type=float, metavar="N", help="how long --allow or --block lasts")
        parser.add_argument("--json", action="store_true", help="print one JSON object per line")

    def handle(self, *args: Any, **options: Any) -> None:
        word = next((word for word in orders.WORDS if options[word]), "")
        if options["hours"] is not None and word not in ("allow", "block"):
            raise CommandError("--hours needs --allow or --block.")
        try:
            probe.redis()  # finds out which server has the hub
            if word:
                self._tell(word, options[word], options["hours"])
            else:
                self._show(everything=options["all"], as_json=options["json"])
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        except Unavailable as error:
            raise CommandError(f"{error} Is REDIS_URL right?") from None

    def _tell(self, word: str, scope: str, hours: float | None) -> None:
        try:
            self.stdout.write(str(orders.carry_out(word, scope, hours)))
        except orders.BadOrder as error:
            text = str(error)
            raise CommandError(f"--{text}" if text.startswith("hours") else text) from None

    def _show(self, *, everything: bool, as_json: bool) -> None:
        report.carry_rules()
        found = report.rows()
        shown = [row for row in found if everything or row.matters]
        if as_json:
            for row in shown:
                self.stdout.write(json.dumps(_plain(row)))
            return
        if shown:
            self.stdout.write(_table([_HEAD, *map(_cells, shown)]))
        setting = settings.read()
        budget = f" of {setting.budget:f}" if setting.budget else ""
        self.stderr.write(f"GUARD_MODE is {setting.mode}.")
        if setting.prices:
            self.stderr.write(f"Spent today (UTC): {report.standing().spent:f}{budget}.")
        if hidden := len(found) - len(shown):
            self.stderr.write(f"{hidden} more ranges and IP addresses are within their caps (--all).")


def _cells(row: Row) -> tuple[str, ...]:
    state = row.state + (f" until {_end(row)}" if row.rule else "")
    # A scope that only a rule names has no counts and no cap, so 0 would be wrong.
    counts = ("-",) * 4 if row.kind == "rule" else (*_counts(row.hour), *_counts(row.day))
    return (report.readable(row.scope), *counts, str(round(row.refused)), state)


def _counts(window: Window) -> tuple[str, str]:
    return (
        f"{round(window.sends)}/{round(window.verified)}",
        f"{math.ceil(max(window.unverified, 0))}/{math.floor(window.cap)}",
    )


def _plain(row: Row) -> dict[str, Any]:
    plain = asdict(row) | {"scope": report.readable(row.scope), "state": row.state}
    for name in ("hour", "day", "fortnight"):
        plain[name] = {field: round(value, 2) for field, value in plain[name].items()}
    plain["refused"] = round(row.refused, 2)
    plain["rule_until"] = _end(row)
    return plain


def _table(lines: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _end(row: Row) -> str | None:
    """When its rule ends; None without one."""
    return datetime.fromtimestamp(row.rule_until, UTC).isoformat(timespec="seconds") if row.rule else None
