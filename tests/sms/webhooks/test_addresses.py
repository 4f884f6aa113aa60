"""Which addresses an event may go to, and that the one that was judged is the one that is called."""

from __future__ import annotations

import socket

import pytest
from structlog.testing import capture_logs

from sms import services
from sms.webhooks import addresses
from tests.sms.house import PHONE
from tests.sms.webhooks.conftest import due_now, send_all
from tests.sms.webhooks.receiver import SECRET


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("93.184.215.14", "public"),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", "public"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fc00::1", "private"),
        ("fd12:3456::1", "private"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("0.0.0.0", "reserved"),  # noqa: S104  # nothing listens there
        ("0.1.2.3", "reserved"),
        ("::", "reserved"),
        ("224.0.0.1", "reserved"),
        ("239.255.255.250", "reserved"),
        ("ff02::1", "reserved"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("192.0.2.1", "reserved"),
        ("198.18.0.1", "reserved"),
        ("2001:db8::1", "reserved"),
        ("fec0::1", "reserved"),
        ("::127.0.0.1", "reserved"),
        ("64:ff9b:1::7f00:1", "reserved"),
        # Who hands out credentials.
        ("169.254.169.254", "reserved"),
        ("fd00:ec2::254", "reserved"),
        ("100.100.100.200", "reserved"),
        ("168.63.129.16", "reserved"),
        # An IPv4 address in another coat.
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:10.0.0.1", "private"),
        ("::ffff:169.254.169.254", "reserved"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "reserved"),
        ("64:ff9b::5db8:d70e", "public"),
        ("2002:7f00:1::1", "loopback"),
        ("2002:a00:1::1", "private"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "reserved"),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", "loopback"),
    ],
)
def test_the_kind_of_an_address(address, kind):
    assert addresses.kind(address) == kind


def errors(redis) -> list[str]:
    services.send(PHONE, "Hello")
    with capture_logs() as logs:
        send_all()
    due_now()
    return [log["error"] for log in logs if log["event"] == "event_retried"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]"])
def test_loopback_is_refused_unless_it_is_allowed(receiver, settings, redis, host):
    """By whatever name or spelling: what counts is where it leads."""
    settings.WEBHOOKS = {"shop": receiver.url(host=host).replace("&allow=loopback", "")}
    assert errors(redis) == ["address_refused"]
    assert receiver.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_by_name_it_is_allowed(receiver, settings, redis, host):
    settings.WEBHOOKS = {"shop": receiver.url(host=host)}
    assert errors(redis) == []
    assert len(receiver.got) == 1


def test_what_allows_one_kind_allows_no_other(receiver, settings, redis):
    settings.WEBHOOKS = {"shop": receiver.url().replace("allow=loopback", "allow=private&allow=link-local")}
    assert errors(redis) == ["address_refused"]
    assert receiver.connections == 0


def answers(monkeypatch, *rounds: tuple[str, ...]) -> list[str]:
    """Let the system's resolver give these answers, one after the other. Returns what it was asked."""
    left, asked, real = list(rounds), [], socket.getaddrinfo

    def resolve(host, port, *args, **options):
        if not host.endswith(".example"):  # a thread may open a connection to Redis meanwhile
            return real(host, port, *args, **options)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in left.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_a_name_whose_answer_changes_leads_nowhere(receiver, settings, redis, monkeypatch):
    """It is asked once for each connection, and the answer that was judged is the one that counts."""
    receiver.head = {"Connection": "close"}
    settings.WEBHOOKS = {"shop": receiver.url(host="rebind.example")}
    asked = answers(monkeypatch, ("127.0.0.1",), ("169.254.169.254",), ("10.0.0.1",))
    reached = []
    connect = socket.socket.connect

    def noted(self, address):
        if address[1] == receiver.port:
            reached.append(address[0])
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    assert errors(redis) == []
    assert errors(redis) == ["address_refused"]
    assert reached == ["127.0.0.1"]
    assert asked.count("rebind.example") == 2


def test_of_several_answers_only_those_are_called_that_may_be(receiver, settings, redis, monkeypatch):
    settings.WEBHOOKS = {"shop": receiver.url(host="many.example")}
    answers(monkeypatch, ("10.0.0.1", "169.254.169.254", "127.0.0.1"))
    assert errors(redis) == []
    assert len(receiver.got) == 1


def test_a_name_that_nobody_knows(settings, redis):
    settings.WEBHOOKS = {"shop": f"https://nobody.invalid/#secret={SECRET}"}
    assert errors(redis) == ["name_unknown"]


def test_a_proxy_of_the_environment_is_not_used(receiver, settings, redis, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert errors(redis) == []
