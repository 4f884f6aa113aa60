"""Sessions of the dashboard: a signed cookie with an id, the name of an API key and a digest of that key.

A session lasts up to ``LONGEST`` seconds, as long as ``API_KEYS`` has that key with the scope ``read``.
Removing or replacing a key ends its sessions. Redis keeps the ids of sessions that were logged out, so that
copies of their cookies are useless.
"""

from __future__ import annotations

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

from otp import conf
from otp.api import keys
from otp.api.access import Access
from otp.api.auth import access_of
from otp.names import DASHBOARD_ENDED
from otp.names import key as key_of
from sms import cells, ids, names
from sms.scripts import client

#: Seconds.
LONGEST = 12 * 3600

COOKIE = "otpost-dashboard"

_SALT = "otp.dashboard"


def begin(response: HttpResponse, name: str, key: str) -> None:
    """Start a session for ``key``, which belongs to ``name``, in the browser that gets ``response``."""
    response.set_cookie(
        cookie_name(),
        signing.dumps(
            {"id": ids.new(cells.of_any()), "name": name, "key": _mark(keys.digest(key))}, salt=_SALT
        ),
        max_age=LONGEST,
        secure=is_secure(),
        httponly=True,
        samesite="Strict",
    )


def of(request: HttpRequest) -> tuple[Access, float] | None:
    """The access of the session, and the time by the clock of Redis; None without a valid session.

    One round trip, or none without a valid cookie. Raises ``Unavailable``.
    """
    said = _said(request)
    access = _access(said) if said else None
    if said is None or access is None:
        return None
    cell = cells.of_id(said["id"])
    with client(
        cell, names.cache_alias(cell)
    ) as redis:  # never on the stand-in, which does not know who has ended
        pipe = redis.pipeline(transaction=False)
        pipe.time()
        pipe.exists(key_of(DASHBOARD_ENDED + said["id"], cell))
        (seconds, micro), ended = pipe.execute()
    return None if ended else (access, seconds + micro / 1_000_000)


def end(request: HttpRequest, response: HttpResponse) -> None:
    """End the session in this browser, and for any copy of its cookie. Raises ``Unavailable``."""
    response.delete_cookie(cookie_name(), samesite="Strict")
    if said := _said(request):
        cell = cells.of_id(said["id"])
        with client(cell, names.cache_alias(cell)) as redis:
            redis.set(key_of(DASHBOARD_ENDED + said["id"], cell), 1, ex=LONGEST)


def _said(request: HttpRequest) -> dict[str, str] | None:
    try:
        said = signing.loads(request.COOKIES.get(cookie_name(), ""), salt=_SALT, max_age=LONGEST)
    except signing.BadSignature:
        return None
    return dict(said)


def _access(said: dict[str, str]) -> Access | None:
    """The access of the key that logged in; None if the key is gone or may no longer read."""
    digests = conf.get("API_KEYS").get(said["name"], ())
    known = [constant_time_compare(said["key"], _mark(digest)) for digest in digests]
    access = access_of(said["name"])
    return access if any(known) and "read" in access.scopes else None


def cookie_name(name: str = COOKIE) -> str:
    """With this prefix, a browser takes the cookie only from this host, and only over TLS."""
    return f"__Host-{name}" if is_secure() else name


def is_secure() -> bool:
    """Whether cookies need TLS: not with DEBUG or an http:// ``PUBLIC_URL``, unless Django's own do."""
    plain = settings.DEBUG or conf.get("PUBLIC_URL").startswith("http://")
    return settings.SESSION_COOKIE_SECURE or not plain


def _mark(digest: str) -> str:
    """The digest of a key for the cookie. It is not the one in ``API_KEYS``."""
    return salted_hmac(_SALT, digest, algorithm="sha256").hexdigest()
