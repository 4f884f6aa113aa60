"""The mappings of other servers' messages in docs/auth-servers.md: ours takes it as it stands."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from otp.hooks import settings as hooks
from sms import services
from sms.testing import outbox
from tests.starts import ROOT

PAGE = (ROOT / "docs" / "auth-servers.md").read_text()

CALL = """
const event = JSON.parse(process.argv[1]);
const told = [];
const api = { notification: { retry: () => told.push("retry"), drop: () => told.push("drop") } };
let posted;
globalThis.fetch = async (url, request) => {
  posted = { url, ...request };
  return { status: event.answer, ok: event.answer < 300 };
};
exports.onExecuteCustomPhoneProvider(event, api).then(() => console.log(JSON.stringify({ posted, told })));
"""


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def run_action(**event):
    """The request of Auth0's Action, and its report to Auth0 for this status of the answer."""
    if not shutil.which("node"):
        pytest.skip("there is no node")
    program = ["node", "-e", block("js") + CALL, json.dumps(event)]
    return json.loads(subprocess.check_output(program, timeout=30))


def auth0(answer=202, **notification):
    known = {"recipient": "+12025550123", "as_text": "Your code is 561166", "delivery_method": "text"}
    return run_action(answer=answer, notification=known | notification, secrets={"OTPOST_KEY": "otpost_key"})


@pytest.mark.parametrize(("more", "queue"), [({"code": "561166"}, "otp"), ({}, "bulk")])
def test_what_auth0_sends(api, more, queue):
    ran = auth0(**more)
    posted = ran["posted"]
    assert (posted["url"], posted["method"]) == ("https://verify.example.com/v1/messages", "POST")
    assert posted["headers"] == {"Authorization": "Bearer otpost_key", "Content-Type": "application/json"}
    answer = api.post("/v1/messages", posted["body"])
    assert (answer.status_code, ran["told"]) == (202, [])
    assert services.get(answer.json()["id"]).queue == queue
    assert (outbox[-1].to, outbox[-1].body) == ("+12025550123", "Your code is 561166")


@pytest.mark.parametrize(("status", "told"), [(429, "retry"), (503, "retry"), (422, "drop"), (401, "drop")])
def test_auth0_hears_what_to_do(status, told):
    assert auth0(answer=status)["told"] == [told]


def test_what_ory_sends(api):
    """The template names each field as JSON does, so with its two values in it it is JSON."""
    made = block("jsonnet").removeprefix("function(ctx)")
    for name, value in (("recipient", "+12025550123"), ("body", "Your login code is: 561166\n")):
        made = made.replace(f"ctx.{name}", json.dumps(value))
    answer = api.post("/v1/messages", json.loads(made))
    assert answer.status_code == 202
    message = services.get(answer.json()["id"])
    assert (message.queue, message.expires_at - message.created_at) == ("otp", 300)
    assert outbox[-1].body == "Your login code is: 561166\n"


def test_the_secret_of_the_page_is_one(settings):
    (line,) = set(re.findall(r"HOOKS=(\S+)", PAGE))
    settings.HOOKS = hooks.parse(line)
    assert hooks.configured().keys() == {"supabase"}
