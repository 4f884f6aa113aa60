"""What the holder of an API key may do: scopes, purposes, limits of its own. No Django, no settings.

    API_ACCESS=shop=verify,read,client_ip,purpose:login,purpose:signup,return:https://shop.example,600/1m;ops=read

An entry is the name of a key and its words: scopes (``verify``: start verifications, and check, resend,
cancel and read those that a key of this name started; ``messages``: send any SMS; ``read``: look at
messages and verifications, whoever started them, and at the dashboard; ``operate``: act there; ``phone``: see
the number that the user of a session has verified), ``client_ip`` (may name the end user's address),
``own_code`` (may bring the code that is sent), ``purpose:NAME`` (only these; none: every one),
``return:ORIGIN`` (its sessions may send users there) and rules of its own limits, written as in
``OTP_LIMITS``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from otp.api.keys import NAME

#: What a browser calls the origin of an address, with its usual port left out.
_ORIGIN = re.compile(
    r"https://[a-z0-9.-]+(:(?!443$)\d+)?|http://(localhost|127\.0\.0\.1|\[::1\])(:(?!80$)\d+)?"
)

SCOPES = ("verify", "messages", "read", "operate", "phone")

#: What a key may do whose name has no entry. A program has no use for ``operate``, and whoever steals its key
#: could open the guard with it: so that has to be asked for.
DEFAULT = frozenset({"verify", "messages", "read"})

EXAMPLE = "shop=verify,read,client_ip,purpose:login,600/1m;ops=read,operate"


class BadAccess(ValueError):
    """API_ACCESS cannot be read; the text says what to change."""


@dataclass(eq=False)
class Denied(Exception):
    """The key of ``name`` is valid and may not do this. ``code`` is stable, ``detail`` is for people."""

    code: str
    detail: str
    name: str


@dataclass(frozen=True, slots=True)
class Access:
    """What the key of ``name`` may do. Without an entry it has ``DEFAULT`` and every purpose."""

    name: str
    scopes: frozenset[str] = DEFAULT
    purposes: frozenset[str] = frozenset()  # empty: every purpose
    client_ip: bool = False
    limits: str = ""  # rules as in OTP_LIMITS, comma-separated: "600/1m,20000/1d"
    returns: frozenset[str] = frozenset()  # origins that its sessions may send users back to
    own_code: bool = False

    def require_scope(self, *scopes: str) -> None:
        """Raise ``Denied`` unless the key has one of ``scopes``."""
        if self.scopes.isdisjoint(scopes):
            wanted = " or ".join(scopes) or "for this"
            raise Denied("scope_missing", f"This key lacks the scope {wanted}.", self.name)

    def require_purpose(self, purpose: str) -> None:
        """Raise ``Denied`` unless the key may be used for ``purpose``."""
        if not self.allows(purpose):
            detail = f"This key may be used for these purposes only: {', '.join(sorted(self.purposes))}."
            raise Denied("purpose_not_allowed", detail, self.name)

    def require_client_ip(self) -> None:
        """Raise ``Denied`` unless the key may say whose address a request is from."""
        if not self.client_ip:
            detail = "This key may not name the end user's address. Leave it out."
            raise Denied("client_ip_not_allowed", detail, self.name)

    def require_return(self, origin: str) -> None:
        """Raise ``Denied`` unless the key's sessions may send users back to ``origin``."""
        if origin not in self.returns:
            known = ", ".join(sorted(self.returns)) or "nowhere"
            detail = (
                f"Sessions of this key lead back to: {known}. Add return:ORIGIN to its entry in API_ACCESS."
            )
            raise Denied("return_url_not_allowed", detail, self.name)

    def require_own_code(self) -> None:
        """Raise ``Denied`` unless the key may bring the code that is sent."""
        if not self.own_code:
            detail = "This key may not bring a code of its own. Leave it out, and one is made."
            raise Denied("own_code_not_allowed", detail, self.name)

    def allows(self, purpose: str) -> bool:
        """Whether the key may be used for ``purpose``."""
        return not self.purposes or purpose in self.purposes


def parse(text: str) -> dict[str, Access]:
    """``name=word,word;name=word`` → {name: access}. Raises ``BadAccess``.

    Whether the names, purposes and rules exist is for the system checks: see ``faults``.
    """
    found: dict[str, Access] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        name, separator, words = entry.partition("=")
        if not separator or not NAME.fullmatch(name):
            raise BadAccess(f"API_ACCESS must look like {EXAMPLE}.")
        if name in found:
            raise BadAccess(f"API_ACCESS names {name} twice. Put all of its words into one entry.")
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
                f"API_ACCESS: {name} has {word}. Write an origin behind return:, as https://shop.example, "
                "without a path."
            )
        if word not in (*scopes, *purposes, *returns, *rules, "client_ip", "own_code"):
            raise BadAccess(
                f"API_ACCESS: {name} has the word {word!r}. There are {', '.join(SCOPES)}, client_ip, "
                "own_code, purpose:NAME, return:ORIGIN, and rules of limits as 600/1m."
            )
    if not scopes:
        raise BadAccess(f"API_ACCESS: {name} may do nothing. Give it one of {', '.join(SCOPES)}.")
    allowed = frozenset(word.removeprefix("purpose:") for word in purposes)
    origins = frozenset(word.removeprefix("return:") for word in returns)
    limits = ",".join(rules)
    return Access(name, scopes, allowed, "client_ip" in words, limits, origins, "own_code" in words)


def faults(entries: object, names: Collection[str], purposes: Collection[str]) -> Iterator[str]:
    """Keys and purposes that do not exist, with the mend. Raises ``BadAccess`` for what is no ``Access``."""
    if not isinstance(entries, Mapping) or not all(isinstance(one, Access) for one in entries.values()):
        raise BadAccess(
            f'API_ACCESS is a dict of otp.api.access.Access; otp.api.access.parse("{EXAMPLE}") makes one.'
        )
    for name, access in entries.items():
        if name not in names:
            yield f"API_ACCESS names {name}, which has no key in API_KEYS. Add one, or drop the entry."
        for purpose in sorted(access.purposes.difference(purposes)):
            known = ", ".join(sorted(purposes))
            yield f"API_ACCESS: {name} has the purpose {purpose}; OTP_PURPOSES has: {known}."
