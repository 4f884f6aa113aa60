"""How a browser and its forms remember their verification.

A cookie names the verification that the pages show, which this browser started or viewed last. Each form also
has a token, which ties it to the verification of its page, whatever other tabs do. Both are sealed and
signed. A token works for as long as a code can live, and only in one browser, which is known by its CSRF
secret.

If a user presses a button twice on a slow connection, the first answer and its cookie are lost. So the
browser that started a verification, its holder, can find it again by the phone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.utils.crypto import constant_time_compare, salted_hmac

from otp import digests, services, store
from otp.purposes import MAX_LIFETIME
from otp.steps import SESSION_LIFETIME
from otp.verification import Verification
from sms import services as sms

COOKIE = "otpost"

#: Seconds for which the cookie and the field of a form are accepted: as long as a session lives, or a code.
LONGEST = max(MAX_LIFETIME, SESSION_LIFETIME)

#: The name of the hidden field.
FIELD = "form"

#: The purpose of the pages, unless a session names another.
PURPOSE = "login"

_SALT = "otp.kept"  # the module's old name: browsers may still show pages from before it moved


@dataclass(frozen=True, slots=True)
class Kept:
    """A verification as a browser remembers it."""

    id: str
    phone: str = field(repr=False)  # E.164
    resend_at: float = 0.0  # seconds since the epoch; Redis forgets it with the code
    said: str = ""  # how the last form was answered, in a word that the templates know
    left: int = 0  # attempts left when the form was shown; 0 if not known
    purpose: str = PURPOSE
    session: str = ""  # id of its session, "" for none; with one, ``id`` may still be ""
    locale: str = ""  # of the session


def _written(kept: Kept) -> dict[str, object]:
    """The fields to seal.

    Those for sessions are left out if unused, since earlier versions do not know them.
    """
    found = asdict(kept)
    if not kept.session:
        del found["session"], found["purpose"], found["locale"]
    return found


def cookie_name() -> str:
    """The name of our cookie. Browsers accept the prefix ``__Host-`` only over TLS, from this very host."""
    return f"__Host-{COOKIE}" if settings.SESSION_COOKIE_SECURE else COOKIE


def of_cookie(request: HttpRequest) -> Kept | None:
    """The verification that the pages show in this browser."""
    sealed = request.get_signed_cookie(cookie_name(), default="", max_age=LONGEST)
    try:
        return Kept(**sms.unseal(sealed.encode())) if sealed else None
    except (sms.Unsealable, TypeError):  # TypeError: a cookie of another version
        return None


def keep(response: HttpResponse, kept: Kept) -> HttpResponse:
    """Set the cookie, so that the pages show ``kept`` from now on."""
    response.set_signed_cookie(
        cookie_name(),
        sms.seal(_written(kept)).decode(),
        max_age=LONGEST,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def forget(response: HttpResponse) -> None:
    response.delete_cookie(cookie_name(), samesite="Lax")


def token(browser: str, kept: Kept) -> str:
    """The hidden field of a form about ``kept``, for this browser only."""
    content = {"browser": browser, "kept": _written(replace(kept, said=""))}
    return signing.TimestampSigner(salt=_SALT).sign(sms.seal(content).decode())


def of_token(token: str, browser: str) -> Kept | None:
    """The verification of a form. None if its token is forged, too old, or from another browser."""
    try:
        sealed = signing.TimestampSigner(salt=_SALT).unsign(token, max_age=LONGEST)
        content = sms.unseal(sealed.encode())
        kept = Kept(**content["kept"])
    except (signing.BadSignature, sms.Unsealable, TypeError):  # TypeError: a token of another version
        return None
    return kept if constant_time_compare(content["browser"], browser) else None


def of_form(request: HttpRequest) -> Kept | None:
    """The verification of a posted form."""
    if FIELD not in request.POST:  # a template of the project's own may lack it; then the cookie decides
        return of_cookie(request)
    return of_token(request.POST[FIELD], browser(request))


def browser(request: HttpRequest) -> str:
    """An identifier of this browser, which is not secret."""
    get_token(request)  # makes a CSRF secret and its cookie if there is none
    return salted_hmac(_SALT, request.META["CSRF_COOKIE"], algorithm="sha256").hexdigest()


def find(browser: str, e164: str, purpose: str, session: str) -> Verification | None:
    """The live verification of a phone that this browser started, in ``session`` or, if "", outside of any.

    Raises ``StoreUnavailable``.
    """
    live = store.live(phones=digests.of_phone(e164, purpose))
    if live.session != session:
        return None
    try:
        holder = sms.unseal(live.envelope.encode()).get("holder", "")
    except sms.Unsealable:  # also if no verification is live
        return None
    if not constant_time_compare(holder, browser):
        return None
    found = services.status(live.id)
    return found if found.status == "pending" else None
