"""Ask for more than a number before an SMS is paid for: the setting ``OTP_CHALLENGE``.

It is the dotted path of a function of yours, called before each first SMS of a verification. One for
Turnstile, for example, as ``OTP_CHALLENGE=shop.captcha``:

    def captcha(*, number: Phone, purpose: str, ip: str, answer: str) -> bool:
        if not answer:
            return False
        form = urlencode({"secret": SECRET, "response": answer, "remoteip": ip}).encode()
        url = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
        with urllib.request.urlopen(url, form, timeout=3) as said:
            return json.load(said)["success"] is True

``answer`` is what came as ``challenge`` with the request, "" at first. Where the function returns
False the request is answered 403 ``challenge_required``, and the caller tries again with an answer.
A resend belongs to a verification that has passed. What the function raises goes to the caller as
503: a vendor that is down must not open the door.

The hosted page hands on a form field of that name. Your widget stands in a template of yours,
config/templates/otp/phone.html (in a project of your own: otp/phone.html in ``DIRS`` of TEMPLATES):

    {% extends "otp/phone.html" %}
    {% block head %}{{ block.super }}
    <script src="https://challenges.cloudflare.com/turnstile/v0/api.js" async defer></script>{% endblock %}
    {% block challenge %}
    <div class="cf-turnstile" data-sitekey="…" data-response-field-name="challenge"></div>{% endblock %}

and ``CSP_SOURCES=https://challenges.cloudflare.com`` lets it load its script and frame. A widget whose
field has another name needs a hidden input ``challenge`` and a script of yours that copies it there.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from otp import conf
from otp.errors import NotAllowed, StoreUnavailable
from sms.phone import Phone

log = structlog.get_logger("otp")


def require(number: Phone, purpose: str, ip: str, answer: str) -> None:
    """Raise ``NotAllowed`` (``challenge_required``) unless the function is content, if there is one."""
    ask = configured()
    if ask is None:
        return
    try:
        content = ask(number=number, purpose=purpose, ip=ip, answer=answer)
    except Exception as error:  # of a function that is not ours
        # Its text may hold the number; the function itself knows best what may be logged.
        log.error("challenge_failed", error=type(error).__name__)
        raise StoreUnavailable("The challenge cannot be checked now.") from error
    if not content:
        raise NotAllowed(
            "Answer the challenge of this site, and send the answer along.",
            code="challenge_required",
            field="challenge",
        )


def configured() -> Callable[..., bool] | None:
    """The function of ``OTP_CHALLENGE``, None without one. Raises ``ImproperlyConfigured``."""
    path = conf.get("OTP_CHALLENGE")
    if not path:
        return None
    if not all(map(str.isidentifier, path.split("."))) or "." not in path:
        raise ImproperlyConfigured(
            "OTP_CHALLENGE must be the dotted path of a function, such as shop.captcha."
        )
    try:
        found = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"OTP_CHALLENGE: {error}. It is the dotted path of a function.") from None
    if not callable(found):
        raise ImproperlyConfigured(f"OTP_CHALLENGE: {path} is no function.")
    return found  # type: ignore[no-any-return]  # whatever it is, it is called
