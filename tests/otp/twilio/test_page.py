"""The steps of docs/twilio-verify.md, run as they stand there: by Python, by node and by the shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from config.demo import given
from otp.api.access import parse
from otp.checks.purposes import otp_purposes
from otp.twilio import sids
from tests.otp.twilio.conftest import ACCOUNT, LOGIN, PHONE, latest_code
from tests.settings import API_KEY
from tests.starts import ROOT

PAGE = (ROOT / "docs" / "twilio-verify.md").read_text()
ADDRESS = "https://otp.example.com"

#: Reads expressions, one a line, and prints what becomes of each.
READ = """
const {createInterface} = require("readline");
const shown = (found) => JSON.stringify(found, (_, value) => value === undefined ? null : value);
(async () => {
  for await (const line of createInterface({input: process.stdin})) {
    try {
      console.log(shown(await eval(line)));
    } catch (error) {
      console.log(shown({error: error.constructor.name, status: error.status, code: error.code}));
    }
  }
})();
"""


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def has_sdk() -> bool:
    if not (node := shutil.which("node")):
        return False
    return not subprocess.run([node, "-e", "require('twilio')"], capture_output=True, check=False).returncode


class Node:
    """The program of the page, and expressions that are put to it."""

    def __init__(self, url: str) -> None:
        (program,) = blocks("js")
        values = {"accountSid": ACCOUNT, "authToken": API_KEY, "serviceSid": LOGIN, "phone": PHONE}
        given = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
        self.process = subprocess.Popen(
            ["node", "-e", given + program.replace(ADDRESS, url) + READ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )

    def __call__(self, expression: str) -> Any:
        self.process.stdin.write(expression + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture
def node(served) -> Iterator[Node]:
    if not has_sdk():
        pytest.skip("needs node, and npm's twilio@6.2.0 where NODE_PATH says")
    found = Node(served.url)
    yield found
    found.process.stdin.close()
    assert found.process.wait(30) == 0


def test_the_purposes_of_the_page_work(settings):
    rules, of_the_demo = re.findall(r"^ *OTP_PURPOSES='?({.*})", PAGE, re.MULTILINE)
    assert of_the_demo == rules
    settings.OTP_PURPOSES = json.loads(rules)
    assert otp_purposes() == []


def test_the_lines_for_python(served, capsys):
    (program,) = blocks("python")
    given = {"account_sid": ACCOUNT, "auth_token": API_KEY, "service_sid": LOGIN}
    exec(program.replace(ADDRESS, served.url), given | {"input": lambda _: latest_code()})  # noqa: S102  # our own page
    assert capsys.readouterr().out == "approved\n"


def test_the_lines_for_node(node):
    sent = node("send(phone)")
    assert (sent["to"], sent["status"], sent["accountSid"]) == (PHONE, "pending", ACCOUNT)
    assert node("check(phone, 'x')")["valid"] is False
    checked = node(f"check(phone, '{latest_code()}')")
    assert (checked["status"], checked["valid"], checked["sid"]) == ("approved", True, sent["sid"])


def test_the_line_for_the_shell(served):
    demo, line = blocks("sh")
    assert demo.endswith("make demo\n")
    given = {"SERVICE_SID": LOGIN, "ACCOUNT_SID": ACCOUNT, "KEY": API_KEY}
    command = ["sh", "-c", line.replace(ADDRESS, served.url)]
    done = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["status"] == "pending"


def test_the_sids_of_the_page_are_those_of_its_names():
    for letters, sid, name in re.findall(r"^ *\w+  (AC|VA)(\w{32})  (\w+)$", PAGE, re.MULTILINE):
        assert letters + sid == sids.of_name(letters, name)
    environment, _ = given.throwaway({}, port=1, redis_url="", namespace="")
    (name,) = parse(environment["API_ACCESS"])
    assert f"| `account_sid` | `{sids.of_name(sids.ACCOUNT, name)}`" in PAGE
    assert f"| `service_sid` | `{sids.of_name(sids.SERVICE, 'login')}`" in PAGE


class TestNode:
    """The rest of what the official Node SDK can do."""

    def test_a_life(self, node):
        sid = node("send(phone)")["sid"]
        again = node("send(phone)")
        assert (again["sid"], len(again["sendCodeAttempts"])) == (sid, 2)
        fetched = node(f"service.verifications('{sid}').fetch()")
        assert (fetched["status"], fetched["channel"]) == ("pending", "sms")
        cancelled = node(f"service.verifications('{sid}').update({{status: 'canceled'}})")
        assert cancelled["status"] == "canceled"
        gone = node(f"service.verifications('{sid}').fetch()")
        assert (gone["status"], gone["code"]) == (404, 20404)

    def test_wrong_codes_are_answers_until_the_attempts_are_used_up(self, node):
        node("send(phone)")
        for _ in range(5):
            assert node("check(phone, '1')")["status"] == "pending"
        used_up = node("check(phone, '1')")
        assert (used_up["error"], used_up["status"], used_up["code"]) == ("RestException", 429, 60202)
        assert node("service.verifications(phone).fetch()")["status"] == "max_attempts_reached"

    def test_an_approval(self, node):
        node("send(phone)")
        assert node("service.verifications(phone).update({status: 'approved'})")["valid"] is True

    def test_lists(self, node):
        sid = node("send(phone)")["sid"]
        (attempt,) = node("client.verify.v2.verificationAttempts.list({'channelData.to': phone})")
        assert (attempt["verificationSid"], attempt["conversionStatus"]) == (sid, "unconverted")
        summary = node("client.verify.v2.verificationAttemptsSummary().fetch()")
        assert (summary["totalAttempts"], summary["totalConverted"]) == (1, 0)
        services = node("client.verify.v2.services.list({limit: 20})")
        assert [one["friendlyName"] for one in services] == ["login", "signup"]
        (template, _) = node("client.verify.v2.templates.list()")
        assert template["sid"] == sids.of_name("HJ", "login")
        assert node("service.rateLimits.list()") == []

    def test_a_refusal(self, node):
        refused = node("client.verify.v2.services.create({friendlyName: 'x'})")
        assert (refused["error"], refused["status"], refused["code"]) == ("RestException", 403, 60204)
