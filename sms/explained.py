"""Where the code of a problem is explained: nowhere, until an app says that it has a page for it.

``otp`` does so with ``explain_with("otp.api.errors.address")``.
"""

from __future__ import annotations

from django.utils.module_loading import import_string

#: RFC 9457, 4.2.1: the ``type`` of a problem that its status alone describes.
BLANK = "about:blank"

_path = ""


def explain_with(path: str) -> None:
    """Let the function at this dotted path find the address; it is imported for the first problem."""
    global _path
    _path = path


def address(code: str) -> str:
    """Where ``code`` is explained: the ``type`` of its problems."""
    return (import_string(_path)(code) if _path else "") or BLANK
