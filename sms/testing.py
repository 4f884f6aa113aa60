"""For any project's tests: what was sent, and a fresh start for each of them.

    from sms.testing import code_in

    def test_login(client, sms_outbox):          # a fixture of pytest's, see sms.pytest_plugin
        client.post("/login", {"phone": "+12025550123"})
        assert sms_outbox[-1].to == "+12025550123"
        code = code_in(sms_outbox[-1].body)

``sms_outbox`` is ``outbox``, a plain list of what memory:// got, after a ``reset``. Other test runners call
``reset`` themselves, as in ``setUp``.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from sms import names, registry
from sms.checks import place
from sms.providers.memory import outbox
from sms.scripts import client

__all__ = ["code_in", "outbox", "reset"]


def code_in(body: str) -> str:
    """The code in the last, domain-bound line (``@host #123456``) of an SMS, "" if there is none."""
    last = body.rsplit("\n", 1)[-1]
    return last.rpartition("#")[2] if last.startswith("@") else ""


def reset() -> None:
    """Forget every code, cooldown, limit and message, and empty ``outbox``. Deletes keys of ours, in the
    namespace of these settings, and no others.

    Raises ``Unavailable`` without Redis, and ``ImproperlyConfigured`` where it could hit users: if any
    provider sends (all must be memory://), or a worker that sends was here within the last hour.
    """
    if sending := [p.alias for p in registry.providers().values() if p.scheme != "memory"]:
        raise ImproperlyConfigured(
            f"SMS_PROVIDERS: reset() deletes every code, and {sending[0]} sends to people. In the settings "
            'of your tests write SMS_PROVIDERS = {"test": "memory://"}.'
        )
    if place.mark():
        raise ImproperlyConfigured(
            "OTPOST_CACHE: reset() deletes every code, and a worker that sends uses the same database and "
            "namespace. Give your tests a database, or an OTPOST_NAMESPACE, of their own."
        )
    ours = tuple(family.encode() for family in names.families())
    with client() as redis:
        every = redis.scan_iter(names.key("*"), count=1000)
        if found := [key for key in every if key.startswith(ours)]:
            redis.delete(*found)
    outbox.clear()
