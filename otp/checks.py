"""System checks of the settings of ``otp``. Each message names the setting, the fault and the fix.

``readable`` makes a check of a function that reads a setting and raises ``ImproperlyConfigured``. ``check``
registers a function that yields a text for each fault.
"""

from __future__ import annotations

import http.cookies
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from django.core.checks import Tags
from django.core.exceptions import ImproperlyConfigured

from otp import caller, conf, inbound, purposes
from otp.admission import judges, limits, testnumbers
from otp.api import access
from otp.caller import Caller
from otp.challenges import altcha
from otp.hooks import settings as hooks
from otp.lookups import settings as lookups
from otp.pages import brand
from otp.purposes import MAX_LENGTH, MAX_LIFETIME, MIN_CODES, Purpose
from sms import services as sms
from sms.checks import check, readable
from sms.message import Channel

#: Characters of each secret.
MIN_SECRET = 32

#: Characters of OTP_SITE_NAME. An SMS has room for more, but nobody reads it.
MAX_NAME = 100

#: Bytes of a message for Android's SMS Retriever
#: (https://developers.google.com/identity/sms-retriever/verify).
MAX_RETRIEVED = 140

otp_limits = readable("otp.E004", limits.all_rules)
guess_limits = readable("otp.E004", limits.guess_rules)
test_numbers = readable("otp.E005", testnumbers.check, Tags.security)
challenge = readable("otp.E006", judges.challenge)
puzzle = readable("otp.E006", altcha.figures)
number_lookups = readable("otp.E014", lookups.configured)
reverse_numbers = readable("otp.E017", inbound.numbers, Tags.security)
hook_secrets = readable("otp.E016", hooks.configured, Tags.security)
logo_and_colour = readable("otp.E019", brand.configured)
trusted_proxies = readable("otp.E011", caller.trusted_proxies, Tags.security)


@check("otp.E001", Tags.security)
def phone_secret_key() -> Iterator[str]:
    """A weak secret makes the digests of phones and codes as good as clear text."""
    newest, older = conf.get("PHONE_SECRET_KEY"), conf.get("PHONE_SECRET_KEY_FALLBACKS")
    secrets = {"PHONE_SECRET_KEY": [newest], "PHONE_SECRET_KEY_FALLBACKS": older}
    for name, values in (secrets | {"SMS_OPTOUT_KEYS": conf.get("SMS_OPTOUT_KEYS")}).items():
        if any(len(value) < MIN_SECRET or len(set(value)) < 8 for value in values):
            yield (
                f"{name} must be random and have at least {MIN_SECRET} characters. "
                "`manage.py secrets PHONE_SECRET_KEY` prints one."
            )


def mended_python() -> str:
    """The version to upgrade to if this Python reads cookies in quadratic time; else ""."""
    fixed = (3, 12, 6) if sys.version_info >= (3, 12) else (3, 11, 10)
    # Distributions backport the fix to earlier versions; this function came with it.
    if sys.version_info >= fixed or hasattr(http.cookies, "_unquote_replace"):
        return ""
    return ".".join(map(str, fixed))


@check("otp.W003", Tags.security, deploy=True)
def cookies_of_this_python() -> Iterator[str]:
    """CVE-2024-7592: four kilobytes of backslashes in a cookie take 30 ms to read."""
    if better := mended_python():
        yield (
            f"Python {sys.version.split()[0]} reads cookies in quadratic time (CVE-2024-7592). Otpost's own "
            "server is protected; in a project of your own a few requests a second keep a process busy. "
            f"Use {better} or newer."
        )


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
                "10 characters with at least one digit, and these may differ. Use 6 to 10 digits, or silence "
                "this check if no Android app of yours uses that API."
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


@check("otp.E013", Tags.security)
def hosted_pages() -> Iterator[str]:
    """PAGES must be one of its three words."""
    if (value := conf.get("PAGES")) not in ("sessions", "open", "off"):
        yield (
            f"PAGES is {value!r}. Write sessions to let programs hand their users to the pages, open to let "
            "everybody ask for a code at /, or off to serve only the API."
        )


@check("otp.E012")
def site_name() -> Iterator[str]:
    """OTP_SITE_NAME must fit into an SMS, or every start fails."""
    name = str(conf.get("OTP_SITE_NAME"))
    if len(name) > MAX_NAME or any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        yield f"OTP_SITE_NAME must have at most {MAX_NAME} characters and no control characters."


@check("otp.W001", Tags.security, deploy=True)
def test_numbers_are_on() -> Iterator[str]:
    """Anybody who knows a test number and its code gets in."""
    if known := testnumbers.in_force():
        yield (
            f"{len(known)} test numbers have a known code until "
            f"{conf.get('TEST_NUMBERS_UNTIL')}. Remove TEST_NUMBERS as soon as nobody needs them."
        )


@check("otp.E010", Tags.security)
def api_access() -> Iterator[str]:
    """API_ACCESS must name existing keys and purposes."""
    known, entries = purposes.all_purposes(), conf.get("API_ACCESS")
    try:
        yield from access.faults(entries, conf.get("API_KEYS"), known)
    except access.BadAccess as error:
        yield str(error)
        return
    for entry in entries.values():
        try:
            limits.of_key(Caller(entry.name, limits=entry.limits))
        except ImproperlyConfigured as error:
            yield str(error).replace("key:", f"{entry.name}:")


@check("otp.W004", Tags.security, deploy=True)
def keys_without_access() -> Iterator[str]:
    """A key without an entry in API_ACCESS may do nearly everything, usually by oversight."""
    entries = conf.get("API_ACCESS")
    names = sorted(set(conf.get("API_KEYS")).difference(entries)) if isinstance(entries, Mapping) else []
    if names:
        example = ";".join(f"{name}=verify" for name in names)
        yield (
            f"API_ACCESS has no entry for {', '.join(names)}. Without one, a key may verify for every "
            "purpose, send any SMS and read everything. Grant each key only what it needs, such as "
            f"API_ACCESS={example}."
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
