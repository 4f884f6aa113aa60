"""A running web process that Twilio's SDKs are turned to, and whoever judges what it answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from django.core.wsgi import get_wsgi_application
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from otp.twilio import sids
from sms.testing import code_in, outbox
from tests.otp.twilio.judge import FILE, Heard, faults
from tests.settings import API_KEY

PHONE, OTHER = "+12025550123", "+12025550124"
ACCOUNT, LOGIN = sids.of_name("AC", "tests"), sids.of_name("VA", "login")


@dataclass
class Served:
    """Where it listens, and all that it answered."""

    url: str
    heard: list[Heard] = field(default_factory=list)


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="session")
def listening() -> Iterator[Served]:
    application, served = get_wsgi_application(), Served("")

    def recorded(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        begun: tuple[int, str] = (0, "")

        def begin(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            nonlocal begun
            begun = int(status[:3]), dict(headers)["Content-Type"]
            return start_response(status, headers, *more)

        body = b"".join(application(environ, begin))
        served.heard.append(Heard(environ["REQUEST_METHOD"], environ["PATH_INFO"], *begun, body))
        return [body]

    with make_server("127.0.0.1", 0, recorded, _Threads, _Quiet) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        served.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield served
        finally:
            server.shutdown()
            serving.join()


@pytest.fixture
def served(listening: Served) -> Iterator[Served]:
    """The web process. In the end, none of its answers may break Twilio's own file."""
    listening.heard.clear()
    yield listening
    if FILE.exists():
        assert [(heard, found) for heard in listening.heard if (found := faults(heard))] == []


@pytest.fixture(autouse=True)
def as_at_twilio(settings: Any) -> None:
    """Five guesses, ten minutes, and a short cooldown."""
    rules: dict[str, Any] = {"cooldown": 0, "attempts": 5, "lifetime": 600}
    settings.OTP_PURPOSES = {"login": rules, "signup": {"length": 8}}
    settings.OTP_LIMITS = "off"


@pytest.fixture
def client(served: Served) -> Client:
    found = Client(ACCOUNT, API_KEY, http_client=TwilioHttpClient(timeout=30))
    found.verify.base_url = served.url
    return found


@pytest.fixture
def service(client: Client) -> Any:
    return client.verify.v2.services(LOGIN)


def refused(call: Callable[[], Any]) -> tuple[int, int | None]:
    """Status and code of what the SDK raises."""
    with pytest.raises(TwilioRestException) as caught:
        call()
    return caught.value.status, caught.value.code


def latest_code() -> str:
    return code_in(outbox[-1].body)
