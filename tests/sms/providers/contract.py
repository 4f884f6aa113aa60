"""What every HTTP provider must do, whatever the vendor: one suite, a subclass per vendor.

A subclass says how to build the provider, what the vendor answers in each case, and how it signs a
receipt; the tests come from here.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sms import receipts, registry, store
from sms.delivery.handover import LONGEST_WORD, hand_over
from sms.errors import (
    LONGEST_HOLD,
    AccountFailure,
    OutcomeUnknown,
    PermanentFailure,
    ProviderError,
    ReceiptRejected,
    TemporaryFailure,
)
from sms.message import Receipt, State
from sms.providers import from_url
from sms.providers.base import Provider, Sms
from tests.sms.providers.gateway import (
    Gateway,
    break_tls,
    certify,
    gateway,
    one_connection,
    reset,
    response,
)

SMS = Sms(
    id="ref-1",
    to="+12025550123",
    body="Hello\n\n@a.example #123456",
    expires_in=90.7,
    callback_url="https://a.example/v1/receipts/main?reference=ref-1",
)
URL = SMS.callback_url

#: What may stand in JSON where a vendor's documents promise an id, a word or a number.
ODD_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(["\ud83d", "a\x00\r\n", "x" * 10_000, "", -1, 10**4000, 1e308, 2.5]),
    st.sampled_from([float("nan"), float("inf"), None, True, False, [], {}, [["x"]], {"id": ["x"]}]),
    st.text(st.characters(codec=None), max_size=20),
    st.integers(),
)
ODD_HEADERS = st.one_of(
    st.sampled_from(
        ["Mon, 01 Jan 99999999999 00:00:00 GMT", "Mon, 23 Nov 2026 10:00:30 +9999", "-1", "1e999"]
    ),
    st.sampled_from(["9" * 5000, "Mon, 23 Nov 2026 99:00:00 GMT", "Mon, 23 Nov 2026 10:00:00", "7, 7"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
)

FUZZED = settings(max_examples=60, deadline=None)


def bodies(accepted: str) -> st.SearchStrategy[bytes]:
    """Answers like ``accepted`` with odd values in it, and answers like none."""
    values = re.findall(r'"[^"]*"(?!\s*:)|\d+', accepted) or [accepted]

    def put(value: Any, place: str) -> bytes:
        return accepted.replace(place, json.dumps(value)).encode()

    return st.one_of(
        st.builds(put, ODD_VALUES, st.sampled_from(values)),
        ODD_VALUES.map(lambda value: json.dumps(value).encode()),
        st.sampled_from([b'{"id": ' + b"7" * 5000 + b"}", b"[" * 200_000, b'{"a":' * 5000, b"\xff\xfe{\x00"]),
        st.binary(max_size=50),
    )


class ProviderContract:
    """Subclass it as ``TestVendor`` and fill in what stands here."""

    url: str  # of the provider, with {base_url} and {timeout}
    accepted: tuple[int, str]  # the vendor's answer to a good request, status and body
    accepted_id: str
    refused_number: tuple[int, str]
    refused_credentials: tuple[int, str]
    throttled: tuple[int, str]

    def receipt(self, word: str, **changes: str) -> tuple[dict[str, str], bytes]:
        """Headers (lower-case) and body of a genuine receipt with the vendor's ``word``."""
        raise NotImplementedError

    def receipt_url(self, word: str) -> str:
        """The address that the vendor calls to report ``word``."""
        return URL

    def forgeries(self) -> list[tuple[dict[str, str], bytes, str]]:
        """Headers, body and address of reports that are not the vendor's."""
        headers, body = self.receipt("delivered")
        return [
            ({}, body, URL),
            (headers, body + b"&x=1", URL),
            (headers, body, URL.replace("ref-1", "ref-2")),
            (headers, b"\xff", URL),
            (dict.fromkeys(headers, "wrong"), body, URL),
        ]

    words: ClassVar[dict[str, State]]  # the vendor's words and what they mean

    @pytest.fixture
    def gateway(self) -> Iterator[Gateway]:
        with gateway() as found:
            yield found

    def provider(self, base_url: str, timeout: float = 5.0) -> Provider:
        return from_url("main", self.url.format(base_url=base_url, timeout=timeout))

    def answers(
        self, gateway: Gateway, status: int, body: str | bytes, timeout: float = 5.0, **headers: str
    ) -> Provider:
        gateway.answer = lambda: response(status, body, **headers)
        return self.provider(gateway.url, timeout)

    def test_accepted(self, gateway):
        assert self.answers(gateway, *self.accepted).send(SMS) == self.accepted_id
        assert len(gateway.requests) == 1

    def test_one_connection_serves_many_messages(self, gateway):
        provider = self.answers(gateway, *self.accepted)
        for _ in range(3):
            provider.send(SMS)
        assert (len(gateway.requests), gateway.connections) == (3, 1)

    def test_refused_number(self, gateway):
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *self.refused_number).send(SMS)
        assert not isinstance(caught.value, AccountFailure)
        assert caught.value.code
        assert SMS.to not in str(caught.value)

    def test_refused_credentials(self, gateway):
        with pytest.raises(AccountFailure):
            self.answers(gateway, *self.refused_credentials).send(SMS)

    def test_throttled_keeps_retry_after(self, gateway):
        with pytest.raises(TemporaryFailure) as caught:
            self.answers(gateway, *self.throttled, Retry_After="7").send(SMS)
        assert caught.value.retry_after == 7.0

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"Date": "Mon, 23 Nov 2026 10:00:00 GMT", "Retry_After": "Mon, 23 Nov 2026 10:00:30 GMT"}, 30.0),
            ({"Date": "Mon, 23 Nov 2026 10:00:00 GMT", "Retry_After": "Mon, 23 Nov 2026 09:00:00 GMT"}, 0.0),
            (
                {"Retry_After": format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)},
                LONGEST_HOLD,
            ),
            ({"Retry_After": "9" * 309}, LONGEST_HOLD),
            ({"Date": "today", "Retry_After": "Mon, 23 Nov 2026 10:00:30 GMT"}, None),
            ({"Retry_After": "soon"}, None),
            ({}, None),
        ],
    )
    def test_throttled_until_a_date(self, gateway, headers, seconds):
        with pytest.raises(TemporaryFailure) as caught:
            self.answers(gateway, *self.throttled, **headers).send(SMS)
        assert caught.value.retry_after == (seconds and pytest.approx(seconds, rel=0.01))

    @pytest.mark.parametrize("status", [408, 500, 502, 503])
    def test_trouble_at_the_vendor(self, gateway, status):
        with pytest.raises(TemporaryFailure):
            self.answers(gateway, status, "<html>").send(SMS)
        with pytest.raises(TemporaryFailure):
            self.answers(gateway, status, "[" * 200_000).send(SMS)

    @pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
    def test_a_redirect_is_refused_and_not_followed(self, gateway, status):
        """The vendor has taken nothing, as base_url= or the host is wrong; and nobody else gets the text."""
        with pytest.raises(AccountFailure) as caught:
            self.answers(gateway, status, "moved", Location=f"{gateway.url}/elsewhere").send(SMS)
        assert (caught.value.code, caught.value.here) == (f"redirect_{status}", False)
        assert "base_url=" in str(caught.value)
        assert len(gateway.requests) == 1

    @pytest.mark.parametrize("body", ["", "{", "[]", "null", "{}", "<html>", "[" * 200_000])
    def test_a_malformed_answer_is_an_unknown_outcome(self, gateway, body):
        with pytest.raises(OutcomeUnknown):
            self.answers(gateway, self.accepted[0], body).send(SMS)

    def test_whatever_the_vendor_answers(self, gateway):
        """It is read, or it is an outcome that is known to be unknown; the module does not fail."""
        statuses = st.sampled_from([200, 201, 202, 204, 302, 400, 401, 404, 429, 503])
        headers = st.dictionaries(st.sampled_from(["Retry_After", "Date"]), ODD_HEADERS, max_size=2)

        provider = self.provider(gateway.url)

        @FUZZED
        @given(status=statuses, body=bodies(self.accepted[1]), headers=headers)
        def answer(status, body, headers):
            gateway.answer = lambda: response(status, b"" if status == 204 else body, **headers)
            with capture_logs() as logs:
                try:
                    word = hand_over(provider, SMS)
                except ProviderError as error:
                    word = error.code
            assert logs == []
            assert len(word) <= LONGEST_WORD * len("\\U0001f600")
            assert word.isprintable()
            assert word.encode()

        answer()

    def test_read_timeout(self, gateway):
        gateway.delay = 1.0
        with pytest.raises(OutcomeUnknown) as caught:
            self.provider(gateway.url, timeout=0.2).send(SMS)
        assert caught.value.code == "read_timeout"

    def test_an_answer_that_drips(self, gateway):
        """Each byte comes in time, the whole does not: the timeout is for the whole."""
        gateway.drip = 0.05
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown) as caught:
            self.answers(gateway, *self.accepted, timeout=0.4).send(SMS)
        assert caught.value.code == "read_timeout"
        assert time.monotonic() - began < 1

    def test_an_answer_without_end(self, gateway):
        """It would fill the worker's memory for as long as the timeout lets it."""
        status, body = self.accepted
        with pytest.raises(OutcomeUnknown):
            self.answers(gateway, status, body + " " * 1_000_000).send(SMS)

    def test_a_chunk_of_a_negative_length(self, gateway):
        gateway.answer = lambda: b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello"
        with pytest.raises(OutcomeUnknown):
            self.provider(gateway.url).send(SMS)

    def test_an_answer_that_is_packed(self, gateway):
        """We ask for none, but some gateways send it; unpacked it may be a thousand times as long."""
        status, body = self.accepted
        packed = gzip.compress(body.encode())
        assert self.answers(gateway, status, packed, Content_Encoding="gzip").send(SMS) == self.accepted_id
        for layers, encoding in ((1, "gzip"), (2, "gzip, gzip")):
            bomb = body.encode() + b" " * 50_000_000
            for _ in range(layers):
                bomb = gzip.compress(bomb, 1)
            tracemalloc.start()
            try:
                with pytest.raises(OutcomeUnknown):
                    self.answers(gateway, status, bomb, Content_Encoding=encoding).send(SMS)
                assert tracemalloc.get_traced_memory()[1] < 10_000_000
            finally:
                tracemalloc.stop()

    def test_reset_after_the_request(self, gateway):
        gateway.answer = lambda: None
        with pytest.raises(OutcomeUnknown):
            self.provider(gateway.url).send(SMS)

    def test_refused_connection(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with pytest.raises(TemporaryFailure):
            self.provider(f"http://127.0.0.1:{port}").send(SMS)

    def test_connect_timeout(self, monkeypatch):
        """A full backlog: the kernel drops the SYN, nothing was ever sent."""
        monkeypatch.setattr("sms.providers.transport.CONNECT_TIMEOUT", 0.3)
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            port = full.getsockname()[1]
            held = []
            for _ in range(3):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
                held.append(filler)
            with pytest.raises(TemporaryFailure):
                self.provider(f"http://127.0.0.1:{port}").send(SMS)
            for filler in held:
                filler.close()

    def test_a_tls_handshake_that_never_ends(self, monkeypatch):
        """Nothing was sent, so it is no unknown outcome."""
        monkeypatch.setattr("sms.providers.transport.CONNECT_TIMEOUT", 0.3)
        with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TemporaryFailure):
            self.provider(f"https://127.0.0.1:{silent.getsockname()[1]}", timeout=0.3).send(SMS)

    def test_a_tls_handshake_that_is_reset(self):
        with one_connection(reset) as url, pytest.raises(TemporaryFailure):
            self.provider(url).send(SMS)

    def test_tls_that_breaks_after_the_request(self, monkeypatch, tmp_path):
        """Whether the vendor has the message, nobody knows."""
        certificate = certify(tmp_path / "certificate.pem")
        monkeypatch.setattr("sms.providers.transport.certifi.where", lambda: str(certificate))
        with one_connection(break_tls(certificate)) as url, pytest.raises(OutcomeUnknown):
            self.provider(url).send(SMS)

    def test_a_connection_that_took_too_long_is_not_used(self, gateway, monkeypatch):
        """By then the lease may be over, and another worker have the message."""
        monkeypatch.setattr("sms.providers.transport.LONGEST_CONNECT", 0.0)
        with pytest.raises(TemporaryFailure):
            self.answers(gateway, *self.accepted).send(SMS)
        assert not gateway.requests

    def test_genuine_receipts(self, gateway):
        provider = self.provider(gateway.url)
        for word, state in self.words.items():
            (found,) = provider.parse_receipts(*self.receipt(word), self.receipt_url(word))
            assert (found.reference, found.state, found.raw) == ("ref-1", state, word)

    def test_an_unknown_word_is_unknown(self, gateway):
        provider = self.provider(gateway.url)
        (found,) = provider.parse_receipts(*self.receipt("teleported"), self.receipt_url("teleported"))
        assert isinstance(found, Receipt)
        assert found.state is State.UNKNOWN

    def test_whatever_a_stranger_reports_is_rejected(self, gateway):
        headers, genuine = self.receipt("delivered")
        provider = self.provider(gateway.url)

        @FUZZED
        @given(
            value=st.text(st.characters(codec="latin-1"), max_size=50),
            body=st.binary(min_size=1, max_size=100),
            query=st.text(st.sampled_from("reftoknsaid=&%0fF7é\u202e"), max_size=50),
        )
        def report(value, body, query):
            for content in (body, genuine + body):
                with pytest.raises(ReceiptRejected):
                    provider.parse_receipts(dict.fromkeys(headers, value), content, f"{URL}&{query}")

        report()

    def test_forged_receipts_are_rejected(self, gateway):
        provider = self.provider(gateway.url)
        for forged in self.forgeries():
            with pytest.raises(ReceiptRejected):
                provider.parse_receipts(*forged)

    def test_a_genuine_receipt_passes_by_its_head_and_a_bare_one_does_not(self, gateway):
        """Nobody waits for the body of a receipt that cannot be genuine."""
        provider = self.provider(gateway.url)
        headers, _ = self.receipt(self.word(State.DELIVERED))
        provider.check_head(headers, self.receipt_url(self.word(State.DELIVERED)))
        with pytest.raises(ReceiptRejected):
            provider.check_head({}, "https://a.example/v1/receipts/main?reference=ref-1")

    @pytest.fixture
    def report(self, settings, monkeypatch, gateway):
        """Takes a receipt as the view does, for a message ``ref-1`` that this provider has accepted."""
        settings.PUBLIC_URL = "https://a.example"
        provider = self.provider(gateway.url)
        alias = registry.Alias(provider, slots=registry.Slots(1), share=1.0)
        monkeypatch.setattr(registry, "aliases", lambda: {"main": alias})
        args = {"id": "ref-1", "queue": "bulk", "sealed": "sealed", "kept": 60_000, "longest_wait": 0}
        fields = {"country": "US", "resend_unknown": "0"}
        store.send(args | {"aliases": [], "fields": fields}, expires_at=None, replaces="")
        store.claim("ref-1")
        store.finish("ref-1", State.SENT, alias="main")

        def take(word: str) -> tuple[int, State]:
            url = self.receipt_url(word)
            changed = receipts.take("main", *self.receipt(word), url.removeprefix(settings.PUBLIC_URL), url)
            message = store.get("ref-1")
            assert message is not None
            return changed, message.state

        return take

    def word(self, state: State) -> str:
        return next(word for word, meaning in self.words.items() if meaning is state)

    def test_a_replayed_receipt_changes_nothing(self, report):
        assert report(self.word(State.DELIVERED)) == (1, State.DELIVERED)
        assert report(self.word(State.DELIVERED)) == (0, State.DELIVERED)

    def test_receipts_out_of_order(self, report):
        report(self.word(State.DELIVERED))
        for late in (self.word(State.SENT), self.word(State.FAILED)):
            assert report(late) == (0, State.DELIVERED)

    def test_a_receipt_for_an_unknown_reference(self, report, redis):
        redis.flushall()
        word = self.word(State.DELIVERED)
        url = self.receipt_url(word)
        path = url.removeprefix("https://a.example")
        assert receipts.take("main", *self.receipt(word), path, url) == 0
        assert redis.keys() == []
