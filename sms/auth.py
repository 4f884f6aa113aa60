"""Who may call the operations of ``sms.views`` over HTTP: nobody, until an app says who knows the keys.

``otp`` does so with ``entrust("otp.api.auth.keeper")``. The operations ask by themselves, so that they are as
closed in the API of another project as in ours. Nothing here needs HTTP: ``sms.bearer`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from django.http import HttpRequest


class Keeper:
    """Knows the API keys: this one none, until somebody is entrusted with them."""

    def holder(self, request: HttpRequest, token: str, scopes: Sequence[str]) -> object | None:
        """Who has the key ``token``, or None. Raises ``bearer.Forbidden`` if it has none of ``scopes``."""
        return None

    def denied(self, request: HttpRequest, reason: str) -> None:
        """Tell the operator of a request without a right secret where no key is asked for."""

    def name(self, holder: object) -> str:
        """The name of the key of ``holder``."""
        return ""

    def sees(self, holder: object, purpose: str) -> bool:
        """Whether ``holder`` may see messages with codes for ``purpose``; "": those without a code."""
        return False

    def count_message(self, holder: object) -> None:
        """Count a message that ``holder`` asks for. Raises, for ``sms.problems``, if it may not be sent."""


_path = ""


def entrust(path: str) -> None:
    """Let the ``Keeper`` at this dotted path decide; it is imported when the first request comes."""
    global _path
    _path = path


def keeper() -> Keeper:
    """Who decides."""
    return import_string(_path) if _path else Keeper()
