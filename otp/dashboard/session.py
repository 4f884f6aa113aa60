"""Sessions of the dashboard: a signed cookie with an id, the name of an API key and a digest of that key.

A session lasts up to ``LONGEST`` seconds, while ``API_KEYS`` has that very key with the scope ``read``. So
removing or replacing a key ends its sessions. Redis keeps the ids of sessions that were logged out, so that a
copy of such a cookie is useless.
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
from otp.names import SESSION_ENDED
from otp.names import key as key_of
from sms import ids
from sms.scripts import client

#: Seconds.
LONGEST = 12 * 3600

COOKIE = "otpost-dashboard"

_SALT = "otp.dashboard"


def begin(response: HttpResponse, name: str, key: str) -> None:
    """Let the browser that gets ``response`` look for as long as the key ``key`` of ``name`` may."""
    response.set_cookie(
        cookie_name(),
        signing.dumps({"id": ids.new(), "name": name, "key": _mark(keys.digest(key))}, salt=_SALT),
        max_age=LONGEST,
        secure=is_secure(),
        httponly=True,
        samesite="Strict",
    )


def of(request: HttpRequest) -> tuple[Access, float] | None:
    """What whoever asks may do, and the time by the clock of Redis; None without a session that is good.

    One round trip, none without a cookie of ours; raises ``Unavailable``.
    """
    said = _said(request)
    access = _access(said) if said else None
    if said is None or access is None:
        return None
    with client() as redis:
        pipe = redis.pipeline(transaction=False)
        pipe.time()
        pipe.exists(key_of(SESSION_ENDED + said["id"]))
        (seconds, micro), ended = pipe.execute()
    return None if ended else (access, seconds + micro / 1_000_000)


def end(request: HttpRequest, response: HttpResponse) -> None:
    """Forget the session in this browser, and let no copy of its cookie in. Raises ``Unavailable``."""
    response.delete_cookie(cookie_name(), samesite="Strict")
    if said := _said(request):
        with client() as redis:
            redis.set(key_of(SESSION_ENDED + said["id"]), 1, ex=LONGEST)


def _said(request: HttpRequest) -> dict[str, str] | None:
    try:
        said = signing.loads(request.COOKIES.get(cookie_name(), ""), salt=_SALT, max_age=LONGEST)
    except signing.BadSignature:
        return None
    return dict(said)


def _access(said: dict[str, str]) -> Access | None:
    """What the key may do that logged in, if it is still one."""
    digests = conf.get("API_KEYS").get(said["name"], ())
    known = [constant_time_compare(said["key"], _mark(digest)) for digest in digests]
    access = access_of(said["name"])
    return access if any(known) and "read" in access.scopes else None


def cookie_name(name: str = COOKIE) -> str:
    """With this prefix a browser takes the cookie from this host alone, over TLS alone."""
    return f"__Host-{name}" if is_secure() else name


def is_secure() -> bool:
    """Always with TLS, but in development and where ``PUBLIC_URL`` says that there is none."""
    plain = settings.DEBUG or conf.get("PUBLIC_URL").startswith("http://")
    return settings.SESSION_COOKIE_SECURE or not plain


def _mark(digest: str) -> str:
    """What a cookie says of a key: not even the digest that stands in ``API_KEYS``."""
    return salted_hmac(_SALT, digest, algorithm="sha256").hexdigest()
