"""Shared by the tests of SMPP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sms.providers import smpp_link, smpp_pipe, smpp_session
from tests.sms.providers.smsc import BIND_TRANSCEIVER, Smsc, bound, smsc, soon


@pytest.fixture
def centre() -> Iterator[Smsc]:
    with smsc() as found:
        yield found


@pytest.fixture
def provider(centre):
    with bound(centre.port) as found:
        yield found


@pytest.fixture
def heard() -> list[Any]:
    """The items that a listening provider hands on."""
    return []


@pytest.fixture
def listening(centre, heard):
    with bound(centre.port, on_receipts=heard.extend, on_inbound=heard.extend) as found:
        found.open()
        soon(lambda: centre.of(BIND_TRANSCEIVER))
        yield found


@pytest.fixture
def impatient(monkeypatch):
    """Tries again at once, and never waits long."""
    monkeypatch.setattr(smpp_pipe, "TO_READ", 0.3)
    monkeypatch.setattr(smpp_session, "TO_ENQUIRE", 0.3)
    for name, seconds in {"LEAST_REST": 0.05, "TO_UNBIND": 0.3}.items():
        monkeypatch.setattr(smpp_link, name, seconds)
