"""Twilio's words for our channels. There is none for Telegram."""

from __future__ import annotations

from collections.abc import Mapping

from sms.message import Channel

CHANNELS: Mapping[str, Channel] = {
    "sms": Channel.SMS,
    "call": Channel.VOICE,
    "whatsapp": Channel.WHATSAPP,
    "email": Channel.EMAIL,
}

_WORDS = {channel: word for word, channel in CHANNELS.items()}


def word(channel: str) -> str | None:
    """Twilio's word for a channel, None if it has none."""
    return _WORDS.get(Channel(channel))
