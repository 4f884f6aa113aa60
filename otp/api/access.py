"""What the holder of an API key may do: scopes, purposes, limits of its own. No Django, no settings.

    API_ACCESS=shop=verify,read,client_ip,purpose:login,purpose:signup,600/1m;ops=read

An entry is the name of a key and its words: scopes (``verify``: start verifications, and check, resend,
cancel and read those that a key of this name started; ``messages``: send any SMS; ``read``: look at
messages and verifications, whoever started them),
``client_ip`` (may name the end user's address), ``purpose:NAME`` (only these; none: every one) and
rules of its own limits, written as in ``OTP_LIMITS``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from otp.api.keys import NAME

SCOPES = ("verify", "messages", "read")

EXAMPLE = "shop=verify,read,client_ip,purpose:login,600/1m;ops=read"


class BadAccess(ValueError):
    """API_ACCESS cannot be read; the text says what to change."""


class Denied(Exception):
    """The key of ``name`` is valid and may not do this. ``code`` is stable, the text is for people."""

    def __init__(self, code: str, detail: str, *, name: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.name = name


@dataclass(frozen=True, slots=True)
class Access:
    """What the key of ``name`` may do. The defaults are those of a name without an entry."""

    name: str
    scopes: frozenset[str] = frozenset(SCOPES)
    purposes: frozenset[str] = frozenset()  # empty: every purpose
    client_ip: bool = False
    limits: str = ""  # rules as in OTP_LIMITS, comma-separated: "600/1m,20000/1d"

    def require_scope(self, *scopes: str) -> None:
        """Raise ``Denied`` unless the key has one of ``scopes``."""
        if self.scopes.isdisjoint(scopes):
            wanted = " or ".join(scopes) or "for this"
            raise Denied("scope_missing", f"This key lacks the scope {wanted}.", name=self.name)

    def require_purpose(self, purpose: str) -> None:
        """Raise ``Denied`` unless the key may be used for ``purpose``."""
        if not self.allows(purpose):
            allowed = ", ".join(sorted(self.purposes))
            raise Denied(
                "purpose_not_allowed",
                f"This key may be used for these purposes only: {allowed}.",
                name=self.name,
            )

    def require_client_ip(self) -> None:
        """Raise ``Denied`` unless the key may say whose address a request is from."""
        if not self.client_ip:
            raise Denied(
                "client_ip_not_allowed",
                "This key may not name the end user's address. Leave it out.",
                name=self.name,
            )

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


def find(name: str, entries: Mapping[str, Access]) -> Access:
    """The access of ``name``. Without an entry it has all scopes and purposes, and nothing else."""
    return entries.get(name) or Access(name)


def faults(entries: object, names: Collection[str], purposes: Collection[str]) -> list[str]:
    """What names a key or a purpose that does not exist, each with its mend.

    Raises ``BadAccess`` for what ``parse`` would not make.
    """
    if not isinstance(entries, Mapping) or not all(isinstance(one, Access) for one in entries.values()):
        raise BadAccess(
            f'API_ACCESS is a dict of otp.api.access.Access; otp.api.access.parse("{EXAMPLE}") makes one.'
        )
    texts = []
    for name, access in entries.items():
        if name not in names:
            texts.append(
                f"API_ACCESS names {name}, which has no key in API_KEYS. Add one, or drop the entry."
            )
        for purpose in sorted(access.purposes.difference(purposes)):
            known = ", ".join(sorted(purposes))
            texts.append(f"API_ACCESS: {name} has the purpose {purpose}; OTP_PURPOSES has: {known}.")
    return texts


def _access(name: str, words: list[str]) -> Access:
    scopes, purposes, rules = set(), set(), []
    for word in words:
        kind, _, purpose = word.partition(":")
        if word in SCOPES:
            scopes.add(word)
        elif kind == "purpose" and purpose:
            purposes.add(purpose)
        elif "/" in word:
            rules.append(word)
        elif word != "client_ip":
            raise BadAccess(
                f"API_ACCESS: {name} has the word {word!r}. There are {', '.join(SCOPES)}, client_ip, "
                "purpose:NAME, and rules of limits as 600/1m."
            )
    if not scopes:
        raise BadAccess(f"API_ACCESS: {name} may do nothing. Give it one of {', '.join(SCOPES)}.")
    return Access(name, frozenset(scopes), frozenset(purposes), "client_ip" in words, ",".join(rules))
