"""What a browser and the forms on its pages are about.

A cookie says which verification the pages show: the one that this browser asked for or looked at last. Each
form has a token of its own, and so is about the verification of its page, whatever other tabs do. Both are
sealed and signed. A token works as long as a code can live, in one browser, known by its CSRF secret.

Whoever presses a button twice on a slow line loses the first answer and its cookie. So the browser that
started a verification, its holder, finds it again by the phone.
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
from otp.verification import Verification
from sms import services as sms

COOKIE = "otpost"

#: The name of the hidden field.
FIELD = "form"

#: What the pages verify phones for, unless a session says otherwise.
PURPOSE = "login"

_SALT = "otp.kept"  # as it was before this module moved: pages of then are still open


@dataclass(frozen=True, slots=True)
class Kept:
    """A verification, as a browser keeps it."""

    id: str
    phone: str = field(repr=False)  # E.164
    resend_at: float = 0.0  # seconds since the epoch; Redis forgets it with the code
    said: str = ""  # how the last form was answered; a word that the templates know
    left: int = 0  # attempts left when the form was shown; 0: not known
    purpose: str = PURPOSE
    session: str = ""  # id of the hand-off that it is for; "": of none. Then it may have no id of its own yet
    locale: str = ""  # that the session asks for


def _written(kept: Kept) -> dict[str, object]:
    """Its fields. The version before knows none of those that a session alone has."""
    found = asdict(kept)
    if not kept.session:
        del found["session"], found["purpose"], found["locale"]
    return found


def cookie_name() -> str:
    """With this prefix a browser takes the cookie from this host alone, over TLS alone."""
    return f"__Host-{COOKIE}" if settings.SESSION_COOKIE_SECURE else COOKIE


def of_cookie(request: HttpRequest) -> Kept | None:
    """The verification that the pages show in this browser."""
    sealed = request.get_signed_cookie(cookie_name(), default="", max_age=MAX_LIFETIME)
    try:
        return Kept(**sms.unseal(sealed.encode())) if sealed else None
    except (sms.Unsealable, TypeError):  # TypeError: the cookie of another version
        return None


def keep(response: HttpResponse, kept: Kept) -> HttpResponse:
    """Show ``kept`` from now on."""
    response.set_signed_cookie(
        cookie_name(),
        sms.seal(_written(kept)).decode(),
        max_age=MAX_LIFETIME,  # no code lives longer
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def forget(response: HttpResponse) -> None:
    response.delete_cookie(cookie_name(), samesite="Lax")


def token(browser: str, kept: Kept) -> str:
    """What a form of this browser carries that is about ``kept``, whatever was said of it."""
    content = {"browser": browser, "kept": _written(replace(kept, said=""))}
    return signing.TimestampSigner(salt=_SALT).sign(sms.seal(content).decode())


def of_token(token: str, browser: str) -> Kept | None:
    """What a form is about; None if its token is forged, too old, or of another browser."""
    try:
        sealed = signing.TimestampSigner(salt=_SALT).unsign(token, max_age=MAX_LIFETIME)
        content = sms.unseal(sealed.encode())
        kept = Kept(**content["kept"])
    except (signing.BadSignature, sms.Unsealable, TypeError):  # TypeError: of another version
        return None
    return kept if constant_time_compare(content["browser"], browser) else None


def of_form(request: HttpRequest) -> Kept | None:
    """What a form of the pages is about."""
    if FIELD not in request.POST:  # as in a project's own template: then it is what the cookie says
        return of_cookie(request)
    return of_token(request.POST[FIELD], browser(request))


def browser(request: HttpRequest) -> str:
    """What tells this browser from others. It is no secret."""
    get_token(request)  # makes the secret and sets its cookie where there is none
    return salted_hmac(_SALT, request.META["CSRF_COOKIE"], algorithm="sha256").hexdigest()


def find(browser: str, e164: str, purpose: str, session: str) -> Verification | None:
    """The live verification of a phone that this browser started in that session, or ("") in none.

    Raises ``StoreUnavailable``.
    """
    live = store.live(phones=digests.of_phone(e164, purpose))
    if live.session != session:
        return None
    try:
        holder = sms.unseal(live.envelope.encode()).get("holder", "")
    except sms.Unsealable:  # or nothing lives
        return None
    if not constant_time_compare(holder, browser):
        return None
    found = services.status(live.id)
    return found if found.status == "pending" else None
