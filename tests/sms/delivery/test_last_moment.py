"""A code is not sent any more in the millisecond in which it dies."""

from __future__ import annotations

import pytest

from sms import services
from sms.delivery import run as delivery
from sms.message import State
from tests.conftest import point_cache_at
from tests.frozen import LIBRARY, FrozenServer


@pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed (package faketime)")
def test_a_code_is_not_sent_when_it_has_no_time_left(house, settings):
    with FrozenServer() as server:
        point_cache_at(settings, server.url)
        id = house.send(queue="otp", expires_at=server.now + 60)
        server.advance(60)
        delivery.deliver(id)
        assert services.get(id).state is State.EXPIRED
        assert house.calls == ""
