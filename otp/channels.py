"""Choose the channels of a code: for its start, for a resend, and after a channel failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from otp.errors import NotAllowed
from otp.purposes import Purpose
from sms import services as sms
from sms.errors import NoRoute
from sms.message import Channel
from sms.phone import Phone


@dataclass(frozen=True, slots=True)
class Way:
    """The channels of one message of a code. By default SMS, without any other."""

    channels: tuple[Channel, ...] = ()  # those that may carry it, in order; () leaves it to the route
    able: tuple[Channel, ...] = (Channel.SMS,)  # those that the user may ask for
    tried: tuple[Channel, ...] = (Channel.SMS,)  # the first channel of each message so far, this one last
    asked: tuple[Channel, ...] = (Channel.SMS,)  # those of them that the start or the user asked for

    @property
    def following(self) -> int:
        """How many channels the code may move on to by itself.

        Those that it has already moved on to still count, to hide that it has.
        """
        return len(set(self.able) - set(self.asked))


ONLY_SMS = Way()

#: No channel, for a reverse verification.
NONE = Way((), (), (), ())


def wanted(rules: Purpose) -> tuple[Channel, ...]:
    """The channels that may reach a number for a purpose."""
    named = rules.channels or sms.channels()
    return tuple(channel for channel in named if channel is not Channel.EMAIL) or (Channel.SMS,)


def begin(rules: Purpose, number: Phone, email: str, *, channel: str) -> Way:
    """The channels of the first message. ``channel``: the requested one, or "". Raises ``NotAllowed``
    (``channel_unavailable``).
    """
    if sms.channels() == (Channel.SMS,):
        _require(channel, ONLY_SMS.able)
        return ONLY_SMS
    able = _able(rules, number, email)
    _require(channel, able)
    if channel:
        chosen = Channel(channel)
        return Way((chosen,), able, (chosen,), (chosen,))
    return Way(rules.channels, able, able[:1], able[:1])


def again(
    rules: Purpose,
    number: Phone,
    email: str,
    *,
    tried: Sequence[str],
    asked: Sequence[str],
    channel: str,
) -> Way:
    """The channels of a resend: ``channel``, or the one that was requested last.

    It does not use a channel to which the code has moved on by itself, which would reveal that. Raises
    ``NotAllowed`` (``channel_unavailable``).
    """
    if sms.channels() == (Channel.SMS,):
        able: tuple[Channel, ...] = (Channel.SMS,)
    else:
        able = _able(rules, number, email)
    _require(channel, able)
    begun, named = _of(able, tried), _of(able, asked)
    if channel:
        chosen = Channel(channel)
        return Way((chosen,), able, _with(begun, chosen), _with(named, chosen))
    last = named[-1] if named else able[0]
    if rules.channels:
        on = _from(able, last)
    elif last == able[0]:  # the route itself begins with it, followed by the others
        on = ()
    else:
        on = (last,)
    return Way(on, able, _with(begun, last), _with(named, last))


def go_on(
    rules: Purpose, number: Phone, email: str, *, tried: Sequence[str], asked: Sequence[str]
) -> Way | None:
    """The next channel of a purpose, after those that were tried. None if there is none."""
    able = _able(rules, number, email)
    left = [channel for channel in able if channel not in tried]
    if not rules.channels or not left:
        return None
    return Way(_from(able, left[0]), able, _with(_of(able, tried), left[0]), _of(able, asked))


def _require(channel: str, able: Sequence[Channel]) -> None:
    if channel and channel not in able:
        raise NotAllowed(
            f"This code cannot go by that channel. Use one of: {', '.join(able)}.",
            code="channel_unavailable",
            field="channel",
        )


def _from(able: tuple[Channel, ...], first: Channel) -> tuple[Channel, ...]:
    """``first``, and the channels that come after it."""
    return able[able.index(first) :]


def _of(able: tuple[Channel, ...], names: Sequence[str]) -> tuple[Channel, ...]:
    return tuple(Channel(name) for name in names if name in able)


def _with(channels: Sequence[Channel], last: Channel) -> tuple[Channel, ...]:
    return (*(one for one in channels if one != last), last)


def _able(rules: Purpose, number: Phone, email: str) -> tuple[Channel, ...]:
    try:
        return sms.reach(number, email=email, channels=rules.channels)
    except NoRoute:  # raised again when the message is prepared, except for a test number
        return wanted(rules)
