"""Hosted hand-off: a program sends its user to our pages, and gets the user back with a verified phone.

    open      made by the program, which sends its user to the URL of the session
    bound     to the first browser that opened it and returned our cookie
    valid     a right code ended it, in the same step; the program reads it, and nobody can use it again

The browser that finishes gets a proof. The program compares it with the one that its own user brings back.
Otherwise an attacker could send his session to somebody else, who would verify a phone in it.

What the program said (return URL, number, state) is sealed. A session lives LIFETIME. A valid one lives as
long again, so that the program has time to read it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from otp import channels, conf, purposes, recipients, store
from otp.admission import refusals
from otp.errors import NotAllowed
from otp.names import IN_LUA, key
from sms import given, ids, names, scripts
from sms import services as sms
from sms.errors import Unavailable
from sms.scripts import Script

#: Seconds. As long as three codes, and time to look for the phone.
LIFETIME = store.SESSION_LIFETIME

#: Characters. Browsers and proxies take longer addresses, but not all of them.
MOST_URL, MOST_STATE = 2000, 500

#: Hosts that a browser reaches on its own machine: a program under development runs there without TLS.
_OWN_MACHINE = {"localhost", "127.0.0.1", "[::1]"}

_SESSION = Script(
    Path(__file__).parent / "lua" / "session.lua", includes=(scripts.INCLUDES,), keys=IN_LUA | names.IN_LUA
)


@dataclass(frozen=True, slots=True)
class Session:
    """One hand-off. Times are seconds since the epoch."""

    id: str
    status: Literal["pending", "valid", "expired"]
    owner: str = ""  # the name of the API key that made it
    expires_at: float = 0.0
    return_url: str = field(default="", repr=False)
    state: str = field(default="", repr=False)  # the program's own, given back with the user
    purpose: str = ""
    phone: str = field(default="", repr=False)  # E.164: asked for by the program, later the verified one
    locale: str = ""
    reference: str = ""  # the program's own, see ``sms.references``
    verification_id: str = ""
    masked: str = ""  # of the verified number
    proof: str = field(
        default="", repr=False
    )  # of a valid one, for the browser that finished, and the program

    @property
    def way_back(self) -> str:
        """Where the user goes when all is done, or given up."""
        known = {"session": self.id} | ({"state": self.state} if self.state else {})
        known |= {"proof": self.proof} if self.proof else {}
        url = self.return_url
        joint = "?" if "?" not in url else "" if url[-1] in "?&" else "&"
        return f"{url}{joint}{urlencode(known)}"


def origin_of(url: str) -> str:
    """``https://shop.example``, ``https://shop.example:8443``: what browsers call the origin of an address.

    "" for what no user may be sent to: no TLS (but on the own machine), a user, a fragment, or anything that
    a browser could read otherwise than we do.
    """
    if not url.isascii() or not url.isprintable() or any(c in url for c in ' "<>\\^`{|}#'):
        return ""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return ""
    host = f"[{host}]" if ":" in host else host
    secure = parts.scheme == "https" or (parts.scheme == "http" and host in _OWN_MACHINE)
    if not secure or not host or "@" in parts.netloc:
        return ""
    usual = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, usual) else "")


def create(
    *,
    owner: str,
    return_url: str,
    purpose: str = "login",
    phone: given.Number = None,
    locale: str = "",
    state: str = "",
    reference: str = "",
) -> Session:
    """A new session. ``owner``: the name of the API key that may ask for it; whether that may send users to
    ``return_url`` is for the caller to judge, see ``otp.api.access``.

    Raises ``NotAllowed`` for a number that gets no code, ``StoreUnavailable``.
    """
    if conf.get("PAGES") == "off":
        raise NotAllowed("PAGES is off, so there are no pages for it.", code="pages_off", field="return_url")
    rules = purposes.required(purpose)
    e164 = ""
    with refusals.translated():
        if phone:
            e164 = recipients.parse_phone(phone, channels.wanted(rules)).e164
        sms.check_reference(reference)
    id = ids.new()
    name = key(IN_LUA["SESSION"] + id)
    said = {"return_url": return_url, "purpose": purpose, "phone": e164, "locale": locale, "state": state}
    sealed = sms.seal(said | {"reference": reference, "proof": secrets.token_urlsafe()}).decode()
    try:
        expires_at = sms.now() + LIFETIME
        with scripts.client() as redis:
            pipe = redis.pipeline(transaction=True)
            pipe.hset(
                name,
                mapping={
                    "status": "pending",
                    "owner": owner,
                    "sealed": sealed,
                    "expires_at": int(expires_at * 1000),
                },
            )
            pipe.expire(name, LIFETIME)
            pipe.execute()
    except Unavailable as error:
        raise store.unavailable(error) from error
    return Session(id, "pending", owner, expires_at, reference=reference, **_of(said))


def read(id: str, *, owner: str = "") -> Session:
    """Where a session stands. One that never was, or that another key made, is ``expired``."""
    return _session(id, _step(id), owner)


def open_in(id: str, browser: str) -> Session | None:
    """The session, for the browser that opens it first; None for any other. ``browser``: its digest."""
    fields = _step(id, browser=browser)
    return _session(id, fields) if fields.get("browser", browser) == browser else None


def _session(id: str, fields: Mapping[str, str], owner: str = "") -> Session:
    status: Any = fields.get("status", "expired")
    if not fields or (owner and owner != fields["owner"]):
        return Session(id, "expired")
    try:
        said = sms.unseal(fields["sealed"].encode())
        verified = sms.unseal(fields["verified"].encode())["to"] if "verified" in fields else ""
    except sms.Unsealable:  # the keys were changed since
        return Session(id, "expired")
    return Session(
        id,
        status,
        fields["owner"],
        int(fields["expires_at"]) / 1000,
        verification_id=fields.get("verification", ""),
        masked=sms.mask(verified) if verified else "",
        reference=said.get("reference", ""),
        proof=said.get("proof", "") if status == "valid" else "",
        **_of(said | ({"phone": verified} if verified else {})),
    )


def _of(said: Mapping[str, str]) -> dict[str, str]:
    return {name: said.get(name, "") for name in ("return_url", "purpose", "phone", "locale", "state")}


def _step(id: str, **args: str) -> dict[str, str]:
    """What stands of a session after a step; see session.lua. Raises ``StoreUnavailable``."""
    try:
        return _SESSION.ask((), {"id": given.id(id), **args})
    except Unavailable as error:
        raise store.unavailable(error) from error
