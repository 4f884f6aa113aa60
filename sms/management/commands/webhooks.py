"""``manage.py webhooks``: list the receivers of events, their queues and dead letters."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from sms import ids
from sms.errors import Unavailable
from sms.webhooks import endpoints, store
from sms.webhooks.endpoints import Endpoint
from sms.webhooks.post import Caller
from sms.webhooks.store import Letter, Queue


class Command(BaseCommand):
    help = (
        "List the endpoints of WEBHOOKS: how many events wait for each, what failed last, and when the next "
        "try is. Then list the dead letters, which are events that failed in every try. Use --replay to send "
        "these again, and --test to send a test event at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--replay", metavar="ID", nargs="*", help="send these dead letters again")
        what.add_argument(
            "--test", action="store_true", help="send a test event (otpost.test) and show the answer"
        )
        parser.add_argument("--all", action="store_true", help="with --replay: all dead letters")
        parser.add_argument("--endpoint", default="", help="only this endpoint")
        parser.add_argument(
            "--limit", type=int, default=100, help="list at most N dead letters, the latest first (100)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object per line")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["limit"] < 1:
            raise CommandError("--limit must be 1 or more.")
        self.as_json = options["json"]
        try:
            found = _these(options["endpoint"])
            if options["test"]:
                self.test(found)
            elif options["replay"] is not None:
                if bool(options["replay"]) == options["all"]:
                    raise CommandError("Write --replay ID, or --replay --all.")
                self.replay(found, options["replay"])
            else:
                self.show(found, options["limit"])
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        except Unavailable as error:
            raise CommandError(f"{error} Is REDIS_URL right?") from None

    def show(self, found: list[Endpoint], limit: int) -> None:
        queues = store.queues()
        for endpoint in found:
            queue = queues[endpoint.name]
            types = (
                "all events"
                if len(endpoint.events) == len(endpoints.TYPES)
                else ", ".join(sorted(endpoint.events))
            )
            self.write(
                {
                    "endpoint": endpoint.name,
                    "to": endpoint.origin,
                    "events": sorted(endpoint.events),
                    "waiting": queue.waiting,
                    "dead": queue.dead,
                    "oldest_seconds": round(queue.oldest),
                    "error": queue.error,
                    "error_at": _time(queue.error_at),
                    "next_try_at": _time(queue.next_at),
                },
                f"{endpoint.name}: {endpoint.origin}, {types}; {queue.waiting} waiting, {queue.dead} dead"
                + _waits(queue),
            )
        for letter in _letters(found, limit):
            self.write(_shown(letter), "  ".join(("  dead", *map(str, _shown(letter).values()))))

    def replay(self, found: list[Endpoint], wanted: list[str]) -> None:
        letters = [one for one in _letters(found) if not wanted or one.event["id"] in wanted]
        if missing := sorted({*wanted} - {one.event["id"] for one in letters}):
            raise CommandError(f"No dead letter has the id {', '.join(missing)}.")
        for letter in filter(store.replay, letters):
            self.write(
                _shown(letter) | {"replayed": True}, f"{letter.event['id']}  {letter.endpoint}  sent again"
            )

    def test(self, found: list[Endpoint]) -> None:
        event = {
            "id": f"otpost_test_{ids.new()}",
            "type": "otpost.test",
            "at": time.time() * 1000,
            "data": {},
        }
        failed = False
        for endpoint in found:
            caller = Caller(endpoint)
            why = caller.post(event)
            caller.close()
            failed = failed or bool(why)
            self.write(
                {"endpoint": endpoint.name, "to": endpoint.origin, "taken": not why, "error": why},
                f"{endpoint.name}: {endpoint.origin}: {why or 'taken'}",
            )
        if failed:
            raise CommandError("Not every endpoint has accepted it.")

    def write(self, row: dict[str, Any], line: str) -> None:
        self.stdout.write(json.dumps(row, ensure_ascii=False) if self.as_json else line)


def _these(name: str) -> list[Endpoint]:
    found = [one for one in endpoints.configured().values() if name in ("", one.name)]
    if not found:
        raise CommandError(f"WEBHOOKS has no endpoint {name}." if name else "WEBHOOKS has no endpoints.")
    return found


def _letters(found: list[Endpoint], limit: int = 0) -> Iterator[Letter]:
    for endpoint in found:
        yield from store.dead_letters(endpoint.name, limit)


def _waits(queue: Queue) -> str:
    """A second line, about the queue."""
    if queue.next_at is None:
        return ""
    failed = f"; failed at {_time(queue.error_at)} ({queue.error})" if queue.error else ""
    return f"\n  the oldest has waited for {queue.oldest:.0f} s{failed}; next try at {_time(queue.next_at)}"


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _shown(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.event["id"],
        "endpoint": letter.endpoint,
        "type": letter.event["type"],
        "at": _time(letter.at),
        "error": letter.why,
    }
