"""Send a code that another program makes, keeps and checks, such as django-allauth, or Supabase by its hook.

Like our own codes, it gets the text, the channels, the limits and the queue of a purpose. It has no
verification: the other program handles cooldown, guesses and resends. The guard does not count it, because
nobody tells the guard whether the code was typed. ``OTP_CHALLENGE`` is not used, because the form is not
ours.
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

#: The form of such codes: letters and digits, perhaps in groups.
_CODE = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")


def read_phone(phone: given.Number, purpose: str = "login") -> Phone:
    """Parse a number that codes for ``purpose`` may go to. Raises ``NotAllowed``."""
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
    """Count one SMS towards ``OTP_LIMITS``, and queue it.

    - ``text``: the other program's text; "" uses the purpose's.
    - ``lives``: seconds for which the other program accepts the code. It is not sent after that, nor after
      the ``lifetime`` of the purpose. The purpose's text names the shorter time.
    - ``by``: the channels that may carry it; the default is those of the purpose.
    - ``on_our_site``: the code is typed at ``PUBLIC_URL``, and the last line of the text binds it to that
      host. Without it there is no such line.
    - ``phone``, ``locale``, ``caller``: see ``otp.services.start``.

    Raises what ``otp.services.start`` raises, ``NotAllowed`` (``code_invalid``) for a code with
    characters other than letters, digits and dashes, and ``sms.errors.InvalidBody`` for a text that cannot be
    sent.
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
