"""E-mail by SMTP, on real sockets: what arrives, what a refusal means, servers that hang, reset or babble."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import replace

import pytest

from sms import registry
from sms.delivery.handover import hand_over
from sms.errors import OutcomeUnknown, ProviderError, Unreachable
from sms.mail import carrier
from sms.providers.base import Sms
from tests.sms.mail.servers import (
    PASSWORD,
    USER,
    babble,
    drip,
    hang,
    postbox,
    reset,
    scripted,
)
from tests.sms.providers.gateway import certify
from tests.sms.providers.hand_off import meaning_of

ADDRESS = "somebody@example.com"
SMS = Sms(
    id="ref-1",
    to="+12025550123",
    body="123456 is your Shop code.\nDo not share it.\n\n@shop.example #123456",
    expires_in=90.7,
    code="123456",
    purpose="login",
    locale="de",
    key="ref-1.1",
    email=ADDRESS,
)


def fails(provider, sms=SMS) -> tuple[str, str]:
    """The meaning of its error, and its code. No error tells the address."""
    with pytest.raises(ProviderError) as caught:
        hand_over(provider, sms)
    error = caught.value
    assert ADDRESS not in f"{error} {error.code} {error.__cause__}"
    return meaning_of(error), error.code


def test_what_arrives(mail):
    with postbox() as box:
        id = mail(box.port).send(SMS)
    (letter,) = box.mails
    assert box.envelopes == [("codes@shop.example", [ADDRESS])]
    assert letter["subject"] == "123456 ist Ihr Bestätigungscode"
    assert letter["from"] == "Shop <codes@shop.example>"
    assert letter["message-id"] == id
    assert id.endswith("@shop.example>")
    assert SMS.id in id
    assert letter["auto-submitted"] == "auto-generated"
    assert letter["x-auto-response-suppress"] == "All"
    assert letter["date"]
    assert letter.get_content_type() == "multipart/alternative"
    text, html = letter.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text.get_content().split("\r\n")[:2] == ["123456 is your Shop code.", "Do not share it."]
    assert "123456</strong> is your Shop code.<br>" in html.get_content()


def test_a_route_may_name_the_sender(mail):
    with postbox() as box:
        mail(box.port).send(replace(SMS, sender="other@shop.example"))
        assert fails(mail(box.port), replace(SMS, sender="Shop")) == ("account", "from")
    assert [sender for sender, _ in box.envelopes] == ["other@shop.example"]


def test_without_one_the_project_has_a_sender(mail, settings):
    settings.DEFAULT_FROM_EMAIL = "hello@project.example"
    with postbox() as box:
        provider = mail(box.port)
        provider.sender = ""
        assert provider.send(SMS).endswith("@project.example>")
    assert box.mails[0]["from"] == "hello@project.example"


@pytest.mark.parametrize(
    ("sender", "meaning"),
    [(f"a@{'x' * 64}.example", "account"), ("Shop\n <a@shop.example>", "refused")],
)
def test_a_sender_with_which_no_mail_can_be_written(mail, settings, sender, meaning):
    settings.DEFAULT_FROM_EMAIL = sender
    with postbox() as box:
        provider = mail(box.port)
        provider.sender = ""
        assert fails(provider)[0] == meaning
    assert box.mails == []


def test_a_message_without_an_address_is_for_the_next_channel(mail):
    with pytest.raises(Unreachable, match="no e-mail address"):
        mail(9).send(replace(SMS, email=""))


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        f"a@{'x' * 64}.example",
        "a@x..example",
        "a@straße.example",
        "a@STRAẞE.example",
        "a@b@c",
        "a b@c.example",
        "a@c.example\r\nBcc: x@y.example",
        "<a@c.example>",
        "ü@c.example",
        "a@",
    ],
)
def test_what_is_no_address_reaches_no_server(mail, address):
    with postbox() as box:
        assert fails(mail(box.port), replace(SMS, email=address)) == ("refused", "address")
    assert box.mails == []


def test_a_domain_of_another_alphabet(mail):
    with postbox() as box:
        mail(box.port).send(replace(SMS, email="a@bücher.example"))
    assert box.envelopes[0][1] == ["a@xn--bcher-kva.example"]


# --- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "answer", "meaning", "code"),
    [
        ("greeting", "421 4.3.2 too busy", "temporary", "4.3.2"),
        ("greeting", "554 5.7.1 no service for you", "account", "5.7.1"),
        ("EHLO", "502 5.5.1 nor HELO", "account", "5.5.2"),
        ("MAIL", "451 4.7.0 slow down", "temporary", "4.7.0"),
        ("MAIL", "550 5.7.1 not from you", "account", "5.7.1"),
        ("MAIL", "530 5.7.0 log in first", "account", "5.7.0"),
        ("RCPT", f"450 4.2.1 <{ADDRESS}> greylisted", "temporary", "4.2.1"),
        ("RCPT", f"452 4.2.2 <{ADDRESS}> is full", "temporary", "4.2.2"),
        ("RCPT", f"550 5.1.1 <{ADDRESS}> unknown", "refused", "5.1.1"),
        ("RCPT", f"550 {ADDRESS} unknown", "refused", "550"),
        ("RCPT", "553-5.1.3 bad\r\n553 5.1.3 address", "refused", "5.1.3"),
        ("RCPT", "550 5.1.8 your domain", "account", "5.1.8"),
        ("RCPT", "530 5.7.0 log in first", "account", "5.7.0"),
        ("RCPT", "554 5.7.1 relay access denied", "refused", "5.7.1"),
        ("DATA", "451 4.3.0 later", "temporary", "4.3.0"),
        ("DATA", "554 5.5.1 no valid recipients", "account", "5.5.1"),
        ("end", "451 4.3.0 queue file", "temporary", "4.3.0"),
        ("end", "454 Throttling failure: Maximum sending rate exceeded.", "temporary", "454"),
        ("end", "554 Message rejected: Email address is not verified.", "account", "554"),
        ("end", f"550 5.1.1 <{ADDRESS}> unknown", "refused", "5.1.1"),
        ("end", "552 5.2.2 the mailbox is full", "refused", "5.2.2"),
        ("end", "421 4.3.2 going down", "temporary", "4.3.2"),
        ("end", "250-2.0.0 all", "unknown", "read_timeout"),
        ("end", "what is this", "unknown", "-1"),
        ("end", "299 odd", "unknown", "299"),
        ("MAIL", "what is this", "temporary", "-1"),
        ("RCPT", "what is this", "temporary", "-1"),
        ("RCPT", "550 4.1.1 which now?", "refused", "550"),
        ("RCPT", "550 5.1.1bad", "refused", "550"),
    ],
)
def test_what_a_refusal_means(mail, step, answer, meaning, code):
    with scripted(**{step: answer}) as server:
        provider = mail(server.port)
        provider.timeout = 0.3 if code == "read_timeout" else 5.0
        assert fails(provider) == (meaning, code)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_the_same_of_a_real_server(mail, step):
    with postbox() as box:
        provider = mail(box.port)
        box.refuses = {step: "451 4.3.0 later"}
        assert fails(provider) == ("temporary", "4.3.0")
        box.refuses = {step: f"550 5.1.1 <{ADDRESS}> unknown"}
        assert fails(provider)[0] == ("account" if step == "MAIL" else "refused")
        box.refuses = {}
        provider.send(SMS)
    assert len(box.mails) == 1


# --- logging in, and TLS -----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_logging_in(mail):
    with postbox(auth=True) as box:
        mail(box.port, username=USER, password=PASSWORD).send(SMS)
        assert fails(mail(box.port, username=USER, password="wrong")) == ("account", "5.7.8")
        assert fails(mail(box.port)) == ("account", "5.7.0")
    assert len(box.mails) == 1


def test_a_login_that_fails_for_now(mail):
    with scripted(EHLO="250-x\r\n250 AUTH PLAIN", AUTH="454 4.7.0 later") as server:
        assert fails(mail(server.port, username=USER, password=PASSWORD)) == ("temporary", "4.7.0")


def test_a_server_that_offers_no_login(mail):
    with postbox() as box:
        assert fails(mail(box.port, username=USER, password=PASSWORD)) == ("account", "not_offered")


@pytest.fixture(params=["use_tls", "use_ssl"])
def over_tls(request, tmp_path):
    certificate = certify(tmp_path / "certificate.pem")
    with postbox(certificate, tls=request.param == "use_ssl") as box:
        yield box, {request.param: True}, certificate


def test_over_tls(mail, over_tls):
    box, how, certificate = over_tls
    provider = mail(box.port, f"&ssl_ca_certs={certificate}", **how)
    for _ in range(2):
        provider.send(SMS)
    assert (len(box.mails), len(box.sessions)) == (2, 1)


def test_a_certificate_of_nobody_is_refused(mail, over_tls, tmp_path):
    box, how, _ = over_tls
    assert fails(mail(box.port, **how)) == ("temporary", "certificate")
    other = certify(tmp_path / "other.pem")
    assert fails(mail(box.port, f"&ssl_ca_certs={other}", **how)) == ("temporary", "certificate")
    assert box.mails == []


def test_a_certificate_of_another_name_is_refused(mail, over_tls):
    box, how, certificate = over_tls
    provider = mail(box.port, f"&ssl_ca_certs={certificate}", **(how | {"host": "localhost"}))
    assert fails(provider) == ("temporary", "certificate")
    assert box.mails == []


def test_without_tls_where_it_is_wanted_nothing_is_sent(mail):
    with postbox() as box:
        assert fails(mail(box.port, use_tls=True)) == ("account", "not_offered")
    assert box.mails == []


def test_what_came_before_starttls_in_clear_is_forgotten(mail, tmp_path):
    """Somebody on the path adds an answer to the one to STARTTLS. It must not count after the handshake."""
    with scripted(EHLO="250-x\r\n250 STARTTLS", STARTTLS="220 go\r\n250 2.0.0 I took it") as server:
        assert fails(mail(server.port, use_tls=True))[0] == "temporary"
    assert server.letters == 0


# --- servers that hang, reset, drip and babble -------------------------------------------------------

STEPS = ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"]


@pytest.mark.parametrize("mischief", [hang, drip])
@pytest.mark.parametrize("step", STEPS)
def test_a_hang_ends_in_time(mail, step, mischief):
    with scripted(**{step: mischief}) as server:
        provider = mail(server.port)
        provider.timeout = 0.3
        meaning, code = fails(provider)  # or it would never return
    if step == "end":
        assert (meaning, code) == ("unknown", "read_timeout")
    else:
        assert meaning == "temporary"


@pytest.mark.parametrize("mischief", [reset, babble])
@pytest.mark.parametrize("step", STEPS)
def test_a_reset_or_an_answer_without_end(mail, step, mischief):
    with scripted(**{step: mischief}) as server:
        assert fails(mail(server.port))[0] == ("unknown" if step == "end" else "temporary")


def test_nobody_listens(mail):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert fails(mail(port)) == ("temporary", "unreachable")


def test_a_tls_handshake_that_never_ends(mail, monkeypatch):
    monkeypatch.setattr("sms.mail.smtp.CONNECT_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert fails(mail(silent.getsockname()[1], use_ssl=True)) == ("temporary", "unreachable")


def test_a_name_that_took_too_long_to_be_found(mail, monkeypatch):
    """By then the lease may be over, and another worker have the message."""
    found = socket.getaddrinfo

    def slowly(*args, **options):
        time.sleep(0.3)
        return found(*args, **options)

    with postbox() as box:
        provider = mail(box.port)
        provider.timeout = 0.2
        monkeypatch.setattr(socket, "getaddrinfo", slowly)
        assert fails(provider) == ("temporary", "unreachable")
    assert box.mails == []


# --- connections that are kept -----------------------------------------------------------------------


def test_one_connection_serves_many_letters(mail):
    with scripted() as server:
        provider = mail(server.port)
        for _ in range(3):
            provider.send(SMS)
    assert (server.letters, server.connections) == (3, 1)


def test_it_serves_after_a_refusal_too(mail):
    with scripted(RCPT="550 5.1.1 unknown") as server:
        provider = mail(server.port)
        fails(provider)
        server.says.clear()
        provider.send(SMS)
    assert (server.letters, server.connections) == (1, 1)


def test_as_many_are_kept_as_calls_may_run_at_once(mail):
    together = threading.Barrier(4)

    def answer(connection):
        together.wait(5)
        connection.sendall(b"250 OK\r\n")
        return True

    with scripted(end=answer) as server:
        provider = mail(server.port)
        provider.pool_size = 2
        threads = [threading.Thread(target=provider.send, args=(SMS,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert (server.letters, server.connections) == (4, 4)
        deadline = time.monotonic() + 5
        while len(server.open) > 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(server.open) == 2


def test_one_that_the_server_has_closed_meanwhile_is_replaced(mail):
    with scripted() as server:
        provider = mail(server.port)
        provider.send(SMS)
        for connection in server.open:
            connection.shutdown(socket.SHUT_RDWR)
        provider.send(SMS)
    assert (server.letters, server.connections) == (2, 2)


@pytest.mark.parametrize("mischief", ["421 4.7.0 that was enough", reset])
def test_one_that_the_server_ends_when_it_is_asked_is_replaced(mail, mischief):
    """It counts the letters of a connection, or closed it while ours was on its way."""

    def once(connection):
        del server.says["MAIL"]
        if callable(mischief):
            mischief(connection)
        else:
            connection.sendall(f"{mischief}\r\n".encode())

    with scripted() as server:
        provider = mail(server.port)
        provider.send(SMS)
        server.says["MAIL"] = once
        provider.send(SMS)
    assert (server.letters, server.connections) == (2, 2)


def test_one_that_was_silent_for_long_is_not_used(mail, monkeypatch):
    monkeypatch.setattr(carrier, "KEPT", 0.0)
    with scripted() as server:
        provider = mail(server.port)
        provider.send(SMS)
        provider.send(SMS)
    assert (server.letters, server.connections) == (2, 2)


def test_a_letter_that_may_have_arrived_is_not_sent_again(mail):
    """Also not where the connection was an old one."""
    with scripted() as server:
        provider = mail(server.port)
        provider.send(SMS)
        server.says["."] = reset
        with pytest.raises(OutcomeUnknown):
            provider.send(SMS)
    assert (server.letters, server.connections) == (2, 1)


def test_a_child_process_speaks_on_none_of_them(mail):
    with scripted() as server:
        provider = mail(server.port)
        provider.send(SMS)
        child = os.fork()
        if not child:
            os._exit(len(provider.carry._free))
        assert os.waitpid(child, 0)[1] == 0
        provider.send(SMS)
    assert (server.connections, "QUIT" in server.heard) == (1, False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_settings_of_django_before_6_1(settings):
    """EMAIL_HOST and the like, which Django 6.1 still reads where there is no MAILERS."""
    del settings.MAILERS
    with postbox(auth=True) as box:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", box.port
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = USER, PASSWORD
        settings.SMS_PROVIDERS = {"mail": "email://?from=codes@shop.example&timeout=5"}
        registry.providers()["mail"].send(SMS)
    assert len(box.mails) == 1
