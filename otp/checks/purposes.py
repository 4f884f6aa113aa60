"""Checks of OTP_PURPOSES: are the purposes possible and strong, and can their codes be sent?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from django.core.checks import Tags
from django.core.exceptions import ImproperlyConfigured

from otp import conf, inbound, purposes
from otp.purposes import MAX_LENGTH, MAX_LIFETIME, MIN_CODES, Purpose
from sms import services as sms
from sms.checks import check
from sms.message import Channel

#: Bytes of a message for Android's SMS Retriever
#: (https://developers.google.com/identity/sms-retriever/verify).
MAX_RETRIEVED = 140


@check("otp.E002", Tags.security)
def there_are_purposes() -> Iterator[str]:
    """OTP_PURPOSES must name at least one purpose, and no unknown option."""
    try:
        if not purposes.all_purposes():
            yield "OTP_PURPOSES is empty. Remove it to get the defaults login, signup and payment."
    except ImproperlyConfigured as error:
        yield str(error)


@check("otp.E003", Tags.security)
def otp_purposes() -> Iterator[str]:
    """Every purpose must be possible, and strong unless it says ``allow_weak``."""
    for purpose in purposes.all_purposes().values():
        yield from (f"OTP_PURPOSES[{purpose.name!r}]: {text}" for text in _faults(purpose))


@check("otp.E007")
def receipts_are_waited_for() -> Iterator[str]:
    """A code that waits for its receipt until it expires never reaches a second provider."""
    wait = conf.get("SMS_RECEIPT_WAIT")
    with suppress(TypeError, ValueError, OverflowError):  # another check reports what is not a number
        shortest = min(purposes.all_purposes().values(), key=lambda purpose: purpose.lifetime)
        if wait >= shortest.lifetime:
            yield (
                f"SMS_RECEIPT_WAIT is {wait:g} seconds, but a code of OTP_PURPOSES[{shortest.name!r}] lives "
                f"only {shortest.lifetime}: it would expire before the next provider gets it. Make the wait "
                "shorter."
            )


@check("otp.E015")
def codes_can_be_carried() -> Iterator[str]:
    """Every provider must be able to carry the codes of each purpose."""
    for purpose in purposes.all_purposes().values():
        if _faults(purpose):
            continue
        # Providers look at nothing but the length and the characters.
        samples = [char * purpose.length for char in purpose.alphabet]
        for provider in sms.unable_to_carry(samples):
            yield (
                f"OTP_PURPOSES[{purpose.name!r}]: {provider.name} ({provider.alias}) carries only "
                f"{provider.codes.words}, but these have {purpose.length} characters out of "
                f"{purpose.alphabet}. Change length or alphabet, or take {provider.alias} out of SMS_ROUTES."
            )


@check("otp.W002")
def autofill() -> Iterator[str]:
    """Android's User Consent API recognises only codes of a certain form."""
    for purpose in purposes.all_purposes().values():
        if not _faults(purpose) and not (purpose.alphabet.isdigit() and 4 <= purpose.length <= 10):
            yield (
                f"OTP_PURPOSES[{purpose.name!r}]: Android's User Consent API recognises only codes of 4 to "
                "10 characters with at least one digit. Codes of this purpose may have another form. Use 6 "
                "to 10 digits, or silence this check if no Android app of yours uses that API."
            )


@check("otp.W005")
def channels_have_providers() -> Iterator[str]:
    """A channel without a provider is skipped silently, so say it here."""
    there = sms.channels()
    for purpose in purposes.all_purposes().values():
        for channel in purpose.channels:
            if channel not in there:
                yield (
                    f"OTP_PURPOSES[{purpose.name!r}]: channels names {channel}, but SMS_PROVIDERS has no "
                    f"provider for it. Add one, or take {channel} out of channels."
                )


@check("otp.E018")
def reverse_has_a_number() -> Iterator[str]:
    """Reverse verification needs a number to which users send the code."""
    for purpose in purposes.all_purposes().values():
        if purpose.reverse and not inbound.numbers():
            yield (
                f"OTP_PURPOSES[{purpose.name!r}]: reverse needs a number of yours that users can text. Name "
                "it in OTP_REVERSE with the alias that receives its messages, such as main=+12025550100; or "
                "take reverse out."
            )


@check("otp.E018", Tags.security)
def reverse_names_the_site() -> Iterator[str]:
    """An SMS of bare digits would not show the user what it proves, and to whom."""
    for purpose in purposes.all_purposes().values():
        if purpose.reverse and not inbound.has_name():
            yield (
                f"OTP_PURPOSES[{purpose.name!r}]: with reverse, the SMS that a user sends must name your "
                "site. Set OTP_SITE_NAME to a name that has a letter, or take reverse out."
            )


@check("otp.W006", Tags.security)
def email_is_no_second_factor() -> Iterator[str]:
    """NIST SP 800-63B-4 §3.1.3.1 forbids e-mail for out-of-band authentication: a mailbox is not a device."""
    for purpose in purposes.all_purposes().values():
        if Channel.EMAIL in purpose.channels:
            yield (
                f"OTP_PURPOSES[{purpose.name!r}]: channels names email, which NIST SP 800-63B-4 (§3.1.3.1) "
                "does not allow for out-of-band authentication. Take it out. If the code only proves an "
                "address and logs nobody in, add otp.W006 to SILENCED_SYSTEM_CHECKS."
            )


def _faults(purpose: Purpose) -> list[str]:
    numbers = [purpose.length, purpose.lifetime, purpose.attempts, *purpose.cooldown]
    if not all(type(number) is int and number > 0 for number in numbers) or not purpose.cooldown:
        return ["length, lifetime, attempts and cooldown must be whole numbers above 0."]
    if purpose.length > MAX_LENGTH:
        return [f"length is over {MAX_LENGTH}. Nobody types such a code; lower it."]
    faults, alphabet = [], purpose.alphabet
    if len(set(alphabet)) != len(alphabet) or not alphabet.isascii() or not alphabet.isalnum():
        faults.append("alphabet must hold ASCII letters and digits, each once.")
    if alphabet != alphabet.upper():
        faults.append("write alphabet in capitals. Users may type either case.")
    if purpose.codes < MIN_CODES and not purpose.allow_weak:
        faults.append(
            f"{purpose.codes:,} possible codes are under 20 bits (ASVS 5.0, 6.5.4: six digits). "
            "Raise length, or set allow_weak=True."
        )
    if purpose.lifetime > MAX_LIFETIME and not purpose.allow_weak:
        faults.append(
            f"lifetime {purpose.lifetime} s is over {MAX_LIFETIME} s (NIST SP 800-63B-4, ASVS 5.0, 6.5.5). "
            "Lower it, or set allow_weak=True."
        )
    for locale, text in purpose.text.items():
        faults += [f"text[{locale!r}] {fault}" for fault in _faults_of_text(text)]
    if purpose.app_hash and not faults:
        faults += _app_faults(purpose)
    return faults


def _faults_of_text(text: str) -> Iterator[str]:
    try:
        if "123" not in text.format(code="123", site="", minutes=""):
            yield "must hold {code}."
    except (AttributeError, LookupError, TypeError, ValueError):
        yield "may hold {code}, {site} and {minutes}, and nothing else in braces."
    if any(unicodedata.category(char) == "Cc" and char != "\n" for char in text):
        yield "holds a control character, which an SMS cannot carry."


def _app_faults(purpose: Purpose) -> Iterator[str]:
    if not re.fullmatch(r"[A-Za-z0-9+/]{11}", purpose.app_hash):
        yield (
            "app_hash must have 11 characters of base64, such as FA+9qCX9VSu. Google explains how to compute "
            "it: https://developers.google.com/identity/sms-retriever/verify"
        )
        return
    code, site = purpose.alphabet[0] * purpose.length, conf.get("OTP_SITE_NAME")
    host = urlsplit(conf.get("PUBLIC_URL")).hostname or "localhost"
    for locale in purpose.texts:
        text = purpose.render(code, lives=purpose.lifetime, site=site, host=host, locale=locale)
        if (over := len(text.encode()) - MAX_RETRIEVED) > 0:
            yield (
                f"text[{locale!r}] makes an SMS of {MAX_RETRIEVED + over} bytes. With app_hash, at most "
                f"{MAX_RETRIEVED} are allowed. Shorten it by {over}."
            )
