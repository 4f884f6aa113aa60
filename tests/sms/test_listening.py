"""A worker listens to an SMSC: what it tells is recorded, or it is asked to tell it again."""

from __future__ import annotations

import pytest

from sms import listening, services, signals
from sms.errors import Unavailable
from sms.message import State
from tests.sms.providers.smsc import OK, UNBIND, Smsc, deliver, smsc, soon

PHONE = "+12025550123"

#: ESME_RX_T_APPN: the SMSC keeps what it has told, and tells it again (SMPP 3.4, 5.1.3).
AGAIN = 0x64


@pytest.fixture
def centre(settings, redis):
    with smsc() as found:
        settings.SMS_PROVIDERS = {"main": f"smpp://tester:secret@127.0.0.1:{found.port}?from=73737"}
        listening.begin()
        soon(lambda: found.connections and found.connections[-1].bound)
        yield found
        listening.end()


def sent(centre: Smsc) -> tuple[str, bytes]:
    """Our id and theirs of a message that it took."""
    message = services.get(services.send(PHONE, "Hello").id)
    assert message is not None
    assert message.state is State.SENT
    return message.id, message.provider_message_id.encode()


def state(ours: str) -> State:
    message = services.get(ours)
    assert message is not None
    return message.state


def receipt(theirs: bytes, word: bytes = b"DELIVRD") -> bytes:
    times = b"submit date:2611272100 done date:2611272101"
    return b"id:%s sub:001 dlvrd:001 %s stat:%s err:000" % (theirs, times, word)


def test_a_receipt_on_the_bind(centre):
    ours, theirs = sent(centre)
    assert deliver(centre, receipt(theirs)) == OK
    assert state(ours) is State.DELIVERED


def test_what_cannot_be_recorded_is_told_again(centre, monkeypatch):
    ours, theirs = sent(centre)
    with monkeypatch.context() as patch:

        def away(*_: object, **__: object) -> None:
            raise Unavailable("Redis is away.")

        patch.setattr("sms.store.whose", away)
        assert deliver(centre, receipt(theirs)) == AGAIN
    assert deliver(centre, receipt(theirs)) == OK
    assert state(ours) is State.DELIVERED


def test_what_a_user_sends_on_the_bind(centre):
    heard = []

    def hear(*, alias, message, **_):
        heard.append((alias, message.phone, message.text))

    signals.message_received.connect(hear)
    try:
        assert deliver(centre, b"Where is my parcel?", kind=0) == OK
    finally:
        signals.message_received.disconnect(hear)
    assert heard == [("main", PHONE, "Where is my parcel?")]


def test_it_takes_leave_when_the_worker_ends(centre):
    listening.end()
    soon(lambda: centre.of(UNBIND))
    listening.begin()
    soon(lambda: len([one for one in centre.connections if one.bound]) == 2)
