"""Whose an API key is, and what it may do: what the operations of ``otp`` and ``sms`` ask."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse

from otp import alarms, conf, store
from otp.admission import limits, refusals
from otp.api import access, keys, problems
from otp.api.access import Access, Denied
from otp.caller import Caller, caller_of
from otp.errors import StoreUnavailable
from sms.bearer import Forbidden


class Keys:
    """``API_KEYS`` and ``API_ACCESS``; see ``sms.auth.Keeper``."""

    def holder(self, request: HttpRequest, token: str, scopes: Sequence[str]) -> Access | None:
        """What the key may do, None for one that nobody has. Raises ``Forbidden``."""
        alarms.tell_due()
        name = keys.owner(token, conf.get("API_KEYS"))
        if name is None:
            alarms.note(alarms.DENIED, ip=caller_of(request).ip, reason="unauthorized", name="")
            return None
        found = access.find(name, conf.get("API_ACCESS"))
        try:
            found.require_scope(*scopes)
        except Denied as error:
            alarms.note(alarms.DENIED, reason=error.code, name=name)
            raise Forbidden(error.code, error.detail) from None
        return found

    def refuse_message(self, holder: object) -> HttpResponse | None:
        """Count a message towards the own limits of the key; the answer where one is reached.

        One round trip, none for a key without limits.
        """
        if not isinstance(holder, Access) or not holder.limits:
            return None
        caller = Caller(holder.name, limits=holder.limits)
        spending = limits.of_key(caller)
        try:
            refused = store.spend(spending)
        except StoreUnavailable as error:
            return problems.answer(error)
        if not refused:
            return None
        wait, index = refused
        return problems.answer(refusals.reached(spending.rules[index], wait, caller))


keeper = Keys()
