"""E-mail by an ESP's API: django-anymail's real backend for Postmark, and an ESP on loopback."""

from __future__ import annotations

import json
import socket
import ssl

import pytest
from django.core import mail as django_mail

from sms import registry
from sms.errors import TemporaryFailure
from tests.sms.mail.test_smtp import ADDRESS, SMS, fails
from tests.sms.providers.gateway import certify, gateway, one_connection, reset, response

ACCEPTED = {
    "ErrorCode": 0,
    "Message": "OK",
    "MessageID": "0a129aee-e1cd-480d-b08d-4f48548ff48d",
    "SubmittedAt": "2026-11-28T05:00:00.0-05:00",
    "To": ADDRESS,
}


@pytest.fixture
def esp():
    with gateway() as found:
        found.answer = lambda: response(200, json.dumps(ACCEPTED))
        yield found


@pytest.fixture
def by_esp(settings):
    def made(url: str, timeout: float = 5.0, esp: str = "postmark"):
        settings.ANYMAIL = {
            "POSTMARK_SERVER_TOKEN": "token-of-the-server",
            "POSTMARK_API_URL": f"{url}/",
            "RESEND_API_KEY": "key-of-resend",
            "RESEND_API_URL": f"{url}/",
        }
        settings.SMS_PROVIDERS = {
            "mail": f"email://?from=codes@shop.example&backend=anymail.backends.{esp}.EmailBackend"
            f"&timeout={timeout}"
        }
        return registry.providers()["mail"]

    return made


def test_what_the_esp_gets(esp, by_esp):
    assert by_esp(esp.url).send(SMS) == ACCEPTED["MessageID"]
    ((path, headers, _),), (body,) = esp.requests, esp.bodies
    sent = json.loads(body)
    assert (path, headers["x-postmark-server-token"]) == ("/email", "token-of-the-server")
    assert sent["Subject"].startswith("123456 ")
    assert sent["TextBody"] == "123456 is your Shop code.\nDo not share it."
    assert "<strong" in sent["HtmlBody"]
    assert (sent["Metadata"], sent["Tag"]) == ({"id": "ref-1", "alias": "mail"}, "login")
    assert (sent["TrackOpens"], sent["TrackLinks"]) == (False, "None")
    assert {"Name": "Auto-Submitted", "Value": "auto-generated"} in sent["Headers"]


def test_one_connection_serves_many_letters(esp, by_esp):
    provider = by_esp(esp.url)
    for _ in range(3):
        provider.send(SMS)
    assert (len(esp.requests), esp.connections) == (3, 1)


def test_an_esp_that_cannot_turn_its_tracking_off_by_message(esp, by_esp):
    """That is set in its console. The mail is still sent."""
    esp.answer = lambda: response(200, json.dumps({"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}))
    assert by_esp(esp.url, esp="resend").send(SMS) == "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"
    sent = json.loads(esp.bodies[0])
    assert json.loads(sent["headers"]["X-Metadata"]) == {"id": "ref-1", "alias": "mail"}


@pytest.mark.parametrize(
    ("status", "answer", "meaning", "code"),
    [
        (
            422,
            {"ErrorCode": 300, "Message": f"Invalid 'To' address: '{ADDRESS}'."},
            "refused",
            "recipient_refused",
        ),
        (
            422,
            {"ErrorCode": 406, "Message": f"Found inactive addresses: {ADDRESS}.\nInactive recipients are …"},
            "refused",
            "recipient_refused",
        ),
        (422, {"ErrorCode": 402, "Message": "Invalid JSON"}, "refused", "422"),
        (400, {"Message": ADDRESS}, "refused", "400"),
        (401, {"ErrorCode": 10, "Message": "Bad or missing token"}, "account", "401"),
        (403, {}, "account", "403"),
        (302, {}, "account", "302"),
        (429, {}, "temporary", "429"),
        (500, {"ErrorCode": 100, "Message": "Maintenance"}, "temporary", "500"),
        (503, {}, "temporary", "503"),
    ],
)
def test_what_a_refusal_means(esp, by_esp, *, status, answer, meaning, code):
    esp.answer = lambda: response(status, json.dumps(answer))
    assert fails(by_esp(esp.url)) == (meaning, code)


def test_throttled_keeps_retry_after(esp, by_esp):
    esp.answer = lambda: response(429, "{}", Retry_After="7")
    with pytest.raises(TemporaryFailure) as caught:
        by_esp(esp.url).send(SMS)
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"ErrorCode": "x"}', "<html>"])
def test_a_malformed_answer_is_an_unknown_outcome(esp, by_esp, body):
    esp.answer = lambda: response(200, body)
    assert fails(by_esp(esp.url))[0] == "unknown"


def test_no_answer_in_time(esp, by_esp):
    esp.delay = 1.0
    assert fails(by_esp(esp.url, timeout=0.2))[0] == "unknown"


def test_reset_after_the_request(esp, by_esp):
    esp.answer = lambda: None
    assert fails(by_esp(esp.url))[0] == "unknown"


def test_an_esp_that_is_not_there(by_esp):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert fails(by_esp(f"http://127.0.0.1:{port}")) == ("temporary", "unreachable")


def test_a_certificate_of_nobody_is_refused(by_esp, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certify(tmp_path / "certificate.pem"))

    def serve(connection):
        with pytest.raises(OSError, match="alert"):
            context.wrap_socket(connection, server_side=True)

    with one_connection(serve) as url:
        assert fails(by_esp(url)) == ("temporary", "unreachable")


def test_a_tls_handshake_that_is_reset(by_esp):
    """requests does not tell it from a reset after the request, so the outcome is unknown."""
    with one_connection(reset) as url:
        assert fails(by_esp(url))[0] == "unknown"


def test_without_its_key_the_mail_is_refused_and_named(esp, by_esp, settings):
    provider = by_esp(esp.url)
    settings.ANYMAIL = {}
    assert fails(provider) == ("account", "AnymailConfigurationError")


def test_anymails_own_backend_for_tests(by_esp):
    """Any id from a backend can be stored."""
    provider = by_esp("https://esp.example", esp="test")
    django_mail.outbox = []
    assert [provider.send(SMS) for _ in range(2)] == ["0", "1"]
    assert django_mail.outbox[0].anymail_test_params["track_opens"] is False


def test_what_anymail_says_of_a_whole_send(by_esp):
    """A backend may say that the ESP failed, or that something of the project cancelled it."""
    from anymail.exceptions import AnymailCancelSend
    from anymail.signals import pre_send

    def cancel(**_):
        raise AnymailCancelSend

    provider = by_esp("https://esp.example", esp="test")
    pre_send.connect(cancel)
    try:
        assert fails(provider) == ("temporary", "not_taken")
    finally:
        pre_send.disconnect(cancel)
