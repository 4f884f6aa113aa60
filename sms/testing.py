"""For any project's tests: what was sent, in the spirit of ``django.core.mail.outbox``.

    from sms.testing import outbox

    def test_login(client, settings):
        settings.SMS_PROVIDERS = {"test": "memory://"}
        settings.CELERY_TASK_ALWAYS_EAGER = True
        ...
        assert outbox[-1].to == "+12025550123"
        assert code_in(outbox[-1].body) == ...

``outbox`` is a plain list; clear it between tests with ``outbox.clear()``.
"""

from __future__ import annotations

from sms.providers.memory import outbox

__all__ = ["code_in", "outbox"]


def code_in(body: str) -> str:
    """The code in the last, domain-bound line (``@host #123456``) of an SMS, "" if there is none."""
    last = body.rsplit("\n", 1)[-1]
    return last.rpartition("#")[2] if last.startswith("@") else ""
