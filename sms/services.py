"""Send an SMS, read its state, cancel it: the public API of ``sms``.

    from sms import services

    message = services.send("+12025550123", "Your parcel is here.")

``send`` returns as soon as the message is in Redis. A worker hands it to a provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from sms import (
    broker,
    cells,
    conf,
    countries,
    destinations,
    emails,
    entries,
    given,
    hub,
    optouts,
    phone,
    preparing,
    records,
    references,
    registry,
    steps,
    store,
    traces,
    ways,
)
from sms import seal as sealing
from sms.errors import InvalidNumber
from sms.facts import tell
from sms.message import Channel, Message, State
from sms.phone import Phone

OTP_QUEUE, BULK_QUEUE = steps.OTP_QUEUE, steps.BULK_QUEUE

Prepared = preparing.Prepared
prepare, MAX_BODY = preparing.prepare, preparing.MAX_BODY

now = store.now
country_name = countries.name
example_number, EXAMPLE = destinations.example, destinations.EXAMPLE
example_of, spelled, spelled_at_home = (
    destinations.example_of,
    destinations.spelled,
    destinations.spelled_at_home,
)
mask = phone.mask
check_reference = references.check
read_email, mask_email, by_email = emails.read, emails.mask, emails.as_phone

channels, receivers = registry.channels, registry.receivers
unable_to_carry = ways.unable_to_carry
countries_of = ways.countries_of
seal, unseal, Unsealable = sealing.seal, sealing.unseal, sealing.Unsealable


def require_broker() -> None:
    """Raise ``Unavailable`` if we publish to a broker that does not answer; see ``broker.require``."""
    if not entries.are_pushed():
        broker.require()


def parse_phone(
    spelling: given.Number, channels: Iterable[Channel] = (Channel.SMS,), *, region: str = ""
) -> Phone:
    """Parse a phone number that ``SMS_DESTINATIONS`` allows for at least one of ``channels``.

    ``spelling``: a text or a ``phonenumbers.PhoneNumber``. ``region``: the country of numbers in national
    form; "" means ``PHONE_REGION``. Raises ``InvalidNumber``.
    """
    spelling = given.phone(spelling)
    try:
        number = phone.parse(spelling, region or conf.get("PHONE_REGION"))
    except InvalidNumber as error:
        raise destinations.with_hint(error, spelling) from None
    return destinations.require(number, channels)


def reach(number: Phone, *, email: str = "", channels: Sequence[Channel] = ()) -> tuple[Channel, ...]:
    """The channels that can carry a code to a number, in the order in which they are tried.

    See ``sms.ways.find``. Raises ``NoRoute`` if there is none.
    """
    return ways.channels_of(ways.find(number, is_code=True, email=email, channels=channels))


@traces.begun("accept")
def send(
    to: given.Number | Phone,
    body: str,
    *,
    queue: str = BULK_QUEUE,
    expires_at: float | None = None,
    expires_in: float | None = None,
    resend_unknown: bool = False,
    replaces: str = "",
    api_key: str = "",
    reference: str = "",
    code: Mapping[str, str] = MappingProxyType({}),
    channels: Sequence[Channel] = (),
    withheld: str = "",
) -> Message:
    """Accept one SMS for sending.

    - ``to``: any usual spelling, a ``phonenumbers.PhoneNumber`` or a ``Phone``.
    - ``body``: the text, of at most ``MAX_BODY`` characters. Lines may end with LF, CRLF or CR.
    - ``expires_at``, in seconds since the epoch, or ``expires_in``, in seconds from now: when it must not be
      sent any more. The default is ``MESSAGE_LIFETIME`` from now.
    - ``resend_unknown``: send again if nobody knows whether the provider took it. That is right for codes:
      a second copy does no harm, a missing one does.
    - ``replaces``: the id of a message to cancel if it is still queued.
    - ``api_key``: the name of the key that asks for it.
    - ``reference``: the caller's own reference; see ``sms.references``.
    - ``code``, ``channels``, ``withheld``: see ``prepare``.

    Raises

    - ``InvalidNumber``, ``InvalidBody`` or ``InvalidReference``;
    - ``NoRoute`` if no provider sends to the number;
    - ``OptedOut`` if the number has opted out of every alias of its route, except in the queue of codes;
    - ``Overloaded`` if it would not be sent in time;
    - ``Unavailable`` if Redis does not answer. The message may still be sent if only the answer got lost.

    If only the broker is away, the message is accepted, and sent once the broker is back.
    """
    number = to if isinstance(to, Phone) else parse_phone(to)
    prepared = prepare(
        number,
        body,
        queue=queue,
        resend_unknown=resend_unknown,
        withheld=withheld,
        code=code,
        api_key=api_key,
        reference=reference,
        channels=channels,
    )
    marks = () if queue == OTP_QUEUE else optouts.marks(number.e164)
    sent = store.send(
        prepared.args, expires_at=expires_at, expires_in=expires_in, replaces=replaces, marks=marks
    )
    called_back(replaces, sent.get("called_back"))
    return prepared.accepted(sent["created_at"], sent["expires_at"])


def called_back(message_id: str, record: Mapping[str, str] | None) -> None:
    """Announce a message that a script has cancelled. ``record``: as includes/call_back.lua returned it."""
    if record:
        if cells.many():
            hub.leave_line_of(message_id, record)
        tell(records.read(message_id, record))


def get(message_id: str) -> Message | None:
    """A message with its state, times and attempts, but without its number and text. None if unknown."""
    return store.get(given.id(message_id))


def get_all(message_ids: Sequence[str]) -> list[Message | None]:
    """Several messages, in one round trip."""
    return store.get_all([given.id(message_id) for message_id in message_ids])


def dead_letters(limit: int = 0) -> Iterator[Message]:
    """Messages that failed in every round or that no worker can open, the latest first.

    ``limit``: at most so many; 0 for all.
    """
    for id, at in store.dead_letters(limit):
        message = store.get(id)
        if message and message.state is not State.CANCELLED:
            yield replace(message, given_up_at=at)


def dead_letter(message_id: str) -> Message | None:
    """A dead letter by its id. None if the message is not, or no longer, among the dead letters."""
    message_id = given.id(message_id)
    at = store.given_up_at(message_id)
    if at is None or not (message := store.get(message_id)):
        return None
    return replace(message, given_up_at=at)


def replay(message_id: str) -> bool:
    """Send a dead letter again. False if it has expired or its text is gone."""
    message_id = given.id(message_id)
    if queue := store.replay(message_id):
        broker.publish(message_id, queue)
    return bool(queue)


def cancel(message_id: str) -> bool:
    """Cancel a message that no worker has claimed yet. True if it will not be sent."""
    record = store.call_back(given.id(message_id))
    called_back(message_id, record)
    return record is not None
