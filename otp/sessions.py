"""Sessions on the hosted pages: a program sends its user there, and gets the user back with a verified phone.

    open      the program created the session and sends its user to the session's URL
    bound     to the browser that opened it first; a cookie identifies that browser
    valid     a code was right, which completes the session in the same step; the program reads the result,
              and the session cannot be used again

The browser that finished gets a proof. The program sends it back together with the session id that it kept
for this user, never with the one in the address. Otherwise an attacker could pass the URL of a session to
somebody else, who verifies a phone in it.

The program's data (return URL, number, state) is sealed. A session lives LIFETIME, and once valid the same
time again, so that the program has time to ask.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from django.utils.crypto import constant_time_compare

from otp import channels, conf, purposes, recipients, steps
from otp.admission import refusals
from otp.errors import NotAllowed
from otp.names import SESSION, key
from sms import cells, given, ids, scripts
from sms import services as sms
from sms.errors import Unavailable

#: Seconds: enough for three codes and for finding the phone.
LIFETIME = steps.SESSION_LIFETIME

#: Characters. Not all browsers and proxies take longer URLs.
MOST_URL, MOST_STATE = 2000, 500

#: Hosts on the browser's own machine, where a program under development runs without TLS.
_OWN_MACHINE = {"localhost", "127.0.0.1", "[::1]"}


@dataclass(frozen=True, slots=True)
class Session:
    """One session on the hosted pages. Times are seconds since the epoch."""

    id: str
    status: Literal["pending", "valid", "invalid", "expired"]
    owner: str = ""  # name of the API key that created it
    expires_at: float = 0.0
    return_url: str = field(default="", repr=False)
    state: str = field(default="", repr=False)  # the program's own, returned with the user
    purpose: str = ""
    phone: str = field(default="", repr=False)  # E.164: set by the program, later the verified one
    locale: str = ""
    reference: str = ""  # the program's own, see ``sms.references``
    verification_id: str = ""
    masked: str = ""  # the verified number, masked
    proof: str = field(default="", repr=False)  # once valid, for the browser that finished and the program

    @property
    def way_back(self) -> str:
        """The URL to which the user returns, when done or giving up."""
        known = {"session": self.id} | ({"state": self.state} if self.state else {})
        known |= {"proof": self.proof} if self.proof else {}
        url = self.return_url
        joint = "?" if "?" not in url else "" if url[-1] in "?&" else "&"
        return f"{url}{joint}{urlencode(known)}"


def origin_of(url: str) -> str:
    """The origin of a URL as browsers define it: ``https://shop.example``, ``https://shop.example:8443``.

    "" for a URL to which users must not be sent: without TLS (except on their own machine), with a user or a
    fragment, or one that a browser might parse differently.
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
    """Create a session. ``owner``: name of the API key, the only one that may read it.

    The caller decides whether that key may send users to ``return_url``; see ``otp.api.access``. Raises
    ``NotAllowed`` for a number that gets no code, and ``StoreUnavailable``.
    """
    if conf.get("PAGES") == "off":
        raise NotAllowed(
            "PAGES is off, so there are no pages for a session.", code="pages_off", field="return_url"
        )
    rules = purposes.required(purpose)
    e164 = ""
    with refusals.translated():
        if phone:
            e164 = recipients.parse_phone(phone, channels.wanted(rules)).e164
        sms.check_reference(reference)
    cell = cells.of_any()
    id = ids.new(cell)
    name = key(SESSION + id, cell)
    said = {"return_url": return_url, "purpose": purpose, "phone": e164, "locale": locale, "state": state}
    sealed = sms.seal(said | {"reference": reference, "proof": secrets.token_urlsafe()}).decode()
    try:
        expires_at = sms.now() + LIFETIME
        with scripts.client(cell) as redis:
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
        raise steps.unavailable(error) from error
    return Session(id, "pending", owner, expires_at, reference=reference, **_of(said))


def read(id: str, *, owner: str = "") -> Session:
    """The state of a session; ``expired`` if it never existed, or another key created it."""
    return _session(id, steps.session(given.id(id)), owner)


def proved(id: str, proof: str, *, owner: str) -> Session:
    """The state of a session for the browser that brings ``proof``.

    ``invalid`` if the session is valid and this is not its proof. Then only the program's own reference is
    returned with it.
    """
    found = read(id, owner=owner)
    if found.status != "valid" or (proof and constant_time_compare(proof, found.proof)):
        return found
    return Session(id, "invalid", found.owner, reference=found.reference)


def open_in(id: str, browser: str) -> Session | None:
    """Open a session in a browser. None if another browser was first. ``browser``: its digest."""
    fields = steps.session(given.id(id), browser=browser)
    return _session(id, fields) if fields.get("browser", browser) == browser else None


def _session(id: str, fields: Mapping[str, str], owner: str = "") -> Session:
    status: Any = fields.get("status", "expired")
    if not fields or (owner and owner != fields["owner"]):
        return Session(id, "expired")
    try:
        said = sms.unseal(fields["sealed"].encode())
        verified = sms.unseal(fields["verified"].encode())["to"] if "verified" in fields else ""
    except sms.Unsealable:  # the keys were changed
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
