"""``manage.py find``: tell what became of a user's codes and messages, in words that can be read out."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from ninja.responses import NinjaJSONEncoder

from sms import conf, services, told
from sms.errors import InvalidNumber, Unavailable
from sms.told import Story
from sms.views import StoryOut

#: Who looked, in the log. No API key can have this name.
BY = "manage.py find"

_EPILOG = """examples:
  manage.py find +12025550123             everything of a number
  manage.py find order-1234               everything with a caller's reference
  manage.py find JpQ8r1xC3tQ7o0p2MbVw4A   one verification or message

The exit code is 1 if nothing is found. Times are UTC. Each search is logged as user_looked_up, without its
argument.
"""


class Command(BaseCommand):
    help = (
        "Tell what became of a user's codes and messages: every attempt, outcome, receipt and guess, in "
        "order, while records are kept (MESSAGE_RECORD_HOURS, 72 by default). Numbers are masked."
    )

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, epilog=_EPILOG, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument(
            "what",
            metavar="+NUMBER | REFERENCE | ID",
            help="a number with + and country code (or in the national form of PHONE_REGION), a caller's "
            "reference, or the id of a verification or a message",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object per story")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = told.look(options["what"], by=BY)
        except InvalidNumber as error:
            raise CommandError(f"{error.detail} Write it as {services.EXAMPLE}.") from None
        except Unavailable as error:
            raise CommandError(f"{error} Is REDIS_URL right?") from None
        if not found:
            hours = conf.get("MESSAGE_RECORD_HOURS")
            raise CommandError(
                f"Nothing was found in the last {hours} hours. A number needs + and the country code. A "
                "reference or an id must match exactly."
            )
        for place, story in enumerate(found):
            if options["json"]:
                shown = StoryOut.from_orm(story).model_dump()
                self.stdout.write(json.dumps(shown, cls=NinjaJSONEncoder, ensure_ascii=False))
            else:
                self.stdout.write(("\n" if place else "") + _in_words(story))


def _in_words(story: Story) -> str:
    first = story.first
    about = [first.verification_id and f"verification {first.verification_id}"]
    about += [f"message {message.id}" for message in story.messages]
    country = f" ({first.country})" if first.country else ""
    lines = [f"{story.day}, {story.what} to {first.masked}{country}", "  " + ", ".join(filter(None, about))]
    return "\n".join([*lines, *(f"  {line.clock}  {line.text}" for line in story.lines)])
