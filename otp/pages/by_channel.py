"""How the pages speak of a code, by the channel that was asked for last and those that may follow it.

They never speak of what a provider said: not that a number has no WhatsApp, nor by which channel the code
went in its place.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from sms.message import Channel


class Word(NamedTuple):
    """One channel, as a sentence or a button needs it."""

    by: str | Promise  # We sent a code by …
    label: str | Promise  # of the field that the code goes into
    ask: str | Promise  # a button that asks for it


WORDS = {
    Channel.SMS: Word(pgettext_lazy("by", "SMS"), _("Code from the SMS"), _("Send an SMS")),
    Channel.WHATSAPP: Word("WhatsApp", _("Code from WhatsApp"), _("Send by WhatsApp")),
    Channel.TELEGRAM: Word("Telegram", _("Code from Telegram"), _("Send by Telegram")),
    Channel.VOICE: Word(pgettext_lazy("by", "a call"), _("Code from the call"), _("Call me")),
    Channel.EMAIL: Word(pgettext_lazy("by", "e-mail"), _("Code from the e-mail"), _("Send an e-mail")),
}


@dataclass(frozen=True, slots=True)
class Spoken:
    """Of one code. ``follows``: channels that it may go on to by itself."""

    channel: Channel
    channels: tuple[Channel, ...]
    follows: tuple[Channel, ...] = ()

    @property
    def is_sms(self) -> bool:
        """Whether it is SMS and nothing else."""
        return self.channels == (Channel.SMS,)

    @property
    def is_call(self) -> bool:
        return self.channel is Channel.VOICE

    @property
    def by(self) -> str:
        """After "We sent a code by"; "" of an SMS, of which it goes without saying."""
        return "" if self.channel is Channel.SMS else str(WORDS[self.channel].by)

    @property
    def then(self) -> str:
        """By what it may come as well, "" where nothing follows."""
        return in_turn(self.follows)

    @property
    def label(self) -> str:
        """Of the field: where the user reads the code, unless that may be somewhere else meanwhile."""
        return gettext("Code") if len(self.channels) > 1 else str(WORDS[self.channel].label)

    @property
    def is_written(self) -> bool:
        """Whether there may be a message to paste in place of the code."""
        return self.channels != (Channel.VOICE,)

    @property
    def look(self) -> str:
        """What to say, and to do, after a wrong code."""
        if self.is_call:
            return gettext("That is not the code. Check what the call said and try again.")
        return gettext("That is not the code. Look at the newest message and try again.")

    @property
    def others(self) -> list[tuple[Channel, str, str]]:
        """The buttons for another channel: its name, what it says, and what while it is sent."""
        return [
            (channel, str(WORDS[channel].ask), busy(channel))
            for channel in self.channels
            if channel is not self.channel
        ]

    @property
    def busy(self) -> str:
        return busy(self.channel)


def busy(channel: Channel) -> str:
    """What a button says once it is pressed."""
    return gettext("Calling …") if channel is Channel.VOICE else gettext("Sending …")


def in_turn(channels: Sequence[Channel]) -> str:
    """``WhatsApp, SMS or a call``, as it stands after "by"."""
    *names, last = [str(WORDS[channel].by) for channel in channels] or [""]
    if not names:
        return last
    first = functools.reduce(
        lambda all, next: gettext("%(all)s, %(next)s") % {"all": all, "next": next}, names
    )
    return gettext("%(all)s or %(last)s") % {"all": first, "last": last}
