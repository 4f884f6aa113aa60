"""Whose an API key is, and what it may do: what the operations of ``otp`` and ``sms`` ask."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest

from otp import alarms, conf, store
from otp.admission import limits, refusals
from otp.api import (
    keys,
    problems,  # noqa: F401  # without it nothing would answer what count_message raises
)
from otp.api.access import Access, Denied
from otp.caller import Caller, caller_of
from sms.auth import Keeper
from sms.bearer import Forbidden


class Keys(Keeper):
    """``API_KEYS`` and ``API_ACCESS``; see ``sms.auth.Keeper``."""

    def holder(self, request: HttpRequest, token: str, scopes: Sequence[str]) -> Access | None:
        """What the key may do, None for one that nobody has. Raises ``Forbidden``."""
        alarms.tell_due()
        name = keys.owner(token, conf.get("API_KEYS"))
        if name is None:
            alarms.note(alarms.DENIED, ip=caller_of(request).ip, reason="unauthorized", name="")
            return None
        found: Access = conf.get("API_ACCESS").get(name) or Access(name)
        try:
            found.require_scope(*scopes)
        except Denied as error:
            alarms.note(alarms.DENIED, reason=error.code, name=name)
            raise Forbidden(error.code, error.detail) from None
        return found

    def count_message(self, holder: object) -> None:
        """Count a message towards the own limits of the key. Raises ``RateLimited`` where one is reached.

        One round trip, none for a key without limits.
        """
        if not isinstance(holder, Access) or not holder.limits:
            return
        caller = Caller(holder.name, limits=holder.limits)
        counted = limits.of_key(caller)
        if refused := store.count(counted):
            wait, index = refused
            raise refusals.reached(counted.rules[index], wait, caller)


keeper = Keys()
