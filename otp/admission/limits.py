"""How many SMS may be asked for, and for whom: the setting ``OTP_LIMITS``. How many wrong guesses: see below.

    phone=5/10m,10/1d       at most 5 in any 10 minutes and 10 in any day to one phone
    ip=20/10m               … from one address of an end user (IPv6: from one /64, and 5 times as
                            many from one /48)
    phone-ip=7/1d           … to one phone from one address
    all=50/1s+200           50 a second on average, at most 200 in a bunch, in the whole
    +4477=1000/1h           … to numbers that begin so

Rules are separated by ``;``, the figures of one rule by ``,``. What is counted: ``phone``, ``ip``,
``country`` (one for all numbers of none), ``purpose``, ``key`` (the API key's name), ``all``, a prefix, or
several joined by ``-``. A rule without its subject does not apply: no address, no rule by address.

The script that issues the code checks and counts all of them or none: what is refused is not counted.

``OTP_GUESS_LIMITS`` limits wrong guesses alike, at whatever phones, by ``ip``, ``key`` and ``all``.
``lua/verify.lua`` asks before it compares, counts a wrong guess, and takes one back for a right one. The
names of these rules begin with ``guess-``.
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

#: What stands for the country of numbers that have none, such as +882: ITU's "world".
NO_COUNTRY = "001"

#: A /48 of IPv6 holds 65,536 of /64. One customer may have all of them, and a mobile network may share one
#: among many people, so it gets so many times what one /64 gets.
NETWORK_SHARE = 5


@dataclass(frozen=True, slots=True)
class Counted:
    """What one SMS, or one wrong guess, counts towards: rules, and each as limits.lua wants it."""

    rules: tuple[Rule, ...] = ()
    limits: tuple[dict[str, Any], ...] = ()


NOTHING = Counted()


@conf.cached
def _rules(setting: str) -> tuple[Rule, ...]:
    """The rules of ``OTP_LIMITS`` or ``OTP_GUESS_LIMITS``. Raises ``ImproperlyConfigured``."""
    return rules.read(setting, conf.get(setting))


all_rules, guess_rules = partial(_rules, "OTP_LIMITS"), partial(_rules, "OTP_GUESS_LIMITS")


def of_key(caller: Caller) -> Counted:
    """The own rules of an API key alone, for an SMS that is no code."""
    return _counted(rules.of_key(caller.limits), {"key": caller.name})


def of_sms(number: Phone, purpose: str, caller: Caller, email: str = "") -> Counted:
    """The rules for one SMS, and where each is counted. Raises ``ImproperlyConfigured``.

    ``email``: an address that may have it too. It counts where its owner's phone would.
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
    """The rules for one wrong guess, and where each is counted. Raises ``ImproperlyConfigured``."""
    return _counted(guess_rules(), _known(caller))


def _known(caller: Caller) -> dict[str, str]:
    """What can be counted of a caller; of IPv6 the network around the address too."""
    known = {"ip": "", "network": "", "key": caller.name, "all": "all"}
    if caller.ip:
        known |= {"ip": subscriber(caller.ip), "network": network(caller.ip)}
    return known


def _counted(wanted: Iterable[Rule], known: Mapping[str, str]) -> Counted:
    found: dict[str, Rule] = {}  # by key: a rule that stands in two settings counts an SMS once
    digests: dict[tuple[str, ...], str] = {}  # by what they stand for: rules that count the same share one
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
                continue  # the same figures for the /48 as for the /64: few people ask for one phone
        if all(subjects):  # a rule without its subject does not apply
            found[_key(rule, subjects, digests)] = rule
    return Counted(tuple(found.values()), tuple({"key": key, **rule.in_lua} for key, rule in found.items()))


def _key(rule: Rule, subjects: tuple[str, ...], digests: dict[tuple[str, ...], str]) -> str:
    """The key of a rule's count for these subjects. Personal subjects, and several together, are a digest."""
    of = subjects[0]
    if len(subjects) > 1 or rule.subjects[0] in PERSONAL:
        if subjects not in digests:
            digests[subjects] = codes.digest(conf.phone_secrets()[0], "limit", *subjects)
        of = digests[subjects]
    # A window and a rate keep different things: all figures are part of the key.
    return key(f"{LIMIT}{rule.name}:{rule.figures}:{of}")


@lru_cache(maxsize=64)
def _of_a_network(rule: Rule) -> Rule:
    if "phone" in rule.subjects:
        return rule
    return replace(rule, most=rule.most * NETWORK_SHARE, at_once=rule.at_once * NETWORK_SHARE)
