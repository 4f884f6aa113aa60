"""One way of TLS for providers and webhooks: its context is made once, and never shared with a fork."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sms.providers import tls
from sms.providers.transport import Http
from sms.webhooks import endpoints, post
from tests.sms.providers.gateway import certify
from tests.sms.providers.test_transport import in_a_child
from tests.sms.providers.test_transport import tls as serving
from tests.sms.webhooks.receiver import SECRET


def test_a_child_process_has_a_context_of_its_own():
    """A thread of the parent may have held a lock of this one."""
    parents = tls.trusting()
    assert tls.trusting() is parents

    def look() -> None:
        assert tls.trusting() is not parents

    in_a_child(look)


def ask(settings: Any, url: str, ca: Path) -> None:
    Http(1, 5.0, str(ca)).ask("POST", url, b"", {})


def post_an_event(settings: Any, url: str, ca: Path) -> None:
    settings.WEBHOOKS = {"shop": f"{url}/#secret={SECRET}&allow=loopback&ssl_ca_certs={ca}"}
    caller = post.Caller(endpoints.configured()["shop"])
    assert caller.post({"id": "x", "type": "otpost.test", "at": 0, "data": {}}) == ""


@pytest.mark.parametrize("call", [ask, post_an_event])
def test_a_ca_of_our_own_may_be_replaced_while_we_run(settings, tmp_path, call):
    ca = tmp_path / "ca.pem"
    for name in ("first.pem", "second.pem"):
        certify(tmp_path / name).replace(ca)
        with serving(ca) as port:
            call(settings, f"https://127.0.0.1:{port}", ca)
