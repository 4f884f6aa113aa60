"""Checks of the settings of ``otp``, besides those of OTP_PURPOSES.

``readable`` makes a check of a function that reads a setting and raises ``ImproperlyConfigured``. ``check``
registers a function that yields a text for each fault.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

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
from sms.checks import check, readable

#: Characters of each secret.
MIN_SECRET = 32

#: Characters of OTP_SITE_NAME. An SMS has room for more, but nobody reads it.
MAX_NAME = 100

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
