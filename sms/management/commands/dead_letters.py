"""``manage.py dead_letters``: messages that failed in every round, or that no worker could open."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sms import services
from sms.errors import Unavailable
from sms.message import Message

_NONE = """No dead letters.
Messages refused because of the number or the text are not among them. The log has them as message_failed."""


class Command(BaseCommand):
    help = (
        "List the messages that failed at every provider in every round, or that no seal key opens, without "
        "number or text. Messages that a provider refused because of the number or the text are not among "
        "them. --replay sends again those that have not expired."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", nargs="*", help="only these; default: the latest, or all with --replay")
        parser.add_argument("--replay", action="store_true", help="send those again that have not expired")
        parser.add_argument("--limit", type=int, default=100, help="list at most N, the latest first (100)")
        parser.add_argument("--json", action="store_true", help="print one JSON object per line")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["limit"] < 1:
            raise CommandError("--limit must be 1 or more.")
        try:
            shown, now = 0, services.now()
            for message in _these(options["id"]) or services.dead_letters(
                0 if options["replay"] else options["limit"]
            ):
                replayed = services.replay(message.id) if options["replay"] else None
                self.stdout.write(_line(message, message.expires_at - now, replayed, as_json=options["json"]))
                shown += 1
        except Unavailable as error:
            raise CommandError(f"{error} Is REDIS_URL right?") from None
        if not shown and not options["json"]:
            self.stderr.write(_NONE)


def _these(ids: list[str]) -> list[Message]:
    found = {id: services.dead_letter(id) for id in ids}
    if missing := sorted(id for id, message in found.items() if message is None):
        raise CommandError(f"No dead letter has the id {', '.join(missing)}.")
    return [message for message in found.values() if message is not None]


def _line(message: Message, seconds: float, replayed: bool | None, *, as_json: bool) -> str:
    left = max(0, round(seconds))
    created, given_up = (
        datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
        for at in (message.created_at, message.given_up_at)
    )
    if as_json:
        shown = {
            "id": message.id,
            "created_at": created,
            "given_up_at": given_up,
            "expires_in": left,
            "to": message.masked,
        }
        shown |= {name: getattr(message, name) for name in ("country", "alias", "error")}
        return json.dumps(shown | ({} if replayed is None else {"replayed": replayed}), ensure_ascii=False)
    life = f"{left} s left" if left else "expired"
    fate = {None: "", True: "  sent again", False: "  cannot be sent any more"}[replayed]
    cause = f"{message.alias or '-'}: {message.error or '-'}"
    ended = f"{'last tried' if message.waits_for_key else 'given up'} {given_up}"
    return "  ".join([message.id, f"accepted {created}", ended, message.masked, cause, life]) + fate
