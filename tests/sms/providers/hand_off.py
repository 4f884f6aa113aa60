"""The contract of every hand-off, by HTTP or not: what all parts of the suite share.

``contract.py`` fills it in for HTTP, and ``tests/sms/mail/test_contract.py`` for SMTP.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sms.delivery.handover import LONGEST_WORD, hand_over
from sms.errors import (
    AccountFailure,
    OutcomeUnknown,
    PermanentFailure,
    ProviderError,
    TemporaryFailure,
    Unreachable,
)
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
    code="123456",
    purpose="login",
    locale="en",
    key="ref-1.1",
    email="somebody@example.com",
)

FUZZED = settings(max_examples=60)


def meaning_of(error: ProviderError) -> str:
    """The word of ``outcome_table`` for it."""
    if isinstance(error, AccountFailure):
        return "country" if error.here else "account"
    if isinstance(error, PermanentFailure) and error.opted_out:
        return "opted_out"
    kinds = {
        TemporaryFailure: "temporary",
        PermanentFailure: "refused",
        Unreachable: "unreachable",
        OutcomeUnknown: "unknown",
    }
    return kinds[type(error)]


class HandOffContract:
    """Subclass it, and say how the provider is built and what the vendor answers in each case."""

    url: str  # of the provider, with {base_url} and {timeout}
    accepted: tuple[int, str]  # the vendor's answer to a good request, status and body
    accepted_id: str
    refused_number: tuple[int, str]
    refused_credentials: tuple[int, str]
    throttled: tuple[int, str]
    #: Further refusals by what they mean: temporary, refused, opted_out, unreachable, account, country.
    refusals: ClassVar[dict[str, list[tuple[int, str]]]] = {}
    #: The module that opens connections, within its CONNECT_TIMEOUT.
    transport: ClassVar[str] = "sms.providers.transport"
    #: A short time-out, in seconds: enough for a call to get as far as the wait for its answer.
    patience: ClassVar[float] = 0.1

    @pytest.fixture
    def gateway(self) -> Iterator[Gateway]:
        with gateway() as found:
            yield found

    def provider(self, base_url: str, timeout: float = 5.0) -> Provider:
        return from_url("main", self.url.format(base_url=base_url, timeout=timeout))

    def written(self, status: int, body: str | bytes, **headers: str) -> bytes:
        """An answer as it is written."""
        return response(status, body, **headers)

    def answers(
        self, gateway: Gateway, status: int, body: str | bytes, timeout: float = 5.0, **headers: str
    ) -> Provider:
        gateway.answer = lambda: self.written(status, body, **headers)
        return self.provider(gateway.url, timeout)

    def is_accepted(self, id: str) -> bool:
        """Whether this is how the accepted message is known to the vendor."""
        return id == self.accepted_id

    def malformed(self) -> Iterable[bytes]:
        """Answers that say neither that the vendor has it nor that it has not."""
        raise NotImplementedError

    def odd_answers(self) -> st.SearchStrategy[bytes]:
        """Any other answer."""
        raise NotImplementedError

    def trust(self, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the provider take this certificate for the vendor's."""
        monkeypatch.setattr("sms.providers.tls.certifi.where", lambda: str(certificate))

    def break_tls(self, certificate: Path) -> Callable[[socket.socket], None]:
        """For ``one_connection``: read the whole message, then answer without TLS."""
        return break_tls(certificate)

    def test_accepted(self, gateway):
        assert self.is_accepted(self.answers(gateway, *self.accepted).send(SMS))
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
        assert SMS.email not in str(caught.value)

    def test_refused_credentials(self, gateway):
        with pytest.raises(AccountFailure):
            self.answers(gateway, *self.refused_credentials).send(SMS)

    def test_refusals(self, gateway):
        """Each error has its meaning, and none repeats the number."""
        for meaning, answers in self.refusals.items():
            for status, body in answers:
                with pytest.raises(ProviderError) as caught:
                    self.answers(gateway, status, body).send(SMS)
                error = caught.value
                assert (meaning_of(error), SMS.to in f"{error} {error.code}") == (meaning, False), body

    def test_throttled(self, gateway):
        with pytest.raises(TemporaryFailure):
            self.answers(gateway, *self.throttled).send(SMS)

    def test_a_message_without_a_code(self, gateway):
        """Only a vendor with templates needs one."""
        provider = self.answers(gateway, *self.accepted)
        if not provider.needs_code:
            plain = replace(SMS, code="", purpose="", locale="", body="Your parcel is here.")
            assert self.is_accepted(provider.send(plain))

    def test_a_malformed_answer_is_an_unknown_outcome(self, gateway):
        for answer in self.malformed():
            gateway.answer = lambda answer=answer: answer
            with pytest.raises(OutcomeUnknown):
                self.provider(gateway.url).send(SMS)

    def test_whatever_the_vendor_answers(self, gateway):
        """It is read, or it is an outcome that is known to be unknown; the module does not fail."""
        provider = self.provider(gateway.url)

        @FUZZED
        @given(answer=self.odd_answers())
        def hear(answer):
            gateway.answer = lambda: answer
            with capture_logs() as logs:
                try:
                    word = hand_over(provider, SMS)
                except ProviderError as error:
                    word = error.code
            assert logs == []
            assert len(word) <= LONGEST_WORD * len("\\U0001f600")
            assert word.isprintable()
            assert word.encode()

        hear()

    def test_read_timeout(self, gateway):
        gateway.delay = 3 * self.patience
        with pytest.raises(OutcomeUnknown) as caught:
            self.answers(gateway, *self.accepted, timeout=self.patience).send(SMS)
        assert caught.value.code == "read_timeout"

    def test_an_answer_that_drips(self, gateway):
        """Each byte comes in time, the whole does not: the timeout is for the whole."""
        gateway.drip = self.patience / 3
        with pytest.raises(OutcomeUnknown) as caught:
            self.answers(gateway, *self.accepted, timeout=1.5 * self.patience).send(SMS)
        assert caught.value.code == "read_timeout"

    def test_an_answer_without_end(self, gateway):
        """It would fill the worker's memory until the timeout."""
        status, body = self.accepted
        with pytest.raises(OutcomeUnknown):
            self.answers(gateway, status, body + " " * 1_000_000).send(SMS)

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
        monkeypatch.setattr(f"{self.transport}.CONNECT_TIMEOUT", 0.1)
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
        """Nothing was sent, so the outcome is known."""
        monkeypatch.setattr(f"{self.transport}.CONNECT_TIMEOUT", 0.1)
        with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TemporaryFailure):
            self.provider(f"https://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1).send(SMS)

    def test_a_tls_handshake_that_is_reset(self):
        with one_connection(reset) as url, pytest.raises(TemporaryFailure):
            self.provider(url).send(SMS)

    def test_tls_that_breaks_after_the_request(self, monkeypatch, tmp_path):
        """The vendor may have the message."""
        certificate = certify(tmp_path / "certificate.pem")
        self.trust(certificate, monkeypatch)
        with one_connection(self.break_tls(certificate)) as url, pytest.raises(OutcomeUnknown):
            self.provider(url).send(SMS)
