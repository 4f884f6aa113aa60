"""Who may call the operations of ``sms.views`` over HTTP: nobody, until an app says who knows the keys.

``otp`` does so with ``entrust("otp.api.auth.keeper")``. The operations ask by themselves, so that they are as
closed in the API of another project as in ours. Nothing here needs HTTP: ``sms.bearer`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from django.http import HttpRequest


class Keeper(Protocol):
    """Knows the API keys."""

    def holder(self, request: HttpRequest, token: str, scopes: Sequence[str]) -> object | None:
        """Whoever has the key ``token``, None if nobody has. Raises ``sms.bearer.Forbidden`` where it
        has none of ``scopes``.
        """

    def count_message(self, holder: object) -> None:
        """Count a message that ``holder`` asks for. Raises, for ``sms.problems``, if it may not be sent."""


class _Nobody:
    """Without whoever knows the keys there is none."""

    def holder(self, request: HttpRequest, token: str, scopes: Sequence[str]) -> None:
        return None

    def count_message(self, holder: object) -> None:
        return None


_path = ""
_keeper: Keeper | None = None


def entrust(path: str) -> None:
    """Let the ``Keeper`` at this dotted path decide; it is imported when the first request comes."""
    global _path, _keeper
    _path, _keeper = path, None


def keeper() -> Keeper:
    """Who decides."""
    global _keeper
    if _keeper is None:
        _keeper = import_string(_path) if _path else _Nobody()
    return _keeper
