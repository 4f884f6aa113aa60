"""The description of the API and the page that shows it: made once, kept by the browser."""

from __future__ import annotations

import json
import time

import pytest
from django.test import Client

from config.api import api


def test_the_description_is_made_once_per_process():
    Client().get("/v1/openapi.json")
    began = time.process_time()
    json.dumps(api.get_openapi_schema())
    one = time.process_time() - began
    began = time.process_time()
    for _ in range(10):
        assert Client().get("/v1/openapi.json").status_code == 200
    assert time.process_time() - began < 5 * one


@pytest.mark.parametrize("path", ["/v1/openapi.json", "/v1/docs"])
def test_what_a_browser_has_is_not_sent_again(path):
    first = Client().get(path)
    assert first["Cache-Control"] == "no-cache"  # ask whether it is still so
    again = Client().get(path, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = Client().get(path, headers={"If-None-Match": '"x"'})
    assert (other.status_code, other.content) == (200, first.content)


def test_every_operation_tells_what_it_answers_before_it_is_asked():
    for path in Client().get("/v1/openapi.json").json()["paths"].values():
        for operation in path.values():
            assert "431" in operation["responses"]
            assert ("408" in operation["responses"]) == ("requestBody" in operation)
