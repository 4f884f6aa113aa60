"""``manage.py optouts``: count the opted-out numbers of each alias; add, remove and import them."""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from sms import conf, optouts, phone, registry
from sms.errors import InvalidNumber, Unavailable

#: Names of the column with the numbers.
HEADERS = ("phone", "number", "phone_number", "msisdn", "mobile", "to", "from")

#: How many lines without a number are named.
NAMED = 10

#: Seconds after which an import shows its progress, and between two updates.
LONG, TICK = 1.0, 0.2

#: Characters of the bar.
WIDTH = 30


class _Refused:
    """Lines without a number: their count, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def note(self, line: int, error: InvalidNumber) -> None:
        self.count += 1
        if self.count <= NAMED:
            self.first.append(f"  line {line}: {error.detail}")


class Command(BaseCommand):
    help = (
        "Manage the numbers that get no more plain messages: users who sent STOP, numbers that a provider "
        "reported, and those that you add. The default is to count them by alias. A message is refused (422 "
        "opted_out) if its number has opted out of every alias of its route. Codes are still sent. Numbers "
        "are kept as keyed digests, so they can be counted but not listed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object per line")
        words = parser.add_subparsers(dest="word", metavar="count | add | remove | import")
        both = CommandParser(add_help=False)
        both.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="as JSON")
        words.add_parser("count", parents=[both], help="count the opted-out numbers of each alias")
        for word, help in (
            ("add", "add a number that has opted out, for example by a letter"),
            ("remove", "remove a number whose user has asked for messages again"),
        ):
            own = words.add_parser(word, parents=[both], help=help)
            own.add_argument("number", help="such as +12025550123, or in the national form of PHONE_REGION")
            own.add_argument("alias", nargs="+", help="of SMS_PROVIDERS")
        own = words.add_parser(
            "import",
            parents=[both],
            help="add the numbers of a CSV file",
            description="Add the numbers of a CSV file (UTF-8, comma or semicolon). They are in the column "
            f"named {', '.join(HEADERS[:-1])} or {HEADERS[-1]}, or else in the first one. Lines without a "
            "number are reported. The others are still added, but the exit code is 1.",
        )
        own.add_argument("file", help="the path of the file; - for standard input")
        own.add_argument("alias", nargs="+", help="of SMS_PROVIDERS")

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json = options["json"]
        try:
            match options["word"]:
                case "add":
                    self._add(options["number"], _known(options["alias"]))
                case "remove":
                    self._remove(options["number"], options["alias"])
                case "import":
                    self._import(options["file"], _known(options["alias"]))
                case _:
                    self._count()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        except Unavailable as error:
            raise CommandError(f"{error} Is REDIS_URL right?") from None

    def _count(self) -> None:
        counts, configured = optouts.counts(), registry.providers()
        none = optouts.Count(0, 0)
        found = {alias: counts.get(alias, none) for alias in (*configured, *counts)}
        width = max(map(len, found))
        for alias, (asked, lost) in found.items():
            if self.as_json:
                known = {"alias": alias, "opted_out": asked, "without_key": lost}
                self.stdout.write(json.dumps(known | {"configured": alias in configured}))
                continue
            hint = "" if alias in configured else "  is not an alias of SMS_PROVIDERS"
            self.stdout.write(f"{alias.ljust(width)}  {asked:,}{hint}")
            if lost:
                self.stderr.write(
                    f"{lost:,} more of {alias} no longer count: they were made with a PHONE_SECRET_KEY that "
                    "is no longer configured. Append that value to SMS_OPTOUT_KEYS."
                )

    def _add(self, spelling: str, aliases: list[str]) -> None:
        e164 = _read(spelling)
        for alias in aliases:
            added = optouts.add(alias, [e164])
            self._tell(
                e164, alias, "added", added, f"{'has' if added else 'had already'} opted out of {alias}"
            )

    def _remove(self, spelling: str, aliases: list[str]) -> None:
        e164, removed = _read(spelling), False
        for alias in aliases:
            was_there = optouts.remove(alias, e164)
            removed = removed or was_there
            told = f"gets messages by {alias} again" if was_there else f"had not opted out of {alias}"
            self._tell(e164, alias, "removed", was_there, told)
        if not removed:
            raise CommandError("Nothing was removed. Are the number and the alias right?")

    def _tell(self, e164: str, alias: str, what: str, changed: object, told: str) -> None:
        shown = {"number": phone.mask(e164), "alias": alias, what: bool(changed)}
        as_json = json.dumps(shown, ensure_ascii=False)
        self.stdout.write(as_json if self.as_json else f"{phone.mask(e164)} {told}.")

    def _import(self, name: str, aliases: list[str]) -> None:
        read, added, bad = 0, dict.fromkeys(aliases, 0), _Refused()
        with _opened(name) as file:
            numbers = _valid(_cells(self._watched(file, name)), bad)
            while some := list(itertools.islice(numbers, optouts.AT_ONCE)):
                read += len(some)
                for alias in aliases:
                    added[alias] += optouts.add(alias, some)
        for alias, count in added.items():
            shown = {"alias": alias, "numbers": read, "added": count, "refused": bad.count}
            told = f"{alias}: {read:,} numbers, {count:,} of which had not opted out before."
            self.stdout.write(json.dumps(shown) if self.as_json else told)
        if bad.count:
            more = [f"  and {bad.count - NAMED:,} more"] if bad.count > NAMED else []
            raise CommandError("\n".join([f"Lines without a number: {bad.count:,}", *bad.first, *more]))
        if not read:
            raise CommandError("The file has no numbers.")

    def _watched(self, file: IO[str], name: str) -> Iterator[str]:
        """The lines of the file. Shows the progress on a terminal."""
        size = Path(name).stat().st_size if name != "-" else 0
        began = looked = time.monotonic()
        done = 0
        for count, line in enumerate(file, 1):
            done += len(line.encode())
            now = time.monotonic()
            if now - began > LONG and now - looked > TICK and self.stderr.isatty():
                looked = now
                self.stderr.write(f"\r{_bar(done, size)}{count:,} lines", ending="")
            yield line
        if looked > began:
            self.stderr.write("")


def _bar(done: int, size: int) -> str:
    if not size:
        return ""
    full = min(WIDTH * done // size, WIDTH)
    return f"[{'#' * full}{'.' * (WIDTH - full)}] {min(100 * done // size, 100)} %  "


def _known(aliases: list[str]) -> list[str]:
    configured = registry.providers()
    if unknown := [alias for alias in aliases if alias not in configured]:
        raise CommandError(f"{unknown[0]} is not an alias. SMS_PROVIDERS names {', '.join(configured)}.")
    return aliases


def _read(spelling: str) -> str:
    try:
        return phone.parse(spelling, conf.get("PHONE_REGION")).e164
    except InvalidNumber as error:
        raise CommandError(f"{error.detail} Write it as +12025550123.") from None


@contextmanager
def _opened(name: str) -> Iterator[IO[str]]:
    try:
        if name == "-":
            yield sys.stdin
        else:
            with Path(name).open(encoding="utf-8-sig", newline="") as file:
                yield file
    except UnicodeDecodeError:
        raise CommandError(f"{name} is not UTF-8. Save it as UTF-8.") from None
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from None
    except csv.Error as error:
        raise CommandError(f"{name} is not a CSV file: {error}.") from None


def _cells(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The number of each line, and its value in the column of the phones. Empty lines are left out."""
    lines = iter(lines)
    first = next(lines, "")
    rows = csv.reader(
        itertools.chain([first], lines), delimiter=";" if ";" in first and "," not in first else ","
    )
    column = 0
    for row in rows:
        names = [cell.strip().lower() for cell in row]
        if rows.line_num == 1 and not any(char.isdecimal() for char in "".join(names)):
            column = next((names.index(name) for name in HEADERS if name in names), 0)
        elif len(row) > column and row[column].strip():
            yield rows.line_num, row[column].strip()
        elif any(names):
            yield rows.line_num, ""


def _valid(cells: Iterable[tuple[int, str]], bad: _Refused) -> Iterator[str]:
    """The numbers in E.164. Values that are not numbers are noted in ``bad``."""
    region = conf.get("PHONE_REGION")
    for line, cell in cells:
        try:
            yield phone.parse(cell, region).e164
        except InvalidNumber as error:
            bad.note(line, error)
