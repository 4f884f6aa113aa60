"""``/v1/openapi.json``: examples that work, an operation's own errors; made once, kept by the browser."""

from __future__ import annotations

import html
import json
import time
from typing import Any

import pytest
from django.test import Client
from jsonschema_rs import validator_for

from otp.api.described import OPERATIONS
from otp.api.v1 import api as the_api

DOCUMENT: dict[str, Any] = the_api.get_openapi_schema()
FOUND = {
    operation["operationId"]: operation for path in DOCUMENT["paths"].values() for operation in path.values()
}


def valid(schema: dict[str, Any]) -> Any:
    """A validator for a schema of the document."""
    return validator_for({**schema, "components": DOCUMENT["components"]})


def test_the_table_has_every_operation():
    assert FOUND.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("name", FOUND)
def test_errors_are_those_that_the_operation_can_give(name):
    """Each status has an example of each of its codes, which keeps to the schema."""
    errors = {
        int(status): response["content"]["application/problem+json"]
        for status, response in FOUND[name]["responses"].items()
        if int(status) >= 400
    }
    assert errors.keys() == OPERATIONS[name].keys()
    for status, content in errors.items():
        assert list(content["examples"]) == OPERATIONS[name][status]
        schema = valid(content["schema"])
        for known, example in content["examples"].items():
            assert schema.is_valid(example["value"])
            assert (example["value"]["code"], example["value"]["status"]) == (known, status)
            assert not schema.is_valid(example["value"] | {"code": "no_such"})


def test_an_answer_given_again_says_so_in_a_header_that_is_described():
    replayed = {
        name: response["headers"]["Idempotency-Replayed"]["schema"]
        for name, operation in FOUND.items()
        for response in operation["responses"].values()
        if "Idempotency-Replayed" in response.get("headers", {})
    }
    assert replayed.keys() == {"start_verification", "resend_code", "send_message"}
    for schema in replayed.values():
        assert schema == {"type": "string", "enum": ["true"]}


def test_no_field_of_a_request_has_a_default():
    """openapi-typescript and most other generators make a field with a default a required one."""
    schemas = DOCUMENT["components"]["schemas"]
    for schema in schemas.values():
        assert not [field for field, rules in schema.get("properties", {}).items() if "default" in rules]
    start = valid(schemas["VerificationIn"])
    assert all(
        start.is_valid(dict.fromkeys(given, "x")) for given in (["phone"], ["email"], ["email", "phone"])
    )
    assert not start.is_valid({"purpose": "login"})


def test_an_answer_has_every_field():
    """Null where there is nothing, so that a client may rely on each being there."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if name.endswith(("Out", "Made")):
            assert schema["required"] == list(schema["properties"])


def test_the_example_of_every_body_works_as_it_stands(api):
    """With a key that has no entry in API_ACCESS, so without client_ip."""
    paths = {
        operation["operationId"]: path
        for path, methods in DOCUMENT["paths"].items()
        for operation in methods.values()
    }
    examples = {
        name: content["example"]
        for name, operation in FOUND.items()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    }
    sends = {"start_verification", "resend_code", "send_message"}
    assert examples.keys() == sends | {"check_code", "search_messages", "create_session", "prove_session"}
    started = api.post(paths["start_verification"], examples["start_verification"])
    assert started.status_code == 202
    again = api.post(paths["resend_code"].format(id=started.json()["id"]), examples["resend_code"])
    assert again.json()["code"] == "pending"  # the request itself is not at fault
    checked = api.post(paths["check_code"].format(id=started.json()["id"]), examples["check_code"])
    assert checked.status_code == 200
    assert api.post(paths["send_message"], examples["send_message"]).status_code == 202
    made = api.post(paths["create_session"], examples["create_session"])
    assert made.json()["code"] == "return_url_not_allowed"  # until API_ACCESS names the origin
    proved = api.post(paths["prove_session"].format(id=started.json()["id"]), examples["prove_session"])
    assert proved.json()["status"] == "expired"  # as that is the id of a verification
    found = api.post(paths["search_messages"], examples["search_messages"])
    assert len(found.json()["stories"]) == 2


def test_no_parameter_has_a_list_of_examples():
    """OpenAPI has a map there; tools that read the document fail on anything else."""
    parameters = [
        one for operation in FOUND.values() for one in operation.get("parameters", ()) if one["in"] == "query"
    ]
    assert {one["name"] for one in parameters} == {"to", "reference"}
    assert not [one for one in parameters if isinstance(one.get("examples"), list)]


def test_the_page_has_every_operation_field_and_error():
    page = html.unescape(Client().get("/v1/docs").content.decode())
    schemas = DOCUMENT["components"]["schemas"]
    names = {*DOCUMENT["paths"], *schemas["Problem"]["properties"]["code"]["enum"], "stories[].messages[].id"}
    names |= {
        field for name, schema in schemas.items() if name.endswith("In") for field in schema["properties"]
    }
    # No operation answers these: the address or the method does not exist.
    names -= {"forbidden", "not_found", "method_not_allowed"}
    assert [name for name in names if f"<code>{name}</code>" not in page] == []
    assert [name for name in FOUND if f'id="{name}"' not in page] == []


def test_the_description_is_made_once_per_process():
    Client().get("/v1/openapi.json")
    began = time.process_time()
    json.dumps(the_api.get_openapi_schema())
    one = time.process_time() - began
    began = time.process_time()
    for _ in range(10):
        assert Client().get("/v1/openapi.json").status_code == 200
    assert time.process_time() - began < 5 * one


@pytest.mark.parametrize("path", ["/v1/openapi.json", "/v1/docs", "/v1/errors"])
def test_what_a_browser_has_is_not_sent_again(path):
    first = Client().get(path)
    assert first["Cache-Control"] == "no-cache"  # ask whether it has changed
    again = Client().get(path, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = Client().get(path, headers={"If-None-Match": '"x"'})
    assert (other.status_code, other.content) == (200, first.content)
