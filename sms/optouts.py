"""Opt-outs: a list for each alias of the numbers that want no more messages.

An opt-out holds for an alias with all its senders. A plain message is refused if its number has opted out of
every alias of its route (send.lua). If it has opted out of some, those are skipped, even if that happens
while the message waits (choose.lua). Codes, in the queue ``otp``, are still sent, because their users have
just asked for them. They only fail if the vendor itself refuses them because of an opt-out.

A list holds keyed digests of numbers and nothing else. Their key is derived from PHONE_SECRET_KEY, because
SMS_SEAL_KEYS change more often. After a change the digests cannot be computed again without the numbers. So
SMS_OPTOUT_KEYS keeps the former values of PHONE_SECRET_KEY, and all of them are tried.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import structlog
from django.core.exceptions import ImproperlyConfigured

from sms import conf, digests, names, stand_in
from sms.errors import Unavailable
from sms.scripts import client
from sms.steps import script

log = structlog.get_logger("sms")

#: Milliseconds that an opt-out is kept after the last STOP: five years, as long as telemarketers in the US
#: keep their records of consent (16 CFR 310.5).
KEPT = 5 * 365 * 24 * 3_600_000

#: How many numbers are put on a list in one step.
AT_ONCE = 500

_OPT_OUT = script("opt_out")


class Mark(NamedTuple):
    """A number's mark on a list: the name of a secret key, and the digest made with it."""

    key: str
    digest: str


class Count(NamedTuple):
    """How many numbers opted out of an alias, and how many more under a key that we no longer have."""

    asked: int
    lost: int


def marks(e164: str) -> list[Mark]:
    """The marks of a number, the newest key first. Without a PHONE_SECRET_KEY none: nobody can opt out."""
    return [Mark(name, digests.digest(key, e164)[:16].hex()) for name, key in _keys()]


def add(alias: str, numbers: Iterable[str]) -> int:
    """Record that these numbers (E.164) opted out of ``alias``. Returns how many had not opted out before.

    Raises ``Unavailable``.
    """
    found, added = [newest(e164) for e164 in numbers], 0
    for begin in range(0, len(found), AT_ONCE):
        some = found[begin : begin + AT_ONCE]
        args = {"list": _list(alias, some[0].key), "digests": [mark.digest for mark in some], "kept": KEPT}
        added += _OPT_OUT.ask((), args, server=stand_in.first())["added"]
    return added


def remove(alias: str, e164: str) -> bool:
    """Forget that a number opted out of ``alias``. Returns whether it had. Raises ``Unavailable``."""
    with client(server=stand_in.first()) as redis:
        pipe = redis.pipeline()
        for key, digest in marks(e164):
            pipe.zrem(_list(alias, key), digest)
        return any(pipe.execute())


def newest(e164: str) -> Mark:
    """The mark under the current key. Raises ``ImproperlyConfigured`` without one."""
    found = marks(e164)
    if not found:
        raise ImproperlyConfigured(
            "PHONE_SECRET_KEY is empty, and opt-outs need it. "
            "`manage.py secrets PHONE_SECRET_KEY` prints one."
        )
    return found[0]


def reported(alias: str, e164: str, **told: str) -> None:
    """Record that the vendor of ``alias`` refused a message because its number opted out there. Never raises:
    the message ends as refused in any case.

    ``told``: further fields for the log, such as ``message_id``.
    """
    try:
        add(alias, [e164])
    except (ImproperlyConfigured, Unavailable) as error:
        log.error("optout_forgotten", alias=alias, error=type(error).__name__, **told)
    else:
        log.warning("opted_out", alias=alias, by="provider", **told)


def counts() -> dict[str, Count]:
    """How many have opted out, by alias. Raises ``Unavailable``."""
    known, found = {name for name, _ in _keys()}, dict[str, Count]()
    begin = names.key(names.OPTOUTS)
    with client(server=stand_in.first()) as redis:
        now = redis.time()[0] * 1000
        for key in sorted(redis.scan_iter(f"{begin}*", count=1000)):
            alias, _, name = key.decode().removeprefix(begin).rpartition(":")
            asked, lost = found.get(alias, Count(0, 0))
            number = redis.zcount(key, now, "+inf")
            found[alias] = Count(asked + number, lost) if name in known else Count(asked, lost + number)
    return found


def _list(alias: str, key: str) -> str:
    return names.key(f"{names.OPTOUTS}{alias}:{key}")


@conf.cached
def _keys() -> tuple[tuple[str, bytes], ...]:
    """Name and key, of PHONE_SECRET_KEY and its former values."""
    former = (secret.encode() for secret in conf.get("SMS_OPTOUT_KEYS"))
    keys = digests.derive_all((*conf.phone_secrets(), *former), "opt-outs")
    return tuple((digests.digest(key, "name")[:4].hex(), key) for key in keys)
