"""How the pages describe where a code went: by the channel requested last, and those that may follow it.

They never reveal what a provider said. So nobody learns that a number has no WhatsApp, or which channel
carried the code instead.
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
    """The words for a channel, in a sentence and on buttons."""

    by: str | Promise  # We sent a code by …
    label: str | Promise  # of the field for the code
    ask: str | Promise  # a button that requests this channel


WORDS = {
    Channel.SMS: Word(pgettext_lazy("by", "SMS"), _("Code from the SMS"), _("Send an SMS")),
    Channel.WHATSAPP: Word("WhatsApp", _("Code from WhatsApp"), _("Send by WhatsApp")),
    Channel.TELEGRAM: Word("Telegram", _("Code from Telegram"), _("Send by Telegram")),
    Channel.VOICE: Word(pgettext_lazy("by", "a call"), _("Code from the call"), _("Call me")),
    Channel.EMAIL: Word(pgettext_lazy("by", "e-mail"), _("Code from the e-mail"), _("Send an e-mail")),
}


@dataclass(frozen=True, slots=True)
class Spoken:
    """The words for one code. ``follows``: channels that it may move on to by itself."""

    channel: Channel
    channels: tuple[Channel, ...]
    follows: tuple[Channel, ...] = ()

    @property
    def is_sms(self) -> bool:
        """Whether the code goes only by SMS."""
        return self.channels == (Channel.SMS,)

    @property
    def is_call(self) -> bool:
        return self.channel is Channel.VOICE

    @property
    def by(self) -> str:
        """The words after "We sent a code by"; "" for SMS, which is not named."""
        return "" if self.channel is Channel.SMS else str(WORDS[self.channel].by)

    @property
    def then(self) -> str:
        """The channels by which it may still come, "" if none follows."""
        return in_turn(self.follows)

    @property
    def label(self) -> str:
        """The label of the field: where to read the code, unless it may have moved on by now."""
        return gettext("Code") if len(self.channels) > 1 else str(WORDS[self.channel].label)

    @property
    def is_written(self) -> bool:
        """Whether the code may come in a message that the user could paste as a whole."""
        return self.channels != (Channel.VOICE,)

    @property
    def look(self) -> str:
        """The text after a wrong code, and what to do."""
        if self.is_call:
            return gettext("That is not the code. Check what the call said and try again.")
        return gettext("That is not the code. Look at the newest message and try again.")

    @property
    def others(self) -> list[tuple[Channel, str, str]]:
        """The buttons for other channels: the channel, its label, and its label while sending."""
        return [
            (channel, str(WORDS[channel].ask), busy(channel))
            for channel in self.channels
            if channel is not self.channel
        ]

    @property
    def busy(self) -> str:
        return busy(self.channel)


def busy(channel: Channel) -> str:
    """The label of a button once it is pressed."""
    return gettext("Calling …") if channel is Channel.VOICE else gettext("Sending …")


def in_turn(channels: Sequence[Channel]) -> str:
    """``WhatsApp, SMS or a call``, in the form that follows "by"."""
    *names, last = [str(WORDS[channel].by) for channel in channels] or [""]
    if not names:
        return last
    first = functools.reduce(
        lambda all, next: gettext("%(all)s, %(next)s") % {"all": all, "next": next}, names
    )
    return gettext("%(all)s or %(last)s") % {"all": first, "last": last}
