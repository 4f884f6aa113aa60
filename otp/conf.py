"""The settings of this package, each with its default, read from Django at the time of use."""

from __future__ import annotations

from collections.abc import Mapping

from sms.conf import DECLARED, TEXT, Setting, cached, default, get, phone_secrets

__all__ = ["cached", "default", "get", "phone_secrets"]

DECLARED |= {
    # purpose → its rules; see otp.purposes.Purpose for the options and their defaults.
    "OTP_PURPOSES": Setting({"login": {}, "signup": {}, "payment": {}}),
    # The hosted pages: "sessions" (only for users whom a program sends there), "open" to everybody, or "off".
    "PAGES": Setting("sessions"),
    # The name of the site in the SMS.
    "OTP_SITE_NAME": Setting("Otpost", TEXT, "a text"),
    # The file of the logo, and the colour (#rrggbb), of the hosted pages; see otp.pages.brand.
    "OTP_SITE_LOGO": Setting("", str, "a text with the path of a file"),
    "OTP_SITE_COLOR": Setting("", str, "a text such as #175a4b"),
    # subject → figures, or all as one text; see otp.admission.limits.
    "OTP_LIMITS": Setting(
        {"phone": "5/10m,10/1d", "ip": "20/10m", "phone-ip": "7/1d", "all": "1000/1h+1000"}
    ),
    # The same for wrong guesses.
    "OTP_GUESS_LIMITS": Setting({"ip": "20/1h,60/1d", "key": "1000/1h"}),
    # E.164 → its code; and until when these numbers work. See otp.admission.testnumbers.
    "TEST_NUMBERS": Setting({}),
    "TEST_NUMBERS_UNTIL": Setting("", str, "a text with a date or a time, such as 2026-12-31"),
    # Dotted path of a function that is called before a code is sent; see otp.admission.judges.
    "OTP_CHALLENGE": Setting("", str, "the dotted path of a function, such as shop.captcha"),
    # alias → our numbers to which users may send codes, with | between them; see otp.inbound.
    "OTP_REVERSE": Setting({}, Mapping, 'a dict such as {"main": "+12025550100"}', str),
    # Changes to the defaults of otp.challenges.altcha.Figures.
    "OTP_ALTCHA": Setting({}, Mapping, 'a dict such as {"hot": 0.8}'),
    # alias → URL of a vendor that looks up a number before a code goes there; see otp.lookups.
    "OTP_LOOKUPS": Setting({}, Mapping, 'a dict such as {"twilio": "twilio-lookup://…"}', str),
    # {name: [sha256-hex, …]}: who may use the HTTP API.
    "API_KEYS": Setting({}, Mapping, 'a dict such as {"shop": ["sha256-hex"]}', (list, tuple)),
    # {name: otp.api.access.Access}: the rights of a key. A name without an entry has its DEFAULT.
    "API_ACCESS": Setting({}),
    # name → the secret with which it signs its calls; see otp.hooks.settings.
    "HOOKS": Setting({}, Mapping, 'a dict such as {"supabase": "v1,whsec_…"}', str),
    # Addresses or networks whose X-Forwarded-For is trusted.
    "TRUSTED_PROXIES": Setting(
        [], (list, tuple, set, frozenset), 'a list such as ["127.0.0.1", "10.0.0.0/8"]', str
    ),
    # The pumping guard, see otp.guard: "off", "shadow" (reports, but refuses nothing) or "enforce".
    "GUARD_MODE": Setting("shadow"),
    # Countries ("DE") and prefixes ("+4477") without caps.
    "GUARD_ALLOW": Setting([]),
    # country or "default" → price of an SMS there, all in one currency.
    "GUARD_PRICES": Setting({}),
    # The most to spend a day (UTC), in the same currency; 0: no limit.
    "GUARD_BUDGET": Setting(0),
    # Changes to the defaults of otp.guard.settings.Figures.
    "GUARD_FIGURES": Setting({}),
}
