"""Prepare the message of a code, with its channels and the limits that it counts towards."""

from __future__ import annotations

from urllib.parse import urlsplit

from otp import channels, conf
from otp.admission.judges import Wanted
from otp.caller import Caller
from otp.channels import Way
from otp.guard import decision
from otp.purposes import Purpose
from otp.results import Draft, Sending
from sms import services as sms
from sms.phone import Phone


def prepare(
    rules: Purpose,
    wanted: Wanted,
    draft: Draft,
    most: float,
    *,
    caller: Caller,
    way: Way,
    locale: str,
    reference: str,
    email: str,
    host: str,
) -> Sending:
    """The message of a code, and the limits that it counts towards.

    ``most``: seconds that the code may live.
    """
    life = rules.life(way.following if rules.channels else 0)
    site = conf.get("OTP_SITE_NAME")
    host = host or urlsplit(conf.get("PUBLIC_URL")).hostname or "localhost"
    text = {"site": site, "host": host, "locale": locale, "country": wanted.number.country}
    message = sms.prepare(
        wanted.number,
        rules.render(draft.code, lives=min(life, most), **text),
        queue=sms.OTP_QUEUE,
        resend_unknown=True,
        verification_id=draft.id,
        withheld=wanted.withheld,
        needs_route=not wanted.code,  # test numbers need no route
        code={"code": draft.code, "purpose": rules.name, "locale": locale},
        api_key=caller.name,
        reference=reference,
        email=email,
        channels=way.channels,
    )
    ask = decision.ask(
        wanted.number,
        caller.ip,
        free=bool(wanted.withheld),
        parts=message.parts,
        channel=message.channel,
    )
    return Sending(
        message,
        ask,
        wanted.counted,
        labels(wanted.number, caller),
        channels="" if way == channels.ONLY_SMS else ",".join(way.able),
        tried=",".join(way.tried),
        asked=",".join(way.asked),
        life=life,
        next_after=rules.next_channel_after[0] if rules.channels and set(way.able) - set(way.tried) else 0.0,
        puzzle=wanted.puzzle,
    )


def labels(number: Phone, caller: Caller) -> str:
    """The labels for the tally: country and name of the API key."""
    return f"{number.country}|{caller.name}"
