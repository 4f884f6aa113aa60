"""Authenticate API keys for the operations of ``otp`` and ``sms``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.signals import request_finished
from django.http import HttpRequest
from structlog.contextvars import bind_contextvars, unbind_contextvars

from otp import alarms, conf, store
from otp.admission import limits, refusals
from otp.api import (
    keys,
    problems,  # noqa: F401  # registers the answers to what count_message raises
)
from otp.api.access import Access, Denied
from otp.caller import Caller, caller_of
from sms.auth import Keeper
from sms.bearer import Forbidden

#: The field with the name of the key in each log line of its request.
HOLDER = "api_key"


def forget_holder(**_: Any) -> None:
    """Unbind the name of the key, since the next request of this thread may have none."""
    unbind_contextvars(HOLDER)


request_finished.connect(forget_holder)


def access_of(name: str) -> Access:
    """The rights of a key of ``name``."""
    found: Access = conf.get("API_ACCESS").get(name) or Access(name)
    return found


class Keys(Keeper):
    """``API_KEYS`` and ``API_ACCESS``; see ``sms.auth.Keeper``."""

    def holder(self, request: HttpRequest, token: str, scopes: Sequence[str]) -> Access | None:
        """The rights of the key; None for an unknown key. Raises ``Forbidden`` without one of ``scopes``."""
        alarms.tell_due()
        name = keys.owner(token, conf.get("API_KEYS"))
        if name is None:
            self.denied(request, "unauthorized")
            return None
        bind_contextvars(**{HOLDER: name})
        found = access_of(name)
        try:
            found.require_scope(*scopes)
        except Denied as error:
            alarms.note(alarms.DENIED, reason=error.code, name=name)
            raise Forbidden(error.code, error.detail) from None
        return found

    def denied(self, request: HttpRequest, reason: str) -> None:
        alarms.note(alarms.DENIED, ip=caller_of(request).ip, reason=reason, name="")

    def name(self, holder: object) -> str:
        """The name of the key."""
        return holder.name if isinstance(holder, Access) else ""

    def sees(self, holder: object, purpose: str) -> bool:
        """Whether the key may be used for ``purpose``, which is "" for plain messages."""
        return isinstance(holder, Access) and (not purpose or holder.allows(purpose))

    def count_message(self, holder: object) -> None:
        """Count a message towards the key's own limits. Raises ``RateLimited`` if one is reached.

        Costs one round trip, or none for a key without limits.
        """
        if not isinstance(holder, Access) or not holder.limits:
            return
        caller = Caller(holder.name, limits=holder.limits)
        counted = limits.of_key(caller)
        if refused := store.count(counted):
            wait, index = refused
            raise refusals.reached(counted.rules[index], wait, caller)


keeper = Keys()
