"""``Authorization: Bearer KEY`` as an operation asks for it: ``auth=ApiKey("messages")``."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security import HttpBearer

from sms import auth


class Forbidden(HttpError):
    """A valid key that may not do this, in a form that every NinjaAPI answers with 403."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(403, detail)
        self.code = code


class ApiKey(HttpBearer):
    """A key that has one of ``scopes``. Without scopes it opens to nobody."""

    def __init__(self, *scopes: str) -> None:
        super().__init__()
        self.scopes = scopes

    def __call__(self, request: HttpRequest) -> object | None:
        """Whoever has the key, None if nobody. Raises ``Forbidden``. A missing key is asked about too."""
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        return self.authenticate(request, token if scheme.lower() == self.openapi_scheme else "")

    def authenticate(self, request: HttpRequest, token: str) -> object | None:
        """See ``sms.auth.Keeper.holder``."""
        return auth.keeper().holder(request, token, self.scopes)
