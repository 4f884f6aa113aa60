"""Whose address a request is from: a forged X-Forwarded-For changes nothing."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory

from config.demo.leash import Leash
from config.demo.ports import free_port
from otp import caller, services
from otp.caller import Caller, caller_of, normalise
from sms.testing import outbox
from tests.config.observe import eventually

ROOT = Path(__file__).parents[2]
PROXY = "10.0.0.1"
USER, FORGED = "203.0.113.7", "198.51.100.66"


def seen(peer: str, forwarded: str | None = None) -> str:
    request = RequestFactory().get("/", REMOTE_ADDR=peer)
    if forwarded is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded
    return caller_of(request).ip


@pytest.mark.parametrize(
    ("peer", "forwarded", "ip"),
    [
        # No proxy in between, or none that we know.
        (USER, None, USER),
        (USER, FORGED, USER),
        (USER, f"{FORGED}, {PROXY}", USER),
        # The right-most that is not ours; what stands left of it is a claim.
        (PROXY, USER, USER),
        (PROXY, f"{FORGED}, {USER}", USER),
        (PROXY, f"{FORGED},{USER},10.0.0.2", USER),
        (PROXY, f"{PROXY}, {FORGED}, {USER}", USER),
        (PROXY, f"nonsense, {USER}", USER),
        # All are ours: the one that is furthest away.
        (PROXY, "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (PROXY, None, PROXY),
        # Garbage from a proxy of ours: the last one that is known.
        (PROXY, "", PROXY),
        (PROXY, "unknown", PROXY),
        (PROXY, f"{USER}, unknown", PROXY),
        (PROXY, f"{USER}, , 10.0.0.2", "10.0.0.2"),
        (PROXY, f"{USER}, 1.2.3.4.5", PROXY),
        (PROXY, f"{USER}, [2001:db8::1", PROXY),
        (PROXY, f"{USER}, fe80::1%eth0", PROXY),
        (PROXY, f"{USER}, \x00", PROXY),
        # Ports, brackets, quotes, and IPv4 in IPv6's clothes.
        (PROXY, f"{USER}:4711", USER),
        (PROXY, "2001:db8::7", "2001:db8::7"),
        (PROXY, "[2001:DB8::7]", "2001:db8::7"),
        (PROXY, "[2001:db8:0::7]:4711", "2001:db8::7"),
        (PROXY, f'"{USER}"', USER),
        (PROXY, f' \t "{USER}" ', USER),
        (PROXY, '"[2001:db8::7]:4711"', "2001:db8::7"),
        (PROXY, f"::ffff:{USER}", USER),
        (PROXY, f"{FORGED}, {USER}, ::ffff:10.0.0.2", USER),
        (f"::ffff:{PROXY}", USER, USER),
        (f"::ffff:{USER}", FORGED, USER),
        ("2001:db8:1::1", f"{FORGED}, {USER}", USER),
        # Nobody has so many proxies in a row. The addresses left of them are not read.
        (PROXY, ",".join([USER] + ["10.0.0.2"] * 31), USER),
        (PROXY, ",".join([USER] + ["10.0.0.2"] * 40), "10.0.0.2"),
        # IPv4 in another form is not our proxy: nobody has proved to own it.
        ("2002:a00:1::1", USER, "2002:a00:1::1"),
        # A Unix socket.
        ("", USER, ""),
        ("localhost", USER, ""),
    ],
)
def test_the_end_users_address(settings, peer, forwarded, ip):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "2001:db8:1::/48"]
    assert seen(peer, forwarded) == ip


def test_without_trusted_proxies_it_is_the_connections(settings):
    settings.TRUSTED_PROXIES = []
    assert seen(PROXY, USER) == PROXY
    del settings.TRUSTED_PROXIES
    assert seen(PROXY, USER) == PROXY


def test_in_a_project_too_a_proxy_that_nobody_named_is_told_of(settings, monkeypatch, caplog):
    """Such a project may have none of our middleware."""
    monkeypatch.setattr(caller, "_told", set())
    settings.TRUSTED_PROXIES = []
    seen(PROXY)
    assert not caplog.records
    seen(PROXY, USER)
    seen(PROXY, USER)
    (record,) = caplog.records
    assert (record.msg["event"], record.msg["peer"]) == ("forwarded_for_ignored", "private")


def test_a_long_header_costs_little(settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert seen(PROXY, ",".join([FORGED] * 50_000 + [USER])) == USER


@pytest.mark.parametrize("hop", ['{}x"y', '"{}"x', "[{}", "1{}:5", "{}", "1.1.1.1{}"])
@pytest.mark.parametrize("filling", [" ", '"', "[", "1", ":", "."])
def test_no_hop_takes_long_to_read(settings, hop, filling):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    began = time.thread_time()
    seen(PROXY, f"{USER},{hop.format(filling * 50_000)}")
    assert time.thread_time() - began < 1


def test_a_malformed_network_is_named(settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/99"]
    with pytest.raises(ImproperlyConfigured, match="TRUSTED_PROXIES"):
        seen(PROXY)


@pytest.mark.parametrize(
    "text", ["", "x", "1.2.3", "1.2.3.4:5", "[::1]", "fe80::1%1", "1.2.3.4\n", "٣.1.1.1"]
)
def test_what_is_no_address(text):
    with pytest.raises(ValueError, match="address"):
        normalise(text)


def test_the_pages_say_who_asks(settings, monkeypatch, redis):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    callers = []
    for name in ("start", "resend"):
        real = getattr(services, name)

        def noted(*args, caller, _real=real, **options):
            callers.append(caller)
            return _real(*args, caller=caller, **options)

        monkeypatch.setattr(services, name, noted)
    browser = Client(headers={"X-Forwarded-For": f"{FORGED}, {USER}", "X-Forwarded-Proto": "https"})
    assert browser.post("/", {"phone": "+12025550123"}).status_code == 303
    for key in redis.keys("otp:phone:*"):
        redis.hset(key, "resend_at", 0)
    assert browser.post("/resend").status_code == 303
    assert len(outbox) == 2
    redis.delete(*redis.keys("otp:verification:*"))
    for key in redis.keys("otp:phone:*"):
        redis.hset(key, "resend_at", 0)
    assert browser.post("/resend").status_code == 303  # over, so it is a start
    assert len(outbox) == 3
    assert callers == [Caller(ip=USER)] * 4


# --- through a real server --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web():
    """A real web process whose only page says whom it sees; 127.0.0.1 is its proxy."""
    port = free_port()
    leash = Leash()
    process = leash.spawn(
        [
            *(sys.executable, "-m", "config.web", "--host", "127.0.0.1", "--port", str(port)),
        ],
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "tests.otp.address_settings", "TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/8"},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        try:
            return bool(ask(port, "127.0.0.1"))
        except OSError:
            return False

    try:
        assert eventually(answers, 30)
        yield port
    finally:
        process.kill()
        process.wait(20)
        leash.close()


def ask(port: int, source: str, *headers: tuple[str, str]) -> str:
    """The process's answer to a connection from ``source`` with these header lines."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))
    connection.putrequest("GET", "/address")
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200, text
    return text


@pytest.mark.parametrize(
    ("source", "lines", "ip"),
    [
        ("127.0.0.1", [USER], USER),
        ("127.0.0.1", [f"{FORGED}, {USER}"], USER),
        ("127.0.0.1", [FORGED, USER], USER),  # a proxy that adds a line of its own, as HAProxy does
        ("127.0.0.1", [FORGED, f"{FORGED}, {USER}, 10.0.0.2"], USER),
        ("127.0.0.1", [f"{FORGED}, [2001:db8::7]:4711"], "2001:db8::7"),
        ("127.0.0.1", [f"{FORGED}, {USER}", "unknown"], "127.0.0.1"),
        ("127.0.0.1", [FORGED, USER, "10.0.0.2"], USER),  # two of them: lines are joined in their order
        ("127.0.0.1", [USER, FORGED], FORGED),  # the trap: a proxy that puts its own line first
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.2", [FORGED], "127.0.0.2"),
        ("127.0.0.2", [f"{FORGED}, 127.0.0.1", "10.0.0.1"], "127.0.0.2"),
    ],
)
def test_a_real_server_sees_the_same(web, source, lines, ip):
    assert ask(web, source, *(("X-Forwarded-For", line) for line in lines)) == ip


def test_another_header_is_not_believed(web):
    others = [(name, FORGED) for name in ("Forwarded", "X-Real-IP", "Client-IP", "True-Client-IP", "Via")]
    assert ask(web, "127.0.0.1", *others, ("X-Forwarded-For", USER)) == USER
    assert ask(web, "127.0.0.2", *others, ("X_Forwarded_For", FORGED)) == "127.0.0.2"
