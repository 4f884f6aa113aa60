"""Helpers for the tests of your project: read the messages that were sent, and start each test afresh.

    from sms.testing import code_in

    def test_login(client, sms_outbox):  # a pytest fixture, from sms.pytest_plugin
        client.post("/login", {"phone": "+12025550123"})
        assert sms_outbox[-1].to == "+12025550123"
        code = code_in(sms_outbox[-1].body)

``outbox`` is a list of the messages that the provider ``memory://`` got, as ``sms.providers.base.Sms``. The
fixture ``sms_outbox`` calls ``reset`` and returns it. With another test runner, call ``reset`` in ``setUp``.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from sms import cells, names, registry
from sms.checks import place
from sms.providers.memory import outbox
from sms.scripts import client

__all__ = ["code_in", "outbox", "reset"]


def code_in(body: str) -> str:
    """The code in the text of an SMS, "" if there is none.

    It is read from the last line, ``@host #123456``, which browsers use to fill the code in.
    """
    last = body.rsplit("\n", 1)[-1]
    return last.rpartition("#")[2] if last.startswith("@") else ""


def reset() -> None:
    """Delete every code, cooldown, limit and message, and empty ``outbox``.

    Only Otpost's own keys in the namespace of these settings are deleted.

    Raises ``ImproperlyConfigured`` if real users could be affected: if a provider is not ``memory://``, or if
    a worker that sends used this database within the last hour. Raises ``Unavailable`` without Redis.
    """
    if sending := [p.alias for p in registry.providers().values() if p.scheme != "memory"]:
        raise ImproperlyConfigured(
            f"SMS_PROVIDERS: reset() deletes every code, and {sending[0]} sends to real people. In your test "
            'settings, write SMS_PROVIDERS = {"test": "memory://"}.'
        )
    if place.marks():
        raise ImproperlyConfigured(
            "OTPOST_CACHE: reset() deletes every code, but a worker that sends uses the same database and "
            "namespace. Give your tests their own database or OTPOST_NAMESPACE."
        )
    for cell in cells.every():
        prefixes = tuple(family.encode() for family in names.families(cell))
        with client(cell) as redis:
            keys = redis.scan_iter(names.key("*", cell), count=1000)
            if ours := [key for key in keys if key.startswith(prefixes)]:
                redis.delete(*ours)
    outbox.clear()
