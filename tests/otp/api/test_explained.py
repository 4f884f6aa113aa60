"""The ``type`` of a problem leads to the paragraph of ``/v1/errors`` about its code."""

from __future__ import annotations

import html
import json
import re

import pytest
from django.test import Client
from django.urls import include, path

import sms.urls
from otp.api.described import PROBLEMS
from otp.api.errors import words
from otp.api.v1 import api as the_api
from sms.problems import problem

#: For a project with Otpost under a prefix, and for one with only the addresses for providers.
urlpatterns = [path("verify/", include("otp.urls"))]
WITHOUT = type("urls", (), {"urlpatterns": sms.urls.urlpatterns})


def told(response) -> str:
    return str(response.json()["type"])


def shown(address: str) -> str:
    """The text of the page at the address, without its tags."""
    page, _, code = address.partition("#")
    text = html.unescape(Client().get(page).content.decode())
    (found,) = re.findall(rf'<h2 id="{code}".*?</article>', text, re.DOTALL)
    return re.sub("<[^>]+>", "", found)


@pytest.mark.parametrize(
    ("method", "at", "code"),
    [("GET", "x", "unauthorized"), ("PUT", "", "method_not_allowed"), ("GET", "x/y", "not_found")],
)
def test_the_type_of_a_problem_leads_to_its_cause_and_its_fix(method, at, code):
    answer = Client().generic(method, f"/v1/verifications/{at}".rstrip("/"))
    assert told(answer) == f"/v1/errors#{code}"
    fix = words()[f"{answer.status_code} {code}"]["fix"].replace("`", "")
    assert re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", fix) in shown(told(answer))


def test_every_code_has_its_paragraph_with_every_status():
    for status, code in PROBLEMS:
        paragraph = shown(told_of(status, code))
        assert str(status) in paragraph
        assert not re.search(r"`|\]\(", paragraph)  # nothing is left of Markdown


def told_of(status: int, code: str) -> str:
    found: str = json.loads(problem(status, code, "What it is.").content)["type"]
    return found


def test_every_example_of_the_description_has_it():
    for operations in the_api.get_openapi_schema()["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                for content in response.get("content", {}).values():
                    for code, example in content.get("examples", {}).items():
                        assert example["value"]["type"] == f"/v1/errors#{code}"


def test_a_project_has_the_page_under_its_own_prefix(settings):
    settings.ROOT_URLCONF = __name__
    assert told_of(401, "unauthorized") == "/verify/v1/errors#unauthorized"
    assert "API_KEYS" in shown("/verify/v1/errors#unauthorized")


def test_without_the_page_a_type_leads_nowhere(settings):
    settings.ROOT_URLCONF = WITHOUT
    assert told_of(401, "unauthorized") == "about:blank"


def test_a_code_of_the_widget_alone_leads_nowhere():
    assert told_of(410, "session_expired") == "about:blank"
