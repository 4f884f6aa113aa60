"""The frame of every operation: HTTP Basic with an API key, parameters as a form, answers as JSON."""

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

#: The most parameters of a request, and characters of one, unless an operation sets another limit.
_MOST, _LONGEST = 40, 2048

#: The form of a parameter's name. Others may be phone numbers, so no answer repeats them.
_NAME = re.compile(r"[A-Za-z][A-Za-z.]{0,39}", re.ASCII)

_WHO = (
    "Authentication Error: the username is the account SID or the name of an API key, the password that key. "
    "`manage.py twilio_sids` prints the SIDs."
)

#: Parameters that the SDKs send with every list.
PAGING = ("PageSize", "Page", "PageToken")


@dataclass(frozen=True, slots=True)
class Asked:
    """An authenticated request."""

    request: HttpRequest
    access: Access
    given: Mapping[str, str] = field(repr=False)  # its parameters

    @property
    def owner(self) -> str:
        """The name of the key, which owns what it started."""
        return self.access.name

    @property
    def account(self) -> str:
        return sids.of_name(sids.ACCOUNT, self.access.name)

    @property
    def caller(self) -> Caller:
        return Caller(self.access.name, limits=self.access.limits)

    @property
    def in_full(self) -> bool:
        """Whether the key may see everything; see ``otp.delivery``."""
        return "read" in self.access.scopes

    def require_known(self, *names: str) -> None:
        """Refuse other parameters, which would have no effect."""
        for name in self.given:
            if name not in names:
                told = name if _NAME.fullmatch(name) else "of such a name"
                raise errors.Refused(400, errors.INVALID, f"This operation has no parameter {told}.")

    def take(self, name: str, *, longest: int = _LONGEST) -> str:
        """A parameter, "" if it was left out."""
        text = self.given.get(name, "")
        if len(text) > longest:
            raise invalid(name, f"it has at most {longest} characters")
        return text

    def require(self, name: str, *, longest: int = _LONGEST) -> str:
        """A required parameter."""
        text = self.take(name, longest=longest)
        if not text:
            raise errors.Refused(400, errors.INVALID, f"Missing required parameter {name} in the post body")
        return text

    def moment(self, name: str) -> float | None:
        """A time (ISO 8601, in UTC by default) in seconds since the epoch."""
        text = self.take(name, longest=40)
        try:
            found = datetime.fromisoformat(text) if text else None
        except ValueError:
            raise invalid(name, "write a time such as 2026-03-01T09:30:00Z") from None
        if found is None:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()

    def purposes(self) -> list[Purpose]:
        """The purposes that the key may be used for."""
        return [rules for name, rules in purposes.all_purposes().items() if self.access.allows(name)]

    def purpose(self, service_sid: str) -> Purpose:
        """The purpose of a service."""
        for name, rules in purposes.all_purposes().items():
            if sids.of_name(sids.SERVICE, name) == service_sid:
                self.access.require_purpose(name)
                return rules
        raise errors.not_found("/Services/{Sid}")

    def url(self, *parts: str) -> str:
        """The URL of a resource, under the host of the request."""
        root = self.request.path.partition("/v2/")[0]
        return self.request.build_absolute_uri("/".join((f"{root}/v2", *parts)))

    def page(self, key: str, found: Sequence[Mapping[str, Any]], *parts: str) -> HttpResponse:
        """A list in a single page.

        Lists are short, and a next page would need a URL with the search in it.
        """
        url = f"{self.url(*parts)}?PageSize=1000&Page=0"
        meta = {"page": 0, "page_size": 1000, "first_page_url": url, "previous_page_url": None}
        return answered({key: found, "meta": meta | {"url": url, "next_page_url": None, "key": key}})


Operation = Callable[..., HttpResponse]


def answered(content: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """A JSON response that must not be cached."""
    response = HttpResponse(json.dumps(content).encode(), "application/json", status)
    response["Cache-Control"] = "no-store"
    return response


def door(**operations: Operation) -> Callable[..., HttpResponse]:
    """A view from operations by HTTP method, for keys with the scope ``verify``."""

    @csrf_exempt  # browsers do not have the key
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
    """No key, a wrong one, or one with another's name."""


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
    """Name and key of HTTP Basic (RFC 7617); both "" if malformed."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, key = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, key


def _parameters(request: HttpRequest) -> Mapping[str, str]:
    """The parameters: from the URL of a GET, or from the body of a POST."""
    raw = request.body if request.method == "POST" else request.META.get("QUERY_STRING", "").encode()
    if request.method == "POST" and raw and request.content_type != FORM:
        raise errors.Refused(415, 20415, f"Send the body as Content-Type: {FORM}.")
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST)
    except ValueError:  # not UTF-8, or too many
        raise errors.Refused(400, errors.INVALID, "The parameters cannot be read.") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise errors.Refused(400, errors.INVALID, "A parameter is given twice. Give each once.")
    return found


def iso(seconds: float) -> str:
    """A time in Twilio's format."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def one_of(name: str, text: str, known: Iterable[str]) -> str:
    """``text``, if it is "" or one of the words in ``known``."""
    if text and text not in known:
        raise invalid(name, f"use one of {', '.join(known)}")
    return text
