"""Send a code that another program made, keeps and checks: django-allauth, or Supabase by its hook.

It has the text, the channels, the limits and the queue of a purpose, as a code of ours has. It has no
verification: cooldown, guesses and resends are that program's. The guard does not count it, as it goes by
which codes are typed back, and ``OTP_CHALLENGE`` is not asked, as the form is not ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from otp import channels, conf, purposes, store
from otp.admission import judges, limits, refusals
from otp.caller import NOBODY, Caller
from otp.errors import NotAllowed, StoreUnavailable
from sms import given
from sms import services as sms
from sms.errors import Overloaded
from sms.message import Channel, Message
from sms.phone import Phone

#: As others make them: letters and digits, in groups or not.
_CODE = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")


def read_phone(phone: given.Number, purpose: str = "login") -> Phone:
    """The number that a code for ``purpose`` may go to. Raises ``NotAllowed``."""
    with refusals.translated():
        return sms.parse_phone(phone, channels.wanted(purposes.required(purpose)))


def send(
    phone: given.Number,
    code: str,
    purpose: str = "login",
    *,
    text: str = "",
    lives: float = purposes.MAX_LIFETIME,
    locale: str = "",
    by: Sequence[Channel] = (),
    on_our_site: bool = True,
    caller: Caller = NOBODY,
) -> Message:
    """Count one SMS towards ``OTP_LIMITS``, and put the code on the way.

    ``text``: that of the other program; "": that of the purpose. ``lives``: seconds for which the other
    program takes the code. After these, or after the ``lifetime`` of the purpose, it is not sent any more;
    the text of the purpose names the shorter time. ``by``: the channels that may carry it; none: those of the
    purpose. ``on_our_site``: it is typed at ``PUBLIC_URL``, to which the last line of the text binds it;
    otherwise there is no such line. ``phone``, ``locale``, ``caller``: see ``otp.services.start``.

    Raises what that does, ``NotAllowed`` (``code_invalid``) unless the code is made of letters, digits and
    dashes, and ``sms.errors.InvalidBody`` for a text that cannot be sent.
    """
    rules = purposes.required(purpose)
    if len(code) > purposes.MAX_LENGTH or not _CODE.fullmatch(code):
        raise NotAllowed(
            f"A code has up to {purposes.MAX_LENGTH} letters, digits and dashes.",
            code="code_invalid",
            field="code",
        )
    number = read_phone(phone, purpose)
    seconds = min(lives, rules.lifetime)
    host = urlsplit(conf.get("PUBLIC_URL")).hostname or "localhost"
    body = text or rules.render(
        code,
        lives=seconds,
        site=conf.get("OTP_SITE_NAME"),
        host=host if on_our_site else "",
        locale=locale,
    )
    with refusals.translated():
        counted = limits.of_sms(number, rules.name, caller)
        withheld = judges.hear(number, rules.name, caller, counted).withheld
        sms.require_broker()
        if refused := store.count(counted):
            wait, index = refused
            raise refusals.reached(counted.rules[index], wait, caller)
        try:
            return sms.send(
                number,
                body,
                queue=sms.OTP_QUEUE,
                expires_in=seconds,
                resend_unknown=True,
                code={"code": code, "purpose": rules.name, "locale": locale},
                channels=by or rules.channels,
                withheld=withheld,
                api_key=caller.name,
            )
        except Overloaded as error:
            raise StoreUnavailable(retry_after=error.retry_after, code="overloaded") from None
