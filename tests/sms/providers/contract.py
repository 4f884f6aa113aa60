"""The contract of every HTTP provider: one suite, a subclass per vendor.

A subclass says how to build the provider, what the vendor answers in each case, and how it signs a
receipt; the tests come from here.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms import receipts, registry, store
from sms.errors import (
    LONGEST_HOLD,
    AccountFailure,
    OutcomeUnknown,
    ProviderError,
    ReceiptRejected,
    TemporaryFailure,
)
from sms.message import Receipt, State
from sms.providers.vendor import TokenProvider
from tests.sms.providers.gateway import response
from tests.sms.providers.hand_off import FUZZED, SMS, HandOffContract, meaning_of

__all__ = [
    "FUZZED",
    "INBOUND_URL",
    "SMS",
    "TEXT",
    "URL",
    "USER",
    "FeedbackContract",
    "InboundContract",
    "PollContract",
    "ProviderContract",
    "ReceiptContract",
    "SenderContract",
    "contracts",
    "meaning_of",
    "with_field",
]

URL = SMS.callback_url
INBOUND_URL = "https://a.example/v1/inbound/main"

#: A message from a user.
USER, TEXT = "+12025550123", "Stop, please é"

#: Values in JSON where a vendor's documents promise an id, a word or a number.
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


@cache
def blanks() -> bytes:
    """Many of them, packed."""
    return gzip.compress(b" " * 50_000_000, 1)


class SenderContract(HandOffContract):
    """How a message is handed over by HTTP. Subclass it as ``TestVendor`` and fill in these fields."""

    def malformed(self) -> Iterable[bytes]:
        for body in ("", "{", "[]", "null", "{}", "<html>", "[" * 200_000):
            yield response(self.accepted[0], body)

    def odd_answers(self) -> st.SearchStrategy[bytes]:
        statuses = st.sampled_from([200, 201, 202, 204, 302, 400, 401, 404, 429, 503])
        headers = st.dictionaries(st.sampled_from(["Retry_After", "Date"]), ODD_HEADERS, max_size=2)

        def answer(status: int, body: bytes, headers: dict[str, str]) -> bytes:
            return response(status, b"" if status == 204 else body, **headers)

        return st.builds(answer, statuses, bodies(self.accepted[1]), headers)

    def test_a_repeated_hand_off_is_the_same(self, gateway):
        """A vendor that de-duplicates sees the same key, and another one for another hand-off."""
        provider = self.answers(gateway, *self.accepted)
        if not provider.repeats_safely:
            return
        for sms in (SMS, SMS, replace(SMS, key="ref-1.2")):
            provider.send(sms)
        sent = zip(gateway.requests, gateway.bodies, strict=True)
        first, again, other = (self.seen_key(path, headers, body) for (path, headers, _), body in sent)
        assert first == again != other

    def seen_key(self, path: str, headers: dict[str, str], body: bytes) -> object:
        """The part of a request by which the vendor recognises a repetition."""
        raise NotImplementedError

    def test_throttled(self, gateway):
        """It keeps Retry-After."""
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
        """The vendor has taken nothing, as base_url= or the host is wrong. No other host gets the text."""
        with pytest.raises(AccountFailure) as caught:
            self.answers(gateway, status, "moved", Location=f"{gateway.url}/elsewhere").send(SMS)
        assert (caught.value.code, caught.value.here) == (f"redirect_{status}", False)
        assert "base_url=" in str(caught.value)
        assert len(gateway.requests) == 1

    def test_a_chunk_of_a_negative_length(self, gateway):
        gateway.answer = lambda: b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello"
        with pytest.raises(OutcomeUnknown):
            self.provider(gateway.url).send(SMS)

    def test_an_answer_that_is_packed(self, gateway):
        """We ask for none, but some gateways send it; unpacked it may be a thousand times as long."""
        status, body = self.accepted
        packed = gzip.compress(body.encode())
        assert self.answers(gateway, status, packed, Content_Encoding="gzip").send(SMS) == self.accepted_id
        bomb = packed + blanks()  # gzip's members may follow each other
        for content, encoding in ((bomb, "gzip"), (gzip.compress(bomb, 1), "gzip, gzip")):
            tracemalloc.start()
            try:
                with pytest.raises(OutcomeUnknown):
                    self.answers(gateway, status, content, Content_Encoding=encoding).send(SMS)
                assert tracemalloc.get_traced_memory()[1] < 10_000_000
            finally:
                tracemalloc.stop()

    def test_a_connection_that_took_too_long_is_not_used(self, gateway, monkeypatch):
        """By then the lease may be over, and another worker have the message."""
        monkeypatch.setattr("sms.providers.transport.LONGEST_CONNECT", 0.0)
        with pytest.raises(TemporaryFailure):
            self.answers(gateway, *self.accepted).send(SMS)
        assert not gateway.requests


class ReceiptContract(SenderContract):
    """The same for a vendor that calls us with its receipts."""

    def receipt(self, word: str, **changes: str) -> tuple[dict[str, str], bytes]:
        """Headers (lower-case) and body of a genuine receipt with the vendor's ``word``."""
        raise NotImplementedError

    def receipt_url(self, word: str) -> str:
        """The address that the vendor calls to report ``word``."""
        return URL

    def forgeries(self) -> list[tuple[dict[str, str], bytes, str]]:
        """Headers, body and address of reports that are not the vendor's."""
        headers, body = self.receipt("delivered")
        forged = [
            ({}, body, URL),
            (headers, body + b"&x=1", URL),
            (headers, b"\xff", URL),
            (dict.fromkeys(headers, "wrong"), body, URL),
        ]
        if not self.provider("http://vendor.example").refers_by_own_id:
            # No report of one message may serve for another.
            forged.append((headers, body, URL.replace("ref-1", "ref-2")))
        return forged

    words: ClassVar[dict[str, State]]  # the vendor's words and what they mean

    def test_genuine_receipts(self, gateway):
        provider = self.provider(gateway.url)
        for word, state in self.words.items():
            (found,) = provider.parse_receipts(*self.receipt(word), self.receipt_url(word))
            assert (found.state, found.raw) == (state, word)
            if provider.refers_by_own_id:
                assert (found.reference, found.provider_message_id) == ("", self.accepted_id)
            else:
                assert found.reference == "ref-1"

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
        taken = []
        for forged in self.forgeries():
            with contextlib.suppress(ReceiptRejected):
                taken.append((forged, provider.parse_receipts(*forged)))
        assert taken == []

    def test_a_genuine_receipt_passes_by_its_head_and_a_bare_one_does_not(self, gateway):
        """The body of a receipt that cannot be genuine is not read."""
        provider = self.provider(gateway.url)
        headers, _ = self.receipt(self.word(State.DELIVERED))
        provider.check_head(headers, self.receipt_url(self.word(State.DELIVERED)))
        with pytest.raises(ReceiptRejected):
            provider.check_head({}, "https://a.example/v1/receipts/main?reference=ref-1")

    def test_the_token_of_a_message_opens_no_address_of_a_console(self, gateway):
        """Receipts of all messages go there, and an alias with the same secret may hand such tokens out."""
        provider = self.provider(gateway.url)
        if not isinstance(provider, TokenProvider) or not provider.set_in_console:
            return
        url, receipt = self.receipt_url(self.word(State.DELIVERED)), self.receipt(self.word(State.DELIVERED))
        for address in (provider.receipt_address(SMS), with_field(url, "reference")):
            with pytest.raises(ReceiptRejected, match="token belongs to a single message"):
                provider.parse_receipts(*receipt, address)
            with pytest.raises(ReceiptRejected, match="token belongs to a single message"):
                provider.check_head(receipt[0], address)

    @pytest.fixture
    def report(self, settings, monkeypatch, gateway):
        """Takes a receipt as the view does, for a message ``ref-1`` that this provider has accepted."""
        settings.PUBLIC_URL = "https://a.example"
        provider = self.provider(gateway.url)
        alias = registry.Alias(provider, slots=registry.Slots(1), share=1.0)
        monkeypatch.setattr(registry, "aliases", lambda: {"main": alias})
        args = {"id": "ref-1", "queue": "bulk", "sealed": "sealed", "kept": 60_000, "longest_wait": 0}
        fields = {"country": "US", "resend_unknown": "0"}
        store.send(args | {"aliases": [], "found_by": [], "fields": fields}, expires_at=None, replaces="")
        store.claim("ref-1")
        after = alias.after(is_code=False, id=self.accepted_id)
        store.finish("ref-1", State.SENT, alias="main", provider_message_id=self.accepted_id, after=after)

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
        for late in {State.SENT, State.FAILED} & {*self.words.values()}:
            assert report(self.word(late)) == (0, State.DELIVERED)

    def test_a_receipt_for_an_unknown_reference(self, report, redis):
        redis.flushall()
        word = self.word(State.DELIVERED)
        url = self.receipt_url(word)
        path = url.removeprefix("https://a.example")
        assert receipts.take("main", *self.receipt(word), path, url) == 0
        kept = redis.keys()
        if self.provider("http://vendor.example").refers_by_own_id:
            # It may have overtaken the answer of its call, and waits for it a moment.
            assert [0 < redis.pttl(name) <= 60_000 for name in kept] == [True]
        else:
            assert kept == []


class PollContract(SenderContract):
    """The same for a vendor that is asked what became of a message."""

    #: Its answers, and what each means; None: nothing new is known.
    looked_up: ClassVar[list[tuple[tuple[int, str], State | None]]]

    def test_looking_up(self, gateway):
        for answer, state in self.looked_up:
            provider = self.answers(gateway, *answer)
            assert provider.reports_by_poll
            found = provider.look_up("ref-1", self.accepted_id)
            assert (found.state if found else None) is state
            assert found is None or (found.reference, found.provider_message_id) == (
                "ref-1",
                self.accepted_id,
            )

    def test_a_look_up_that_fails(self, gateway):
        for status, body in ((500, "<html>"), (200, "["), (429, ""), self.refused_credentials):
            with pytest.raises(ProviderError):
                self.answers(gateway, status, body).look_up("ref-1", self.accepted_id)

    def test_whatever_a_look_up_answers(self, gateway):
        provider = self.provider(gateway.url)
        good = next(answer for answer, state in self.looked_up if state is State.DELIVERED)

        @FUZZED
        @given(body=bodies(good[1]))
        def answer(body):
            gateway.answer = lambda: response(200, body)
            with contextlib.suppress(ProviderError):
                found = provider.look_up("ref-1", self.accepted_id)
                assert found is None or isinstance(found, Receipt)

        answer()


class FeedbackContract(SenderContract):
    """The same for a vendor that is told which codes were typed. ``url`` has feedback=yes."""

    told: tuple[int, str] = (200, "")  # its answer

    def feedback(self, converted: bool) -> tuple[str, object]:
        """Path and query of the request, and its body as JSON, or as a form."""
        raise NotImplementedError

    def test_feedback(self, gateway):
        provider = self.answers(gateway, *self.told)
        assert provider.takes_feedback
        for converted in (True, False):
            provider.feed_back("ref-1", self.accepted_id, converted=converted)
            path, headers, form = gateway.requests[-1]
            is_json = "json" in headers.get("content-type", "")
            body = json.loads(gateway.bodies[-1]) if is_json and gateway.bodies[-1] else form
            assert (path, body) == self.feedback(converted)

    def test_feedback_that_is_refused(self, gateway):
        provider = self.answers(gateway, *self.refused_credentials)
        with pytest.raises(ProviderError):
            provider.feed_back("ref-1", self.accepted_id, converted=True)


class InboundContract(SenderContract):
    """The same for a vendor that hands over what users send."""

    #: The sender of ``TEXT``, as the vendor hands it on.
    user: ClassVar[str] = USER

    def inbound(self) -> tuple[dict[str, str], bytes]:
        """Headers (lower-case) and body of ``TEXT`` as ``USER`` sent it."""
        raise NotImplementedError

    def inbound_url(self) -> str:
        """The address that the vendor calls."""
        return INBOUND_URL

    def inbound_forgeries(self) -> list[tuple[dict[str, str], bytes, str]]:
        """Headers, body and address that are not the vendor's."""
        headers, body = self.inbound()
        return [
            ({}, body, INBOUND_URL),
            (dict.fromkeys(headers, "wrong"), body, INBOUND_URL),
            (headers, b"\xff", INBOUND_URL),
        ]

    def test_what_a_user_sends(self, gateway):
        provider = self.provider(gateway.url)
        assert provider.receives
        (found,) = provider.parse_inbound(*self.inbound(), self.inbound_url())
        assert (found.phone, found.text) == (self.user, TEXT)
        assert found.id
        assert self.user not in repr(found)
        assert TEXT not in repr(found)

    def test_what_only_looks_so_is_rejected(self, gateway):
        provider = self.provider(gateway.url)
        for forged in self.inbound_forgeries():
            with pytest.raises(ReceiptRejected):
                provider.parse_inbound(*forged)

    def test_the_token_of_a_message_opens_no_inbound_address(self, gateway):
        """The address of one message's receipts must not work for messages from users."""
        provider = self.provider(gateway.url)
        if not isinstance(provider, TokenProvider):
            return
        address = provider.receipt_address(replace(SMS, callback_url=f"{INBOUND_URL}?reference={SMS.id}"))
        for url in (address, with_field(self.inbound_url(), "reference")):
            with pytest.raises(ReceiptRejected, match="token belongs to a single message"):
                provider.parse_inbound(*self.inbound(), url)

    def test_whatever_a_stranger_sends_is_rejected(self, gateway):
        headers, genuine = self.inbound()
        provider = self.provider(gateway.url)

        @FUZZED
        @given(
            value=st.text(st.characters(codec="latin-1"), max_size=50),
            body=st.binary(min_size=1, max_size=100),
        )
        def hand_over(value, body):
            for content in (body, genuine + body):
                with pytest.raises(ReceiptRejected):
                    provider.parse_inbound(dict.fromkeys(headers, value), content, INBOUND_URL)

        hand_over()


class ProviderContract(ReceiptContract):
    """A vendor that calls us with its receipts, as most do."""


def with_field(url: str, name: str) -> str:
    """The address with one more, empty field."""
    return f"{url}{'&' if '?' in url else '?'}{name}="


def contracts() -> dict[str, type[SenderContract]]:
    """Every vendor's, by its name, out of the files beside this one."""
    found: dict[str, type[SenderContract]] = {}
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        module = import_module(f"tests.sms.providers.{file.stem}")
        for name, cls in vars(module).items():
            if name.startswith("Test") and isinstance(cls, type) and issubclass(cls, SenderContract):
                found[name.removeprefix("Test")] = cls
    return found
