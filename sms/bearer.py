"""``Authorization: Bearer KEY`` as an operation asks for it: ``auth=ApiKey("messages")``."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security.http import HttpAuthBase

from sms import auth


class Forbidden(HttpError):
    """A valid key that may not do this, in a form that every NinjaAPI answers with 403."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(403, detail)
        self.code = code


class ApiKey(HttpAuthBase):
    """A key that has one of ``scopes``. Without scopes it opens to nobody."""

    openapi_scheme = "bearer"

    def __init__(self, *scopes: str) -> None:
        super().__init__()
        self.scopes = scopes

    def __call__(self, request: HttpRequest) -> object | None:
        """See ``sms.auth.Keeper.holder``. A missing key is asked about too."""
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        token = token if scheme.lower() == self.openapi_scheme else ""
        return auth.keeper().holder(request, token, self.scopes)
