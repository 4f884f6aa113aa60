"""``OTP_LIMITS``: how many SMS may be asked for, and ``OTP_GUESS_LIMITS``: how many guesses may be wrong.

    phone=5/10m,10/1d       at most 5 in any 10 minutes and 10 in any day to one phone
    ip=20/10m               … from one address of an end user (IPv6: from one /64, and 5 times as
                            many from one /48)
    phone-ip=7/1d           … to one phone from one address
    all=50/1s+200           50 a second on average, in bursts of at most 200, over everything
    +4477=1000/1h           … to numbers with this prefix

Separate rules by ``;``, and the figures of one rule by ``,``. A rule counts by ``phone``, ``ip``,
``country`` (all numbers without a country count as one country), ``purpose``, ``key`` (the API key's name),
``all``, a prefix, or several of these joined by ``-``. A rule applies only if its subject is known: without
an address, rules by ``ip`` are skipped.

The script that issues the code checks every rule first. Refused requests are not counted.

``OTP_GUESS_LIMITS`` has the same grammar for wrong guesses, at any phone, by ``ip``, ``key`` and ``all``.
``lua/verify.lua`` checks it before it compares. A wrong guess counts; a right one takes back the count of one
wrong guess. The names of these rules begin with ``guess-``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from otp import codes, conf
from otp.admission import rules
from otp.admission.rules import PERSONAL, Rule
from otp.caller import Caller, network, subscriber
from otp.names import LIMIT, key
from sms import emails
from sms.phone import Phone

#: The country of numbers that have none, such as +882: ITU's "world".
NO_COUNTRY = "001"

#: An IPv6 /48 gets this many times what one /64 gets. It holds 65,536 of them: one customer may own all, or a
#: mobile network may share one among many people.
NETWORK_SHARE = 5


@dataclass(frozen=True, slots=True)
class Counted:
    """The limits that one SMS, or one wrong guess, counts towards: as rules, and as limits.lua takes them."""

    rules: tuple[Rule, ...] = ()
    limits: tuple[dict[str, Any], ...] = ()


NOTHING = Counted()


@conf.cached
def _rules(setting: str) -> tuple[Rule, ...]:
    """The rules of ``OTP_LIMITS`` or ``OTP_GUESS_LIMITS``. Raises ``ImproperlyConfigured``."""
    return rules.read(setting, conf.get(setting))


all_rules, guess_rules = partial(_rules, "OTP_LIMITS"), partial(_rules, "OTP_GUESS_LIMITS")


def of_key(caller: Caller) -> Counted:
    """Only the API key's own rules: for an SMS that carries no code."""
    return _counted(rules.of_key(caller.limits), {"key": caller.name})


def of_sms(number: Phone, purpose: str, caller: Caller, email: str = "") -> Counted:
    """The limits for one SMS. Raises ``ImproperlyConfigured``.

    ``email``: an address that may get the code as well. It counts like its owner's phone.
    """
    known = {"phone": number.e164, "country": number.country or NO_COUNTRY, "purpose": purpose}
    known |= _known(caller)
    wanted = (*all_rules(), *rules.of_key(caller.limits))
    counted = _counted(wanted, known)
    if not email or number.is_email:
        return counted
    of_phones = [rule for rule in wanted if "phone" in rule.subjects]
    more = _counted(of_phones, known | {"phone": emails.identity(email)})
    return Counted(counted.rules + more.rules, counted.limits + more.limits)


def of_guess(caller: Caller) -> Counted:
    """The limits for one wrong guess. Raises ``ImproperlyConfigured``."""
    return _counted(guess_rules(), _known(caller))


def _known(caller: Caller) -> dict[str, str]:
    """The caller's subjects: address, the IPv6 network around it, and API key."""
    known = {"ip": "", "network": "", "key": caller.name, "all": "all"}
    if caller.ip:
        known |= {"ip": subscriber(caller.ip), "network": network(caller.ip)}
    return known


def _counted(wanted: Iterable[Rule], known: Mapping[str, str]) -> Counted:
    found: dict[str, Rule] = {}  # by key: a rule in both settings counts an SMS once
    digests: dict[tuple[str, ...], str] = {}  # by subjects, so that rules with the same ones share a digest
    for rule in wanted:
        if rule.name[0] == "+":
            if known["phone"].startswith(rule.name):
                found[_key(rule, (rule.name,), digests)] = rule
            continue
        subjects = tuple(map(known.__getitem__, rule.subjects))
        if "ip" in rule.subjects and known["network"]:
            around = tuple(known["network" if name == "ip" else name] for name in rule.subjects)
            if all(around):
                wider = _of_a_network(rule)
                found[_key(wider, around, digests)] = wider
            if "phone" in rule.subjects:
                continue  # a /48 gets the same as a /64: few people ask for one phone
        if all(subjects):  # otherwise a subject is unknown
            found[_key(rule, subjects, digests)] = rule
    return Counted(tuple(found.values()), tuple({"key": key, **rule.in_lua} for key, rule in found.items()))


def _key(rule: Rule, subjects: tuple[str, ...], digests: dict[tuple[str, ...], str]) -> str:
    """The key that counts these subjects. Personal and joined subjects are digested."""
    of = subjects[0]
    if len(subjects) > 1 or rule.subjects[0] in PERSONAL:
        if subjects not in digests:
            digests[subjects] = codes.digest(conf.phone_secrets()[0], "limit", *subjects)
        of = digests[subjects]
    # Windows and rates keep different values, so the figures are part of the key.
    return key(f"{LIMIT}{rule.name}:{rule.figures}:{of}")


@lru_cache(maxsize=64)
def _of_a_network(rule: Rule) -> Rule:
    if "phone" in rule.subjects:
        return rule
    return replace(rule, most=rule.most * NETWORK_SHARE, at_once=rule.at_once * NETWORK_SHARE)
