"""A message over SMPP, and what its answer means. For a real SMSC see test_real_smpp.py."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sms import registry, services
from sms.delivery.handover import hand_over
from sms.delivery.run import deliver
from sms.errors import (
    AccountFailure,
    OutcomeUnknown,
    PermanentFailure,
    ProviderError,
    TemporaryFailure,
)
from sms.message import State
from sms.providers import from_url, smpp_session, smpp_wire
from sms.providers.smpp import LEAST_PAUSE
from sms.providers.url import BadProviderURL
from sms.segments import GSM_7, count
from sms.testing import outbox
from tests.faults.stack import wait_for
from tests.sms.providers.hand_off import FUZZED, SMS, meaning_of
from tests.sms.providers.smsc import (
    BIND_TRANSMITTER,
    RESPONSE,
    SUBMIT_SM,
    Connection,
    Pdu,
    Smsc,
    bound,
    forget,
    pdu,
)


def test_the_request(centre, provider):
    """Byte by byte, as SMPP 3.4 lays out the bind (4.1.5) and the message (4.4.1)."""
    assert provider.send(SMS) == "id-1"
    bind, submit = centre.heard
    assert bind == Pdu(BIND_TRANSMITTER, 0, 1, b"tester\0secret\0\0\x34\0\0\0")
    text = b"Hello\n\n\x00a.example #123456"
    fields = b"\0" + b"\5\0Otpost\0" + b"\1\x0112025550123\0" + b"\0\0\0" + b"\0" + b"000000000130000R\0"
    assert submit == Pdu(SUBMIT_SM, 0, 2, fields + b"\0\0\0\0" + bytes([len(text)]) + text)


def test_one_bind_serves_many_messages(centre, provider):
    assert [provider.send(SMS) for _ in range(3)] == ["id-1", "id-2", "id-3"]
    assert len(centre.connections) == 1
    assert len({found.sequence for found in centre.of(SUBMIT_SM)}) == 3


#: As the specification names them (5.1.3).
MEANINGS = {
    # From 0x400 on they are each vendor's own: another alias gets the message at once.
    "temporary": "04 05 08 14 45 58 64 FE FF 400 401 4FF 500 FFFFFFFF",
    "refused": "01 0B 0C 33 55 63 65 100 3FF",
    "account": "02 03 06 07 0D 0E 0F 15 43 50 51 53 61 62 66 C0 C1 C2 C3 C4",
    "country": "0A 48 49",
}


@pytest.mark.parametrize(
    ("status", "meaning"), [(int(s, 16), name) for name, listed in MEANINGS.items() for s in listed.split()]
)
def test_refusals(centre, provider, status, meaning):
    """Each error has its meaning, and none repeats the number."""
    centre.refuse(status)
    with pytest.raises(ProviderError) as caught:
        provider.send(SMS)
    assert meaning_of(caught.value) == meaning
    assert caught.value.code == f"0x{status:02x}"
    assert SMS.to[1:] not in f"{caught.value}"


@pytest.mark.parametrize(("status", "pause"), [(0x58, 1.0), (0x14, 1.0), (0x08, None)])
def test_throttled(centre, provider, status, pause):
    """SMPP has no Retry-After."""
    centre.refuse(status)
    with pytest.raises(TemporaryFailure) as caught:
        provider.send(SMS)
    assert caught.value.retry_after == pause
    with bound(centre.port, "pause=7.5") as patient, pytest.raises(TemporaryFailure) as caught:
        patient.send(SMS)
    assert caught.value.retry_after == (pause and 7.5)


def test_what_statuses_mean_can_be_said(centre):
    query = "temporary=0x400,401&permanent=0x45&account=402 0xFF&country=0x22"
    with bound(centre.port, query.replace(" ", "+")) as provider:
        for status, meaning in {
            **{0x400: "temporary", 0x401: "temporary", 0x45: "refused", 0x402: "account"},
            **{0xFF: "account", 0x22: "country", 0x58: "temporary"},
        }.items():
            centre.refuse(status)
            with pytest.raises(ProviderError) as caught:
                provider.send(SMS)
            assert meaning_of(caught.value) == meaning


def test_a_generic_nack_is_a_refusal(centre, provider):
    centre.on_submit = lambda connection, request: connection.write(pdu(RESPONSE, 0x03, request.sequence))
    with pytest.raises(AccountFailure):
        provider.send(SMS)


@pytest.mark.parametrize("body", [b"", b"\0", b"\0id"])
def test_an_answer_without_an_id_is_an_unknown_outcome(centre, provider, body):
    centre.on_submit = lambda connection, request: connection.answer(request, 0, body)
    with pytest.raises(OutcomeUnknown):
        provider.send(SMS)


def test_a_generic_nack_of_nothing_is_an_unknown_outcome(centre, provider):
    centre.on_submit = lambda connection, request: connection.write(
        pdu(RESPONSE, 0, request.sequence, b"x\0")
    )
    with pytest.raises(OutcomeUnknown):
        provider.send(SMS)


def test_an_id_need_not_end(centre, provider):
    centre.on_submit = lambda connection, request: connection.answer(request, 0, b"id-of-old")
    assert provider.send(SMS) == "id-of-old"


def test_whatever_the_smsc_answers(centre):
    """It is read, or the outcome is known to be unknown; the module does not fail."""
    with bound(centre.port) as provider:

        @FUZZED
        @given(status=st.integers(0, 2**32 - 1) | st.sampled_from([0, 0x58]), body=st.binary(max_size=80))
        def answer(status, body):
            centre.on_submit = lambda connection, request: connection.answer(request, status, body)
            with capture_logs() as logs:
                try:
                    word = hand_over(provider, SMS)
                except ProviderError as error:
                    word = error.code
            assert logs == []
            assert word.isprintable()

        answer()


# --- the text ----------------------------------------------------------------------------------------


def test_every_character_of_gsm(centre, provider):
    provider.send(replace(SMS, body="".join(sorted(GSM_7 - set("\f^{}\\[~]|€")))))
    (found,) = centre.submitted()
    assert (found.coding, found.esm_class, found.optional) == (0, 0, [])
    assert sorted(found.text) == [code for code in range(128) if code != 0x1B]


@pytest.mark.parametrize(
    ("text", "coding", "sent"),
    [
        ("@£$_ [€]", 0, bytes.fromhex("00010211201b3c1b651b3e")),
        ("Код", 8, "Код".encode("utf-16-be")),
        ("ê", 8, b"\0\xea"),  # in Latin-1, and not in GSM-7
        ("🙂", 8, b"\xd8\x3d\xde\x42"),
        ("a\ud800", 8, b"\0a\xd8\0"),
    ],
)
def test_alphabets(centre, provider, text, coding, sent):
    provider.send(replace(SMS, body=text))
    (found,) = centre.submitted()
    assert (found.coding, found.text) == (coding, sent)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("a" * 160, [160]),
        ("a" * 152 + "€" + "a" * 152, [152, 153, 1]),
        ("Δ" * 160, [160]),
        ("ж" * 70, [140]),
        ("ж" * 66 + "🙂" + "ж" * 66, [132, 134, 2]),
    ],
)
def test_long_texts_in_parts(centre, text, sizes):
    """One after the other, and the last one's id stands for all."""
    with bound(centre.port, on_receipts=forget) as provider:
        id = provider.send(replace(SMS, body=text))
    parts = centre.submitted()
    assert id == f"id-{len(parts)}"
    assert [part.registered for part in parts] == [0] * (len(parts) - 1) + [1]
    if len(parts) == 1:
        assert (parts[0].esm_class, len(parts[0].text)) == (0, *sizes)
        return
    heads, texts = [part.text[:6] for part in parts], [part.text[6:] for part in parts]
    total = len(parts)
    assert [head[:3] + head[4:] for head in heads] == [bytes([5, 0, 3, total, n + 1]) for n in range(total)]
    assert len({head[3] for head in heads}) == 1
    assert {part.esm_class for part in parts} == {0x40}
    assert [len(part) for part in texts] == sizes


def test_a_text_is_sent_in_as_many_parts_as_are_counted(centre):
    """By that count it is priced and paced before anybody knows which alias will send it."""
    runs = st.lists(st.tuples(st.sampled_from("aé€Δê[ж🙂"), st.integers(1, 170)), min_size=1, max_size=3)
    with bound(centre.port) as provider:

        @FUZZED
        @given(runs)
        def send(runs):
            text = "".join(char * times for char, times in runs)
            centre.forget()
            provider.send(replace(SMS, body=text))
            assert len(centre.submitted()) == count(text)

        send()


def test_two_long_texts_are_told_apart(centre, provider):
    for _ in range(2):
        provider.send(replace(SMS, body="a" * 161))
    first, _, second, _ = [part.text[3] for part in centre.submitted()]
    assert first != second


@pytest.mark.parametrize("text", ["a" * 161, "ж" * 71, "€" * 81, "a" * 2000])
def test_long_texts_in_one(centre, text):
    with bound(centre.port, "long=payload", on_receipts=forget) as provider:
        assert provider.send(replace(SMS, body=text)) == "id-1"
        provider.send(SMS)
    long, short = centre.submitted()
    ((tag, payload),) = long.optional
    assert (long.text, long.esm_class, long.registered, tag) == (b"", 0, 1, 0x0424)
    expected = text.replace("€", "\x1be").encode() if "ж" not in text else text.encode("utf-16-be")
    assert payload == expected
    assert (short.optional, short.text[:5]) == ([], b"Hello")


@pytest.mark.parametrize(("query", "text"), [("", "a" * 153 * 256), ("long=payload", "ж" * 33_000)])
def test_a_text_that_does_not_fit(centre, query, text):
    with bound(centre.port, query) as provider, pytest.raises(PermanentFailure):
        provider.send(replace(SMS, body=text))
    assert not centre.of(SUBMIT_SM)


def refuse_the_second(centre: Smsc, status: int, times: int = 1_000) -> None:
    """The first part is taken; the next gets ``status`` so often."""

    def answer(connection: Connection, request: Pdu) -> None:
        if 2 <= len(centre.of(SUBMIT_SM)) < 2 + times:
            connection.answer(request, status)
        else:
            centre.take(connection, request)

    centre.on_submit = answer


LONG = replace(SMS, body="a" * 400)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(0x0B, "refused"), (0x01, "refused"), (0x08, "unknown"), (0x15, "unknown"), (0x401, "unknown")],
)
def test_a_part_that_is_refused_is_the_last_that_is_sent(centre, provider, status, meaning):
    """No other alias may send as if the first part had not gone out."""
    refuse_the_second(centre, status)
    with pytest.raises(ProviderError) as caught:
        provider.send(LONG)
    assert (meaning_of(caught.value), caught.value.code) == (meaning, f"0x{status:02x}")
    assert len(centre.of(SUBMIT_SM)) == 2


class Clock:
    """It stands still except in pauses, which take no real time."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self._begun + sum(self.pauses)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.mark.parametrize("status", [0x58, 0x14])
def test_a_part_that_is_throttled_after_the_first_is_repeated(centre, monkeypatch, status):
    monkeypatch.setattr("sms.providers.smpp.time", clock := Clock())
    refuse_the_second(centre, status, times=2)
    with bound(centre.port, "pause=0.3", on_receipts=forget) as provider:
        assert provider.send(LONG) == "id-3"
    assert clock.pauses == [0.3, 0.3]
    assert [part.text[5] for part in centre.submitted()] == [1, 2, 2, 2, 3]
    assert [part.registered for part in centre.submitted()] == [0, 0, 0, 0, 1]
    assert len({part.text[3] for part in centre.submitted()}) == 1


@pytest.mark.parametrize(
    ("pause", "ends", "sent"),
    [
        (20, (70, 90), 5),  # with the time by which the last part must be written
        (20, (90, 70), 5),  # with the code
        (0, (10, 90), 2 + 10 / LEAST_PAUSE),  # not as often as the SMSC can answer
        (100, (90, 90), 2),  # the pause would end too late, so it is not waited for
    ],
)
def test_a_part_that_stays_throttled_is_an_unknown_outcome(centre, monkeypatch, pause, ends, sent):
    longest, lives = ends
    monkeypatch.setattr("sms.providers.smpp.LONGEST_CONNECT", longest)
    monkeypatch.setattr("sms.providers.smpp.time", Clock())
    refuse_the_second(centre, 0x58)
    with bound(centre.port, f"pause={pause}") as provider, pytest.raises(OutcomeUnknown) as caught:
        provider.send(replace(LONG, expires_in=lives))
    assert caught.value.code == "0x58"
    assert len(centre.of(SUBMIT_SM)) == pytest.approx(sent, abs=0 if pause else 1)  # sums of 0.1 are inexact


def test_a_connection_that_ends_before_a_part_is_repeated_is_an_unknown_outcome(centre):
    """The repetition is not written, and of one part that would be a temporary failure."""
    refuse_the_second(centre, 0x58)
    throttle = centre.on_submit

    def answer(connection: Connection, request: Pdu) -> None:
        throttle(connection, request)
        if len(centre.of(SUBMIT_SM)) == 2:
            connection.hang_up()

    centre.on_submit = answer
    with bound(centre.port, "pause=0.5") as provider, pytest.raises(OutcomeUnknown) as caught:
        provider.send(LONG)
    assert (caught.value.code, len(centre.of(SUBMIT_SM))) == ("unreachable", 2)


def test_what_the_smsc_has_in_part_goes_to_no_other_alias_at_once(settings, centre):
    """A code does after it has waited for a receipt, once; anything else does not."""
    main = f"smpp://tester:secret@127.0.0.1:{centre.port}?pause=600"
    settings.SMS_PROVIDERS = {"main": main, "spare": "memory://"}
    settings.SMS_RECEIPT_WAIT = 0.1
    refuse_the_second(centre, 0x58)
    plain = services.send(SMS.to, LONG.body)
    centre.forget()
    code = services.send(SMS.to, LONG.body, resend_unknown=True)
    assert [services.get(each.id).state for each in (plain, code)] == [State.UNKNOWN, State.QUEUED]
    assert outbox == []
    wait_for(lambda: deliver(code.id))
    assert services.get(code.id).state is State.SENT
    assert [sms.id for sms in outbox] == [code.id]
    assert len(centre.of(SUBMIT_SM)) == 2
    registry.providers()["main"].close()  # type: ignore[attr-defined]


def test_all_parts_have_the_time_of_one(centre):
    """Or the lease would end before the last one is answered."""

    def answer_slowly(connection: Connection, request: Pdu) -> None:
        time.sleep(0.3)
        centre.take(connection, request)

    centre.on_submit = answer_slowly
    with pytest.MonkeyPatch.context() as patched, bound(centre.port, timeout=0.5) as provider:
        patched.setattr("sms.providers.smpp.LONGEST_CONNECT", 0.2)
        with pytest.raises(OutcomeUnknown):
            provider.send(replace(SMS, body="a" * 153 * 9))
    assert len(centre.of(SUBMIT_SM)) < 9


@pytest.mark.parametrize(
    ("seconds", "sent"),
    [
        (0.0, b""),
        (0.4, b"000000000001000R"),
        (90.7, b"000000000130000R"),
        (120, b"000000000200000R"),
        (3 * 86_400 + 4 * 3_600 + 5 * 60 + 6.9, b"000003040506000R"),
        (1e9, b"000028000000000R"),
    ],
)
def test_validity(centre, provider, seconds, sent):
    """By the example of the specification (7.1.1.2), and never longer than the code lives."""
    provider.send(replace(SMS, expires_in=seconds))
    assert centre.submitted()[0].validity == sent


def test_validity_by_the_clock(centre):
    with bound(centre.port, "validity=absolute") as provider:
        provider.send(replace(SMS, expires_in=120))
    sent = centre.submitted()[0].validity.decode()
    assert sent.endswith("000+")
    then = datetime.strptime(sent[:12], "%y%m%d%H%M%S").replace(tzinfo=UTC)
    assert abs(then - datetime.now(UTC) - timedelta(seconds=120)) < timedelta(seconds=5)


def test_no_validity(centre):
    with bound(centre.port, "validity=none") as provider:
        provider.send(SMS)
    assert centre.submitted()[0].validity == b""


@pytest.mark.parametrize(
    ("sender", "sent"),
    [
        ("Shop", (5, 0, b"Shop")),
        ("24/7 Shop!", (5, 0, b"24/7 Shop!")),
        ("+15005550006", (1, 1, b"15005550006")),
        ("15005550006", (1, 1, b"15005550006")),
        ("73737", (3, 0, b"73737")),
        ("+12025550", (1, 1, b"12025550")),
        ("", (5, 0, b"Otpost")),
    ],
)
def test_senders(centre, provider, sender, sent):
    provider.send(replace(SMS, sender=sender))
    assert centre.submitted()[0].source == sent


def test_no_sender(centre):
    provider = from_url("main", f"smpp://tester:secret@127.0.0.1:{centre.port}")
    provider.send(SMS)
    provider.close()  # type: ignore[attr-defined]
    assert centre.submitted()[0].source == (0, 0, b"")


def test_other_kinds_of_numbers(centre):
    query = "from_type=0.1&to_type=2.8&system_type=OTP&service_type=CMT"
    with bound(centre.port, query) as provider:
        provider.send(replace(SMS, sender="73737"))
    (found,) = centre.submitted()
    assert (found.source, found.destination) == ((0, 1, b"73737"), (2, 8, b"12025550123"))
    assert found.service_type == b"CMT"
    assert centre.connections[0].bound == b"tester\0secret\0OTP\0\x34\0\0\0"


@pytest.mark.parametrize("sender", ["A name too long", "Größe", "a\nb", "+1" * 11, "1" * 21])
def test_a_sender_that_is_none(centre, provider, sender):
    with pytest.raises(AccountFailure):
        provider.send(replace(SMS, sender=sender))
    assert centre.heard == []


@pytest.mark.parametrize("number", ["", "12025550123", "+1202 555", "+1202555012345678", "+١٢٣"])
def test_a_number_that_is_none(centre, provider, number):
    with pytest.raises(PermanentFailure) as caught:
        provider.send(replace(SMS, to=number))
    assert (caught.value.code, isinstance(caught.value, AccountFailure)) == ("to", False)
    assert centre.heard == []


@pytest.mark.parametrize("text", ["a\0b", "\0", "é", "\ud800"])
def test_what_would_end_a_field_stands_in_none(text):
    """With all options and messages that are let through."""
    good = smpp_wire.Address(1, 1, "12025550123")
    submit = partial(smpp_wire.submit, good, good, b"", coding=0)
    for fields in ({"service_type": text}, {"validity": text}):
        with pytest.raises(ValueError, match=r"NUL|ascii"):
            submit(**fields)
    with pytest.raises(ValueError, match=r"NUL|ascii"):
        smpp_wire.submit(good._replace(digits=text), good, b"", coding=0)
    with pytest.raises(ValueError, match=r"NUL|ascii"):
        smpp_wire.bind("tester", text, "")


# --- the URL -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("smpp://a:k3pt@", "host"),
        ("smpp://a:k3pt@:2775", "host"),
        ("smpp://:k3pt@h", "system_id"),
        ("smpp://a@h", "password"),
        ("smpp://a:k3pt@h/path", "path"),
        ("smpp://a:k3pt%00@h", "password"),
        ("smpp://%C3%A9:k3pt@h", "system_id"),
        ("smpp://a:k3pt@h?base_url=https://x.example", "base_url="),
        ("smpp://a:k3pt@h?ssl_ca_certs=/etc/hosts", "ssl_ca_certs="),
        ("smpps://a:k3pt@h?ssl_ca_certs=/nowhere", "ssl_ca_certs="),
        ("smpp://a:k3pt@h?from=+15005550006", "from="),
        ("smpp://a:k3pt@h?from=A%20name%20too%20long", "from="),
        ("smpp://a:k3pt@h?window=0", "window="),
        ("smpp://a:k3pt@h?window=many", "window"),
        ("smpp://a:k3pt@h?enquire=0", "enquire="),
        ("smpp://a:k3pt@h?enquire=nan", "enquire="),
        ("smpp://a:k3pt@h?pause=-1", "pause="),
        ("smpp://a:k3pt@h?timeout=16", "timeout="),
        ("smpp://a:k3pt@h?long=sar", "long="),
        ("smpp://a:k3pt@h?alphabet=latin1", "alphabet"),
        ("smpp://a:k3pt@h?validity=yes", "validity="),
        ("smpp://a:k3pt@h?answer_ids=hex", "receipt_ids="),
        ("smpp://a:k3pt@h?answer_ids=octal&receipt_ids=hex", "answer_ids="),
        ("smpp://a:k3pt@h?from_type=9.9", "from_type="),
        ("smpp://a:k3pt@h?to_type=1", "to_type="),
        ("smpp://a:k3pt@h?system_type=%0A", "system_type="),
        ("smpp://a:k3pt@h?temporary=busy", "temporary="),
        ("smpp://a:k3pt@h?tls=yes", "tls"),
    ],
)
def test_bad_options_are_refused_by_name(url, named):
    with pytest.raises(BadProviderURL) as caught:
        from_url("main", url)
    assert named in str(caught.value)
    assert "k3pt" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("smpp://a:b@smsc.example", ("smsc.example", 2775, None)),
        ("smpps://a:b@smsc.example", ("smsc.example", 3550, "")),
        ("smpp://a:b@[::1]:2776", ("::1", 2776, None)),
    ],
)
def test_where_it_connects(monkeypatch, url, place):
    found = []
    monkeypatch.setattr(smpp_session, "Pipe", lambda place: found.append(place) or 1 / 0)
    provider = from_url("main", url)
    with pytest.raises(TemporaryFailure):
        provider.send(SMS)
    provider.close()  # type: ignore[attr-defined]
    assert found == [place]
