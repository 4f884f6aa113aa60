"""Prepare a message for Redis: check its text, find its route, seal its content."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import structlog

from sms import (
    broker,
    cells,
    conf,
    entries,
    given,
    history,
    ids,
    learning,
    names,
    records,
    references,
    registry,
    routing,
    segments,
    steps,
    traces,
    ways,
)
from sms.errors import InvalidBody, NoRoute
from sms.facts import tell
from sms.message import Channel, Message
from sms.phone import Phone
from sms.routing import Route
from sms.seal import seal

#: Control characters except LF, and lone surrogates, which no encoding can carry.
_CONTROL = re.compile("[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")

#: Characters. Large providers refuse longer texts (Twilio: over 1600).
MAX_BODY = 1600


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message that is ready for Redis. A script that includes overload.lua and accept.lua writes it."""

    id: str
    args: dict[str, Any] = field(repr=False)  # the ``message`` of those two includes
    parts: int  # billable segments
    channel: Channel = Channel.SMS  # of the first alias of the route
    channels: tuple[Channel, ...] = (Channel.SMS,)  # of every alias of the route, in order

    def accepted(self, created_at: int, expires_at: int) -> Message:
        """Announce that a script accepted the message. If the script did not push the message's queue entry,
        publish it.

        Both times are milliseconds since the epoch.
        """
        record = {"state": "queued", "created_at": created_at, "expires_at": expires_at}
        message = records.read(self.id, record | self.args["fields"] | {"queue": self.args["queue"]})
        tell(message)
        if "entry" not in self.args:
            broker.publish(self.id, message.queue)
        return message


def prepare(
    number: Phone,
    body: str,
    *,
    queue: str = steps.BULK_QUEUE,
    resend_unknown: bool = False,
    verification_id: str = "",
    withheld: str = "",
    needs_route: bool = True,
    code: Mapping[str, str] = MappingProxyType({}),
    api_key: str = "",
    reference: str = "",
    session: str = "",
    email: str = "",
    channels: Sequence[Channel] = (),
) -> Prepared:
    """Do all the work that needs no Redis: check the text, find the route, seal the content, make the queue
    entry (see ``sms.entries``).

    - ``code``: code, purpose and locale, for providers that compose the text themselves; {} for other texts.
    - ``withheld``: why no provider may have it, such as ``test_number``. To whoever asks, it looks like any
      other message. A worker cancels it.
    - ``needs_route``: False lets a withheld message pass without a route. It takes as long as with one, so
      that timing reveals nothing.
    - ``api_key``, ``reference``: see ``sms.services.send``.
    - ``session``: the id of the session on the hosted pages that it belongs to.
    - ``email``, ``channels``: see ``sms.ways.find``.

    Raises ``InvalidBody``, ``InvalidReference`` or ``NoRoute``.
    """
    body = with_line_feeds(given.text(body) or "")
    if not body.strip():
        raise InvalidBody("The text is empty.")
    if len(body) > MAX_BODY:
        raise InvalidBody(f"The text has {len(body)} characters; at most {MAX_BODY} can be sent.")
    if _CONTROL.search(body):
        raise InvalidBody("The text has a control character.")
    references.check(reference)
    try:
        route = ways.find(number, is_code=bool(code), email=email, channels=channels)
    except NoRoute:
        if needs_route:
            raise
        route = ()
    hops = learning.order(number, route) if code else routing.order(route)
    cell = cells.of_id(verification_id) if verification_id else cells.of_any()
    id, parts = ids.new(cell), segments.count(body)
    by = ways.channels_of(route) or (Channel.SMS,)
    first = by[0]
    fields = {
        "hops": ",".join(hop.alias for hop in hops),
        "channel": "" if first is Channel.SMS else first,
        "first_channel": "" if first is Channel.SMS else first,
        "channels": ",".join(by) if len(by) > 1 else "",
        # Only a verification tells whether its code was typed.
        "learns": learning.mark(number, route) if verification_id else "",
        "parts": parts,
        "country": number.country,
        "masked": number.masked,
        "resend_unknown": "1" if resend_unknown else "0",
        "verification_id": verification_id,
        "purpose": code.get("purpose", ""),
        "api_key": api_key,
        "reference": reference,
        "session": session,
        "withheld": withheld,
        "error": withheld,
        "request_id": str(structlog.contextvars.get_contextvars().get("request_id", "")),
        "trace": traces.here(),
    }
    sealed_too = {"email": email, "channels": ",".join(channels)} if email or channels else {}
    args = {
        "id": id,
        "queue": queue,
        "sealed": seal({"to": number.e164, "body": body, **code, **sealed_too}).decode(),
        "kept": int(conf.get("MESSAGE_RECORD_HOURS") * 3_600_000),
        "longest_wait": int(conf.longest_wait().get(queue, 0) * 1000),
        "aliases": _outlook(route, number.country, parts, queue),
        "found_by": history.places(number.e164, reference, verification_id, api_key, cell=cell),
        "fields": {name: value for name, value in fields.items() if value != ""},
    }
    if entry := entries.entry(id, queue):
        args["entry"] = entry
    return Prepared(id, args, parts, first, by)


def _outlook(route: Route, country: str, parts: int, queue: str) -> list[dict[str, Any]]:
    """The keys from which includes/overload.lua works out how long a message would wait for ``route``."""
    known = registry.aliases()
    return [
        {
            "health": names.health(hop.alias),
            "there": names.health(hop.alias, country),
            "rate": names.key(names.RATE + hop.alias),
            "line": names.line(hop.alias, queue),
            "codes": names.line(hop.alias, steps.OTP_QUEUE),
            "takes": known[hop.alias].takes(parts),
        }
        for step in route
        for hop in step
    ]


def with_line_feeds(text: str) -> str:
    """``text`` with LF as the end of each line. Forms send CRLF, which takes two characters of an SMS."""
    return re.sub(r"\r\n?", "\n", text)
