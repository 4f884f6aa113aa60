"""What every operation passes: HTTP Basic with an API key, parameters as a form, answers as JSON."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from otp import purposes
from otp.api.access import Access
from otp.api.auth import keeper
from otp.caller import Caller
from otp.purposes import Purpose
from otp.twilio import errors, sids
from otp.twilio.errors import invalid

FORM = "application/x-www-form-urlencoded"

#: Parameters of a request at most, and characters of one unless an operation says otherwise.
_MOST, _LONGEST = 40, 2048

#: A name that a parameter could have. In place of one a number may stand, which no answer repeats.
_NAME = re.compile(r"[A-Za-z][A-Za-z.]{0,39}", re.ASCII)

_WHO = (
    "Authentication Error: the username is the account SID or the name of an API key, the password that key. "
    "`manage.py twilio_sids` prints the SIDs."
)

#: What the SDKs send along with every list.
PAGING = ("PageSize", "Page", "PageToken")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that an API key opened."""

    request: HttpRequest
    access: Access
    given: Mapping[str, str] = field(repr=False)  # its parameters

    @property
    def owner(self) -> str:
        """The name of the key: what it started is its own."""
        return self.access.name

    @property
    def account(self) -> str:
        return sids.of_name(sids.ACCOUNT, self.access.name)

    @property
    def caller(self) -> Caller:
        return Caller(self.access.name, limits=self.access.limits)

    @property
    def in_full(self) -> bool:
        """Whether the key may see everything, see ``otp.delivery``."""
        return "read" in self.access.scopes

    def require_known(self, *names: str) -> None:
        """Refuse parameters of other names: they would have no effect."""
        for name in self.given:
            if name not in names:
                told = name if _NAME.fullmatch(name) else "of such a name"
                raise errors.Refused(400, errors.INVALID, f"This operation has no parameter {told}.")

    def take(self, name: str, *, longest: int = _LONGEST) -> str:
        """A parameter; "" where it is left out."""
        text = self.given.get(name, "")
        if len(text) > longest:
            raise invalid(name, f"it has at most {longest} characters")
        return text

    def require(self, name: str, *, longest: int = _LONGEST) -> str:
        """A parameter that must be there."""
        text = self.take(name, longest=longest)
        if not text:
            raise errors.Refused(400, errors.INVALID, f"Missing required parameter {name} in the post body")
        return text

    def moment(self, name: str) -> float | None:
        """A time (ISO 8601, UTC unless it says otherwise) in seconds since the epoch."""
        text = self.take(name, longest=40)
        try:
            found = datetime.fromisoformat(text) if text else None
        except ValueError:
            raise invalid(name, "write a time as 2026-03-01T09:30:00Z") from None
        if found is None:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()

    def purposes(self) -> list[Purpose]:
        """Those that the key may be used for."""
        return [rules for name, rules in purposes.all_purposes().items() if self.access.allows(name)]

    def purpose(self, service_sid: str) -> Purpose:
        """The purpose that a service is."""
        for name, rules in purposes.all_purposes().items():
            if sids.of_name(sids.SERVICE, name) == service_sid:
                self.access.require_purpose(name)
                return rules
        raise errors.not_found("/Services/{Sid}")

    def url(self, *parts: str) -> str:
        """The address of a resource, under the host that the caller named."""
        root = self.request.path.partition("/v2/")[0]
        return self.request.build_absolute_uri("/".join((f"{root}/v2", *parts)))

    def page(self, key: str, found: Sequence[Mapping[str, Any]], *parts: str) -> HttpResponse:
        """A list, all of it in one page: there is never much, and so no address holds what was looked for."""
        url = f"{self.url(*parts)}?PageSize=1000&Page=0"
        meta = {"page": 0, "page_size": 1000, "first_page_url": url, "previous_page_url": None}
        return answered({key: found, "meta": meta | {"url": url, "next_page_url": None, "key": key}})


Operation = Callable[..., HttpResponse]


def answered(content: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """An answer, which nobody keeps."""
    response = HttpResponse(json.dumps(content).encode(), "application/json", status)
    response["Cache-Control"] = "no-store"
    return response


def door(**operations: Operation) -> Callable[..., HttpResponse]:
    """A view out of operations by their method, for keys with the scope ``verify``."""

    @csrf_exempt  # no browser knows the key
    @login_not_required
    def entered(request: HttpRequest, **path: Any) -> HttpResponse:
        try:
            access = _let_in(request)
            operation = operations.get(str(request.method))
            if not operation:
                response = errors.plain(405)
                response["Allow"] = ", ".join(operations)
                return response
            return operation(Asked(request, access, _parameters(request)), **path)
        except _Unauthorized:
            response = errors.written(401, 20003, _WHO)
            response["WWW-Authenticate"] = 'Basic realm="Twilio API"'
            return response
        except Exception as error:
            return errors.answer(error)

    return entered


class _Unauthorized(Exception):
    """No key, a wrong one, or another's name before it."""


def _let_in(request: HttpRequest) -> Access:
    name, key = _basic(request.META.get("HTTP_AUTHORIZATION", ""))
    access = keeper.holder(request, key, ("verify",))
    if access is None:
        raise _Unauthorized
    if name not in (access.name, sids.of_name(sids.ACCOUNT, access.name)):
        keeper.denied(request, "unauthorized")
        raise _Unauthorized
    return access


def _basic(header: str) -> tuple[str, str]:
    """Name and key of HTTP Basic (RFC 7617); both "" where they cannot be read."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, key = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, key


def _parameters(request: HttpRequest) -> Mapping[str, str]:
    """Those of a GET stand in its address, those of a POST in its body."""
    raw = request.body if request.method == "POST" else request.META.get("QUERY_STRING", "").encode()
    if request.method == "POST" and raw and request.content_type != FORM:
        raise errors.Refused(415, 20415, f"Send the body as Content-Type: {FORM}.")
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST)
    except ValueError:  # no UTF-8, or too many
        raise errors.Refused(400, errors.INVALID, "The parameters cannot be read.") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise errors.Refused(400, errors.INVALID, "A parameter stands twice. Give each once.")
    return found


def iso(seconds: float) -> str:
    """A time as Twilio writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def one_of(name: str, text: str, known: Iterable[str]) -> str:
    """``text``, which is "" or one of these words."""
    if text and text not in known:
        raise invalid(name, f"use one of {', '.join(known)}")
    return text
