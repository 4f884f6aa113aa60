"""The connection to an SMSC that breaks, is slow, talks nonsense or is used by many threads."""

from __future__ import annotations

import errno
import multiprocessing
import random
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms import resources
from sms.errors import (
    AccountFailure,
    OutcomeUnknown,
    PermanentFailure,
    ProviderError,
    TemporaryFailure,
)
from sms.providers import from_url, smpp_link, smpp_pipe
from tests.faults.stack import wait_for
from tests.sms.providers.gateway import certify, one_connection, reset
from tests.sms.providers.hand_off import FUZZED, SMS, meaning_of
from tests.sms.providers.smsc import (
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    DELIVER_SM,
    ENQUIRE_LINK,
    RESPONSE,
    SUBMIT_SM,
    UNBIND,
    Connection,
    Pdu,
    bound,
    deliver,
    failure,
    forget,
    pdu,
    read_submit,
    smsc,
    soon,
)

#: Seconds. Longer than anything here takes on a busy machine, and shorter than what it must not wait for.
SOON = 8.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_no_answer_in_time(centre):
    centre.on_submit = lambda connection, request: None
    began = time.monotonic()
    with bound(centre.port, timeout=0.3) as provider:
        with pytest.raises(OutcomeUnknown) as caught:
            provider.send(SMS)
        assert not provider._link._session._waiting  # nothing is kept of it
    assert caught.value.code == "read_timeout"
    assert time.monotonic() - began < SOON


def test_a_late_answer_is_not_that_of_the_next_message(centre):
    late = threading.Event()

    def answer_later(connection: Connection, request: Pdu) -> None:
        centre.on_submit = None
        threading.Thread(target=lambda: late.wait(5) and centre.take(connection, request)).start()

    centre.on_submit = answer_later
    with bound(centre.port, timeout=0.3) as provider:
        with pytest.raises(OutcomeUnknown):
            provider.send(SMS)
        late.set()
        assert provider.send(SMS) in ("id-1", "id-2")  # whichever was first: it is the second's own
        last = centre.of(SUBMIT_SM)[-1]
        centre.on_submit = lambda connection, request: (
            connection.answer(last, 0, b"again\0"),
            connection.answer(request, 0, b"own\0"),
        )
        assert provider.send(SMS) == "own"


@pytest.mark.parametrize("sequence", [0, 1, 7, 2**31, 2**32 - 1])
def test_an_answer_with_a_wrong_number(centre, sequence):
    centre.on_submit = lambda connection, request: connection.write(
        pdu(SUBMIT_SM | RESPONSE, 0, sequence, b"id\0")
    )
    with bound(centre.port, timeout=0.2) as provider, pytest.raises(OutcomeUnknown):
        provider.send(SMS)


def test_an_answer_of_another_kind(centre):
    centre.on_submit = lambda connection, request: connection.write(
        pdu(ENQUIRE_LINK | RESPONSE, 0, request.sequence)
    )
    with bound(centre.port, timeout=0.2) as provider, pytest.raises(OutcomeUnknown):
        provider.send(SMS)


def test_an_answer_that_drips(centre):
    """Each byte comes in time, the whole does not."""

    def drip(connection: Connection, request: Pdu) -> None:
        for byte in pdu(SUBMIT_SM | RESPONSE, 0, request.sequence, b"id\0"):
            connection.write(bytes([byte]))
            time.sleep(0.05)

    centre.on_submit = drip
    began = time.monotonic()
    with bound(centre.port, timeout=0.4) as provider, pytest.raises(OutcomeUnknown) as caught:
        provider.send(SMS)
    assert caught.value.code == "read_timeout"
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("end", [Connection.hang_up, Connection.reset])
def test_the_connection_ends_after_the_request(centre, provider, end):
    centre.on_submit = lambda connection, request: end(connection)
    with pytest.raises(OutcomeUnknown) as caught:
        provider.send(SMS)
    assert caught.value.code == "ProtocolError"


def test_refused_connection():
    with bound(free_port()) as provider, pytest.raises(TemporaryFailure) as caught:
        provider.send(SMS)
    assert caught.value.code == "unreachable"


def test_connect_timeout(monkeypatch):
    """A full backlog: the kernel drops the SYN, nothing was ever sent."""
    monkeypatch.setattr("sms.providers.transport.CONNECT_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with bound(port) as provider, pytest.raises(TemporaryFailure):
            provider.send(SMS)
        for filler in fillers:
            filler.close()


def test_a_bind_without_an_answer(monkeypatch):
    """No message was written, so the outcome is known."""
    monkeypatch.setattr("sms.providers.transport.LONGEST_CONNECT", 0.3)
    monkeypatch.setattr("sms.providers.smpp.LONGEST_CONNECT", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as silent, bound(silent.getsockname()[1]) as provider:
        began = time.monotonic()
        with pytest.raises(TemporaryFailure) as caught:
            provider.send(SMS)
        assert caught.value.code == "unreachable"
        assert time.monotonic() - began < SOON


def test_a_connection_that_took_too_long_is_not_used(centre, monkeypatch):
    """By then the lease may be over, and another worker have the message."""
    monkeypatch.setattr("sms.providers.transport.LONGEST_CONNECT", 0.0)
    with bound(centre.port) as provider, pytest.raises(TemporaryFailure):
        provider.send(SMS)
    assert centre.heard == []


@pytest.mark.parametrize("fails", ["link", "clerk"])
def test_a_thread_cannot_be_started(centre, provider, monkeypatch, fails):
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.endswith(fails):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(TemporaryFailure) as caught:
        provider.send(SMS)
    assert "raise `ulimit -u`" in resources.ran_out(caught.value)
    monkeypatch.undo()
    soon(lambda: not ours())
    assert provider.send(SMS) == "id-1"
    assert len(ours()) == 2


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("smpp-main-")]


def test_there_is_no_descriptor(centre, provider, monkeypatch):
    """It is the fault of this process, which ends, and not of the SMSC."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(smpp_pipe, "create_connection", refuse)
    with pytest.raises(TemporaryFailure) as caught:
        provider.send(SMS)
    assert "raise `ulimit -n`" in resources.ran_out(caught.value)


BIND_REFUSALS = {
    **dict.fromkeys([0x0D, 0x0E, 0x0F, 0x03, 0x53, 0x0B, 0x400], "account"),
    **dict.fromkeys([0x05, 0x08, 0x14, 0x58], "temporary"),
}


@pytest.mark.parametrize(("status", "meaning"), BIND_REFUSALS.items())
def test_a_refused_bind(centre, provider, status, meaning):
    """It is never about the message."""
    centre.bind_status = status
    with pytest.raises(ProviderError) as caught:
        provider.send(SMS)
    assert (meaning_of(caught.value), caught.value.code) == (meaning, f"0x{status:02x}")
    assert "secret" not in str(caught.value)


def test_a_refused_bind_is_not_tried_for_each_message(centre, provider):
    """Many SMSCs shut out an address that does so."""
    centre.bind_status = 0x0E
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        sent = [pool.submit(provider.send, SMS) for _ in range(200)]
        assert {failure(each) for each in sent} == {("account", "0x0e")}
    assert len(centre.of(BIND_TRANSMITTER)) <= 2 + (time.monotonic() - began) / smpp_link.LEAST_REST


def test_it_binds_again_once_the_smsc_lets_it(centre, provider, impatient):
    centre.bind_status = 0x0E
    with pytest.raises(AccountFailure):
        provider.send(SMS)
    centre.bind_status = 0
    time.sleep(0.06)
    assert provider.send(SMS) == "id-1"


def test_an_smsc_that_thinks_us_unbound_gets_another_bind(centre, provider, impatient):
    centre.refuse(0x04)
    with pytest.raises(TemporaryFailure):
        provider.send(SMS)
    centre.on_submit = None
    assert soon(lambda: accepted(provider))
    assert len(centre.of(BIND_TRANSMITTER)) == 2


def accepted(provider) -> str:
    """The id, "" while the connection is not there again, or is about to end."""
    with suppress(TemporaryFailure, OutcomeUnknown):
        return provider.send(SMS)
    return ""


def test_an_smsc_that_dies_and_comes_back(impatient):
    """A message that it may have is unknown. One that it does not have is temporary at once. Then all goes
    on.
    """
    port = free_port()
    with smsc(port) as first, bound(port) as provider:
        first.on_submit = lambda connection, request: None
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(provider.send, SMS)
            soon(lambda: first.of(SUBMIT_SM))
            first.die()
            with pytest.raises(OutcomeUnknown):
                sending.result(5)
        began = time.monotonic()
        for _ in range(20):
            with pytest.raises(TemporaryFailure):
                provider.send(SMS)
        assert time.monotonic() - began < SOON
        with smsc(port) as second:
            assert soon(lambda: accepted(provider))
            assert len(second.of(BIND_TRANSMITTER)) == 1


def test_it_comes_back_by_itself(centre, listening, impatient):
    """Else a worker without messages would hear no receipt."""
    centre.connections[-1].hang_up()
    soon(lambda: len(centre.of(BIND_TRANSCEIVER)) == 2)


def test_it_binds_again_at_once_after_one_that_worked(centre, listening, monkeypatch):
    monkeypatch.setattr(smpp_link, "LEAST_REST", 60.0)
    monkeypatch.setattr(smpp_link, "WORKED", 0.0)
    centre.connections[-1].hang_up()
    soon(lambda: len(centre.of(BIND_TRANSCEIVER)) == 2)


def test_the_rest_between_two_tries_grows(monkeypatch):
    """An SMSC that takes the bind and hangs up is not hammered."""
    monkeypatch.setattr(smpp_link, "LEAST_REST", 0.02)
    binds: list[float] = []
    with smsc() as centre, bound(centre.port) as provider:
        centre.serve = lambda connection: (binds.append(time.monotonic()), connection.hang_up())  # type: ignore[assignment]
        provider.open()
        soon(lambda: len(binds) >= 6)
    # 0.04, 0.08, … 0.64 s, each at least half of it.
    assert binds[5] - binds[0] > 0.6


def test_a_worker_that_starts_while_the_smsc_is_away(impatient, heard):
    began = time.monotonic()
    port = free_port()
    with bound(port, on_receipts=heard.extend) as provider:
        provider.open()
        assert time.monotonic() - began < SOON
        with smsc(port) as centre:
            soon(lambda: centre.of(BIND_TRANSCEIVER))


def test_silence_is_asked_about(centre, impatient):
    with bound(centre.port, "enquire=1") as provider:
        provider.send(SMS)
        soon(lambda: centre.of(ENQUIRE_LINK))
        assert len(centre.connections) == 1
        centre.answers_enquire = False
        provider.open()
        soon(lambda: len(centre.of(BIND_TRANSMITTER)) == 2)


def test_the_smsc_asks_whether_we_are_there(centre, provider):
    provider.send(SMS)
    centre.connections[0].write(pdu(ENQUIRE_LINK, 0, 77))
    assert soon(lambda: centre.of(ENQUIRE_LINK | RESPONSE)) == [Pdu(ENQUIRE_LINK | RESPONSE, 0, 77, b"")]


def test_the_smsc_unbinds(centre, provider, impatient):
    centre.on_submit = lambda connection, request: connection.write(pdu(UNBIND, 0, 78))
    with pytest.raises(OutcomeUnknown) as caught:
        provider.send(SMS)
    assert caught.value.code == "ProtocolError"  # at once, as it has hung up
    assert soon(lambda: centre.of(UNBIND | RESPONSE)) == [Pdu(UNBIND | RESPONSE, 0, 78, b"")]
    centre.on_submit = None
    assert soon(lambda: accepted(provider))


def test_what_we_do_not_know_is_said_to_be_so(centre, provider):
    provider.send(SMS)
    centre.connections[0].write(
        pdu(0x103, 0, 79, b"data_sm") + pdu(0x102, 0, 80, b"alert") + pdu(0x0B, 0, 81)
    )
    assert soon(lambda: centre.of(RESPONSE)) == [Pdu(RESPONSE, 3, 79, b"")]
    assert provider.send(SMS) == "id-2"
    assert len(centre.of(RESPONSE)) == 1


# --- what is no PDU ----------------------------------------------------------------------------------


GARBAGE = {
    "length 0": struct.pack(">IIII", 0, SUBMIT_SM | RESPONSE, 0, 2),
    "length 15": struct.pack(">IIII", 15, SUBMIT_SM | RESPONSE, 0, 2),
    "length 2^32 - 1": struct.pack(">IIII", 2**32 - 1, SUBMIT_SM | RESPONSE, 0, 2),
    "length 70001": struct.pack(">IIII", 70_001, SUBMIT_SM | RESPONSE, 0, 2) + b"x" * 70_001,
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "half of one": struct.pack(">IIII", 40, SUBMIT_SM | RESPONSE, 0, 2) + b"x",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_for_an_answer(centre, garbage, impatient):
    centre.on_submit = lambda connection, request: connection.write(garbage)
    with bound(centre.port, timeout=1.0) as provider:
        with pytest.raises(OutcomeUnknown):
            provider.send(SMS)
        centre.connections[0].hang_up()
        centre.on_submit = None
        assert soon(lambda: accepted(provider))


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_for_a_bind(garbage, monkeypatch):
    monkeypatch.setattr("sms.providers.transport.LONGEST_CONNECT", 0.5)
    with smsc() as centre, bound(centre.port) as provider:
        centre.serve = lambda connection: (connection.write(garbage), time.sleep(0.6))  # type: ignore[assignment]
        with pytest.raises(TemporaryFailure):
            provider.send(SMS)


@pytest.mark.parametrize("command", [SUBMIT_SM, BIND_TRANSCEIVER, ENQUIRE_LINK, 0])
def test_another_answer_to_a_bind(command):
    with smsc() as centre, bound(centre.port) as provider:
        centre.serve = lambda connection: connection.write(pdu(command | RESPONSE))  # type: ignore[method-assign]
        with pytest.raises(TemporaryFailure):
            provider.send(SMS)


def test_whatever_a_stranger_sends(centre, monkeypatch):
    """The worst that it can do is to end its own connection."""
    monkeypatch.setattr(smpp_link, "LEAST_REST", 0.0)
    known = [SUBMIT_SM | RESPONSE, DELIVER_SM, ENQUIRE_LINK, RESPONSE, 0x103, UNBIND | RESPONSE]
    pdus = st.builds(
        pdu, st.sampled_from(known), st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=60)
    )
    with bound(centre.port, timeout=0.3, on_receipts=forget, on_inbound=forget) as provider:

        @FUZZED
        @given(sent=st.lists(pdus | st.binary(max_size=40), min_size=1, max_size=4))
        def send(sent):
            def then_answer(connection: Connection, request: Pdu) -> None:
                connection.write(b"".join(sent))
                centre.take(connection, request)

            centre.on_submit = then_answer
            with suppress(TemporaryFailure, OutcomeUnknown, PermanentFailure):
                provider.send(SMS)
            for connection in centre.connections:
                connection.hang_up()
            centre.on_submit = None
            assert wait_for(lambda: accepted(provider), seconds=5.0, every=0.001)

        send()


def test_an_smsc_that_does_not_read(impatient):
    """Its buffers fill up; then nothing more is written as a whole, and no thread waits for it for long."""
    with smsc() as centre, bound(centre.port, "window=1000&long=payload", timeout=1.0) as provider:
        centre.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        provider.send(SMS)
        centre.on_submit = lambda connection, request: time.sleep(10)
        long = replace(SMS, body="🙂" * 15_000)
        began = time.monotonic()
        with ThreadPoolExecutor(100) as pool:
            sent = [pool.submit(provider.send, long) for _ in range(100)]
            outcomes = {failure(each)[0] for each in sent}
        assert outcomes <= {"temporary", "unknown"}
        assert "temporary" in outcomes
        assert time.monotonic() - began < SOON


def test_who_waits_for_others_to_write_writes_nothing_late(impatient, monkeypatch):
    """By then the lease may be over. The messages of others go on, and the connection stays."""
    monkeypatch.setattr("sms.providers.smpp.LONGEST_CONNECT", 0.3)
    with smsc() as centre, bound(centre.port) as provider:
        provider.send(SMS)
        pipe = provider._link._session.pipe
        with pipe._lock:
            began = time.monotonic()
            with pytest.raises(TemporaryFailure):
                provider.send(SMS)
            assert time.monotonic() - began < SOON
        assert provider.send(SMS) == "id-2"
        assert len(centre.connections) == 1


# --- TLS ---------------------------------------------------------------------------------------------


def test_tls(tmp_path, heard):
    certificate = certify(tmp_path / "certificate.pem")
    options: Any = {"scheme": "smpps", "on_receipts": heard.extend}
    with (
        smsc(certificate=certificate) as centre,
        bound(centre.port, f"ssl_ca_certs={certificate}", **options) as provider,
    ):
        with ThreadPoolExecutor(20) as pool:
            assert len(set(pool.map(lambda _: provider.send(SMS), range(200)))) == 200
        deliver(centre, b"id:id-1 stat:DELIVRD")
        assert len(heard) == 1
        assert len(centre.connections) == 1


def test_tls_with_a_stranger(tmp_path):
    """No CA that everybody believes has signed it."""
    with smsc(certificate=certify(tmp_path / "c.pem")) as centre:
        with bound(centre.port, scheme="smpps") as provider, pytest.raises(TemporaryFailure):
            provider.send(SMS)
        other = f"ssl_ca_certs={certify(tmp_path / 'd.pem')}"
        with bound(centre.port, other, scheme="smpps") as provider, pytest.raises(TemporaryFailure):
            provider.send(SMS)
        assert centre.heard == []


def test_tls_under_another_name(tmp_path):
    certificate = certify(tmp_path / "certificate.pem")
    with smsc(certificate=certificate) as centre:
        url = f"smpps://tester:secret@localhost:{centre.port}?ssl_ca_certs={certificate}"
        provider = from_url("main", url)
        with pytest.raises(TemporaryFailure):
            provider.send(SMS)
        provider.close()  # type: ignore[attr-defined]
        assert centre.heard == []


def test_a_tls_handshake_that_never_ends(monkeypatch):
    """Nothing was sent, so the outcome is known."""
    monkeypatch.setattr("sms.providers.transport.CONNECT_TIMEOUT", 0.3)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        bound(silent.getsockname()[1], scheme="smpps") as provider,
        pytest.raises(TemporaryFailure),
    ):
        provider.send(SMS)


def test_a_tls_handshake_that_is_reset():
    with one_connection(reset) as url:
        port = int(url.rpartition(":")[2])
        with bound(port, scheme="smpps") as provider, pytest.raises(TemporaryFailure):
            provider.send(SMS)


def test_tls_that_breaks_after_the_request(tmp_path):
    certificate = certify(tmp_path / "certificate.pem")

    def speak_plainly(connection: Connection, request: Pdu) -> None:
        with socket.socket(fileno=connection.socket.detach()) as bare:
            bare.sendall(pdu(SUBMIT_SM | RESPONSE, 0, request.sequence, b"id\0"))

    with smsc(certificate=certificate) as centre:
        centre.on_submit = speak_plainly
        ours = f"ssl_ca_certs={certificate}"
        with bound(centre.port, ours, scheme="smpps") as provider, pytest.raises(OutcomeUnknown):
            provider.send(SMS)


def test_an_answer_before_the_end_of_tls(tmp_path):
    """Both come in one packet, and the answer counts."""
    certificate = certify(tmp_path / "certificate.pem")

    def answer_and_end(connection: Connection, request: Pdu) -> None:
        raw = connection.socket
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        connection.answer(request, 0, b"id-1\0")
        raw.settimeout(0.01)  # it would wait for our end of TLS
        with suppress(OSError):
            raw.unwrap()  # type: ignore[attr-defined]
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    with smsc(certificate=certificate) as centre:
        centre.on_submit = answer_and_end
        with bound(centre.port, f"ssl_ca_certs={certificate}", scheme="smpps") as provider:
            assert provider.send(SMS) == "id-1"


# --- many threads ------------------------------------------------------------------------------------


def test_the_window_is_kept(centre):
    """No more messages than that are ever without an answer, however many threads send."""
    most = waiting = 0
    lock = threading.Lock()

    def answer_slowly(connection: Connection, request: Pdu) -> None:
        nonlocal most, waiting
        with lock:
            waiting += 1
            most = max(most, waiting)

        def answer() -> None:
            nonlocal waiting
            time.sleep(0.02)
            with lock:
                waiting -= 1
            centre.take(connection, request)

        threading.Thread(target=answer).start()

    centre.on_submit = answer_slowly
    with bound(centre.port, "window=7") as provider, ThreadPoolExecutor(50) as pool:
        assert len(set(pool.map(lambda _: provider.send(SMS), range(200)))) == 200
    assert most == 7
    assert len(centre.connections) == 1


def test_answers_in_any_order_find_their_threads(centre):
    held: list[tuple[Connection, Pdu]] = []

    def answer_backwards(connection: Connection, request: Pdu) -> None:
        held.append((connection, request))
        if len(held) == 10:
            for one, found in reversed(held):
                number = read_submit(found.body).destination[2]
                one.answer(found, 0, b"for-" + number + b"\0")
            held.clear()

    centre.on_submit = answer_backwards
    numbers = [f"+120255501{n:02}" for n in range(50)]
    with bound(centre.port) as provider, ThreadPoolExecutor(50) as pool:
        ids = list(pool.map(lambda number: provider.send(replace(SMS, to=number)), numbers))
    assert ids == [f"for-{number[1:]}" for number in numbers]


def test_the_connection_drops_in_the_window(centre, monkeypatch):
    """A written message may be on its way. One that waited for the window is not."""
    monkeypatch.setattr(smpp_link, "LEAST_REST", 60.0)
    centre.on_submit = lambda connection, request: None
    with bound(centre.port, "window=5") as provider, ThreadPoolExecutor(20) as pool:
        sent = [pool.submit(provider.send, SMS) for _ in range(20)]
        soon(lambda: len(centre.of(SUBMIT_SM)) == 5)
        centre.die()
        meanings = [failure(each)[0] for each in sent]
    assert sorted(meanings) == ["temporary"] * 15 + ["unknown"] * 5
    assert len(centre.of(SUBMIT_SM)) == 5


@pytest.mark.parametrize("scheme", ["smpp", "smpps"])
def test_connections_that_end_at_any_moment(tmp_path, monkeypatch, scheme):
    """The SMSC does not have the messages that count as not taken. It has those that count as taken. Each has
    an outcome.
    """
    monkeypatch.setattr(smpp_link, "LEAST_REST", 0.0)
    certificate = certify(tmp_path / "certificate.pem")
    ends = {"smpp": [Connection.hang_up, Connection.reset], "smpps": [Connection.hang_up]}[scheme]
    chance = random.Random(7)

    def take_or_end(connection: Connection, request: Pdu) -> None:
        if chance.random() < 0.1:
            chance.choice(ends)(connection)
        else:
            number = read_submit(request.body).destination[2]
            connection.answer(request, 0, b"for-" + number + b"\0")

    numbers = [f"+1202555{n:04}" for n in range(400)]
    query = f"ssl_ca_certs={certificate}" if scheme == "smpps" else ""
    with smsc(certificate=certificate if query else None) as centre:
        centre.on_submit = take_or_end
        with bound(centre.port, query, scheme=scheme) as provider, ThreadPoolExecutor(40) as pool:
            sent = {number: pool.submit(provider.send, replace(SMS, to=number)) for number in numbers}
            outcomes = {
                number: "taken" if each.exception(20) is None else failure(each)[0]
                for number, each in sent.items()
            }
        had = {f"+{found.destination[2].decode()}" for found in centre.submitted()}
    by_outcome = {word: {n for n in numbers if outcomes[n] == word} for word in outcomes.values()}
    assert set(by_outcome) <= {"taken", "unknown", "temporary"}
    assert by_outcome["taken"] <= had
    assert not by_outcome.get("temporary", set()) & had
    assert by_outcome["unknown"]
    assert all(sent[number].result() == f"for-{number[1:]}" for number in by_outcome["taken"])


def test_a_window_that_stays_full(centre, monkeypatch):
    monkeypatch.setattr("sms.providers.smpp.LONGEST_CONNECT", 0.2)
    centre.on_submit = lambda connection, request: None
    with bound(centre.port, "window=1", timeout=1.0) as provider, ThreadPoolExecutor(2) as pool:
        first = pool.submit(provider.send, SMS)
        soon(lambda: centre.of(SUBMIT_SM))
        with pytest.raises(TemporaryFailure) as caught:
            provider.send(SMS)
        assert caught.value.code == "window_full"
        with pytest.raises(OutcomeUnknown):
            first.result(5)
        centre.on_submit = None
        assert provider.send(SMS) == "id-1"  # what will not be answered does not fill it for good


def test_a_child_process_binds_anew(centre, provider):
    """And its parent goes on as it was."""
    assert provider.send(SMS) == "id-1"
    child = multiprocessing.get_context("fork").Process(target=send_and_end, args=(provider,))
    child.start()
    child.join(10)
    assert child.exitcode == 0
    assert provider.send(SMS) == "id-3"
    assert len(centre.connections) == 2


def send_and_end(provider) -> None:
    if provider.send(SMS) != "id-2":
        raise SystemExit(1)
    provider.close()


@pytest.mark.parametrize("hangs_up", [True, False])
def test_closing(centre, listening, hangs_up):
    centre.hangs_up = hangs_up
    assert listening.send(SMS) == "id-1"  # the answer to its bind has come
    threads = ours()
    assert len(threads) == 2
    began = time.monotonic()
    listening.close()
    assert len(centre.of(UNBIND)) == 1
    assert not any(thread.is_alive() for thread in threads)
    assert time.monotonic() - began < smpp_link.TO_UNBIND
    listening.close()
    assert len(centre.of(UNBIND)) == 1


def test_closing_where_the_unbind_is_not_answered(centre, listening, impatient):
    centre.answers_unbind = False
    began = time.monotonic()
    listening.close()
    soon(lambda: not ours())
    assert time.monotonic() - began < SOON


def test_closing_while_the_smsc_is_away(impatient):
    with bound(free_port()) as provider:
        provider.open()
        began = time.monotonic()
        provider.close()
        assert time.monotonic() - began < SOON


def test_it_may_be_opened_again(centre, listening):
    listening.close()
    assert listening.send(SMS) == "id-1"
    assert len(centre.of(BIND_TRANSCEIVER)) == 2
