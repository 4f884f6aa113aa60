"""The rights of an API key: scopes, purposes and limits of its own. No Django, no settings.

    API_ACCESS=shop=verify,read,client_ip,purpose:login,purpose:signup,return:https://shop.example,600/1m;ops=read

An entry has the name of a key and words. The scopes:

- ``verify``: start verifications, and check, resend, cancel and read those that a key of the same name
  started.
- ``messages``: send any SMS.
- ``read``: read all messages and verifications, and the dashboard.
- ``operate``: act on the dashboard.
- ``phone``: see the number that the user of a session has verified.

The other words:

- ``client_ip``: the key may name the IP address of the end user.
- ``own_code``: the key may supply the code to send.
- ``purpose:NAME``: only these purposes. Without any, every purpose is allowed.
- ``return:ORIGIN``: sessions of the key may send users there.
- Rules of limits for the key, written as in ``OTP_LIMITS``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from otp.api.keys import NAME

#: An origin, without the default port, as browsers write it.
_ORIGIN = re.compile(
    r"https://[a-z0-9.-]+(:(?!443$)\d+)?|http://(localhost|127\.0\.0\.1|\[::1\])(:(?!80$)\d+)?"
)

SCOPES = ("verify", "messages", "read", "operate", "phone")

#: Scopes of a key without an entry. ``operate`` must be granted explicitly: programs do not need it, and
#: whoever steals such a key could open the guard.
DEFAULT = frozenset({"verify", "messages", "read"})

EXAMPLE = "shop=verify,read,client_ip,purpose:login,600/1m;ops=read,operate"


class BadAccess(ValueError):
    """API_ACCESS is malformed. The text says what to change."""


@dataclass(eq=False)
class Denied(Exception):
    """The key of ``name`` is valid, but may not do this. ``code`` is stable, ``detail`` is for people."""

    code: str
    detail: str
    name: str


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of the key of ``name``. Without an entry it has ``DEFAULT`` and every purpose."""

    name: str
    scopes: frozenset[str] = DEFAULT
    purposes: frozenset[str] = frozenset()  # empty: every purpose
    client_ip: bool = False
    limits: str = ""  # rules as in OTP_LIMITS, comma-separated: "600/1m,20000/1d"
    returns: frozenset[str] = frozenset()  # origins to which its sessions may send users back
    own_code: bool = False

    def require_scope(self, *scopes: str) -> None:
        """Raise ``Denied`` unless the key has one of ``scopes``."""
        if self.scopes.isdisjoint(scopes):
            wanted = " or ".join(scopes) or "for this"
            raise Denied("scope_missing", f"This key lacks the scope {wanted}.", self.name)

    def require_purpose(self, purpose: str) -> None:
        """Raise ``Denied`` unless the key may be used for ``purpose``."""
        if not self.allows(purpose):
            detail = f"This key may only be used for these purposes: {', '.join(sorted(self.purposes))}."
            raise Denied("purpose_not_allowed", detail, self.name)

    def require_client_ip(self) -> None:
        """Raise ``Denied`` unless the key may name the end user's IP address."""
        if not self.client_ip:
            detail = "This key may not name the end user's IP address. Leave it out."
            raise Denied("client_ip_not_allowed", detail, self.name)

    def require_return(self, origin: str) -> None:
        """Raise ``Denied`` unless the key's sessions may send users back to ``origin``."""
        if origin not in self.returns:
            known = ", ".join(sorted(self.returns)) or "nowhere"
            detail = (
                f"Sessions of this key may return to: {known}. Add return:ORIGIN to its entry in API_ACCESS."
            )
            raise Denied("return_url_not_allowed", detail, self.name)

    def require_own_code(self) -> None:
        """Raise ``Denied`` unless the key may supply the code to send."""
        if not self.own_code:
            detail = "This key may not supply its own code. Leave it out to have one made."
            raise Denied("own_code_not_allowed", detail, self.name)

    def allows(self, purpose: str) -> bool:
        """Whether the key may be used for ``purpose``."""
        return not self.purposes or purpose in self.purposes


def parse(text: str) -> dict[str, Access]:
    """Parse ``name=word,word;name=word`` into {name: access}. Raises ``BadAccess``.

    It does not check whether names, purposes and rules exist. ``faults`` does, in the system checks.
    """
    found: dict[str, Access] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        name, separator, words = entry.partition("=")
        if not separator or not NAME.fullmatch(name):
            raise BadAccess(f"API_ACCESS must look like {EXAMPLE}.")
        if name in found:
            raise BadAccess(f"API_ACCESS names {name} twice. Put all its words into one entry.")
        found[name] = _access(name, [word.strip() for word in words.split(",")])
    return found


def _access(name: str, words: list[str]) -> Access:
    scopes = frozenset(word for word in words if word in SCOPES)
    purposes = {word for word in words if word.startswith("purpose:") and word != "purpose:"}
    returns = {word for word in words if word.startswith("return:")}
    rules = [word for word in words if "/" in word and word not in purposes | returns]
    for word in words:
        if word in returns and not _ORIGIN.fullmatch(word.removeprefix("return:")):
            raise BadAccess(
                f"API_ACCESS: {name} has {word}. After return:, write an origin without a path, such as "
                "https://shop.example."
            )
        if word not in (*scopes, *purposes, *returns, *rules, "client_ip", "own_code"):
            raise BadAccess(
                f"API_ACCESS: {name} has the word {word!r}. Use {', '.join(SCOPES)}, client_ip, own_code, "
                "purpose:NAME, return:ORIGIN, or rules of limits such as 600/1m."
            )
    if not scopes:
        raise BadAccess(f"API_ACCESS: {name} may do nothing. Give it one of {', '.join(SCOPES)}.")
    allowed = frozenset(word.removeprefix("purpose:") for word in purposes)
    origins = frozenset(word.removeprefix("return:") for word in returns)
    limits = ",".join(rules)
    return Access(name, scopes, allowed, "client_ip" in words, limits, origins, "own_code" in words)


def faults(entries: object, names: Collection[str], purposes: Collection[str]) -> Iterator[str]:
    """A text for each key or purpose that does not exist.

    Raises ``BadAccess`` for a value of another type.
    """
    if not isinstance(entries, Mapping) or not all(isinstance(one, Access) for one in entries.values()):
        raise BadAccess(
            "API_ACCESS must be a dict of otp.api.access.Access, such as "
            f'otp.api.access.parse("{EXAMPLE}") makes.'
        )
    for name, access in entries.items():
        if name not in names:
            yield f"API_ACCESS names {name}, which has no key in API_KEYS. Add one, or drop the entry."
        for purpose in sorted(access.purposes.difference(purposes)):
            known = ", ".join(sorted(purposes))
            yield f"API_ACCESS: {name} has the purpose {purpose}, but OTP_PURPOSES has: {known}."
