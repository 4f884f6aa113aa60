"""Who may call the operations of ``sms.views``. No one, until an app names a ``Keeper`` that knows the keys.

``otp`` does so by ``entrust("otp.api.auth.keeper")``. The operations themselves ask the keeper, so they are
closed in the API of any project. This module imports nothing of HTTP; ``sms.bearer`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from django.http import HttpRequest


class Keeper:
    """Knows the API keys. This default knows none."""

    def holder(self, request: HttpRequest, token: str, scopes: Sequence[str]) -> object | None:
        """The holder of the key ``token``, or None. Raises ``bearer.Forbidden`` without one of ``scopes``."""
        return None

    def denied(self, request: HttpRequest, reason: str) -> None:
        """Alert the operator about a request with a wrong secret to a URL that takes no API key."""

    def name(self, holder: object) -> str:
        """The name of the key of ``holder``."""
        return ""

    def sees(self, holder: object, purpose: str) -> bool:
        """Whether ``holder`` may see messages with codes for ``purpose``, or, if "", those without a code."""
        return False

    def count_message(self, holder: object) -> None:
        """Count a message of ``holder``.

        If the message may not be sent, it raises an error that ``sms.problems`` answers.
        """


_path = ""


def entrust(path: str) -> None:
    """Use the ``Keeper`` at this dotted path. It is imported at the first request."""
    global _path
    _path = path


def keeper() -> Keeper:
    """The keeper that decides."""
    return import_string(_path) if _path else Keeper()
