"""``Authorization: Bearer KEY`` for operations: ``auth=ApiKey("messages")``."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security.http import HttpAuthBase

from sms import auth


class Forbidden(HttpError):
    """A valid key may not do this. Every NinjaAPI answers this error with 403."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(403, detail)
        self.code = code


class ApiKey(HttpAuthBase):
    """Requires a key with one of ``scopes``. Without scopes, it refuses every key."""

    openapi_scheme = "bearer"

    def __init__(self, *scopes: str) -> None:
        super().__init__()
        self.scopes = scopes

    def __call__(self, request: HttpRequest) -> object | None:
        """See ``sms.auth.Keeper.holder``, which is also called for a missing key."""
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        token = token if scheme.lower() == self.openapi_scheme else ""
        return auth.keeper().holder(request, token, self.scopes)
