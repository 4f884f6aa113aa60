"""A running web process against the promises of ``/v1/openapi.json``, by schemathesis.

For any caller and any request: no 5xx, no status that is not described, no body, header or
content type that breaks its schema, no error in the log. Every run makes the same requests.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.documented import described
from tests.settings import API_KEY

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

#: Operations, by who may call them. Those for providers read no key.
CALLBACKS = {"take_receipts", "take_receipts_by_get", "take_inbound", "take_inbound_by_get"}
OF_ONE_VERIFICATION = {"check_code", "resend_code", "get_verification", "cancel_verification"}
WITH_BODY = {"start_verification", "check_code", "send_message", "search_messages"}
WITH_BODY |= {"create_session", "prove_session"}
OPERATIONS = OF_ONE_VERIFICATION | CALLBACKS | WITH_BODY | {"get_message", "find_messages", "get_session"}

POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE

#: Numbers that get a code, each used once: a random text is hardly ever a number. They begin after the one in
#: the description's example, which is sent too.
_serials = itertools.count(200)


def fresh_phone() -> str:
    return f"+1202555{next(_serials) % 10_000:04}"


def bounded(examples: int) -> Any:
    """The same requests on every machine, and only so many of them."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def operations(target: Any) -> dict[str, Any]:
    """The described operations by their ids; a new one must be put on the list above."""
    schema = schemathesis.openapi.from_url(f"{target.url}/v1/openapi.json")
    found = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        found[operation.definition.raw["operationId"]] = operation
    assert set(found) == OPERATIONS
    return found


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as found:
        yield found


def attack(case: Any, session: requests.Session, key: str | None) -> Any:
    """Send it, hold the answer against the description, and return the answer."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    answer = case.call(session=session, headers=headers, timeout=10)
    case.validate_response(answer, checks=CHECKS)
    if answer.headers.get("Content-Type") == "application/problem+json":
        path = urlsplit(str(answer.request.url)).path
        assert (answer.status_code, answer.json()["code"]) in described(str(answer.request.method), path)
    return answer


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_a_caller_with_a_key_gets_what_is_described(operations, session, name):
    @given(case=operations[name].as_strategy(generation_mode=POSITIVE))
    @bounded(40)
    def run(case):
        assert attack(case, session, API_KEY).status_code != 401

    run()


@pytest.mark.parametrize("name", sorted(WITH_BODY))
def test_a_caller_who_breaks_the_description_is_told_so(operations, session, name):
    """Of schemathesis' negative cases, those that arrive with the key; it leaves that out at times."""
    statuses = set()

    @given(case=operations[name].as_strategy(generation_mode=NEGATIVE))
    @bounded(120)
    def run(case):
        answer = attack(case, session, API_KEY)
        if case.meta.phase.data.parameter != "Authorization":  # with the key in its place nothing is broken
            statuses.add(answer.status_code)

    run()
    assert {400, 415, 422} & statuses
    assert not {201, 202} & statuses


@pytest.mark.parametrize("key", [None, "otpost_wrong", "", "wr\xf6ng"], ids=["none", "wrong", "empty", "odd"])
@pytest.mark.parametrize("name", sorted(OPERATIONS - CALLBACKS))
def test_a_caller_without_a_right_key_gets_401_and_nothing_else(operations, session, name, key):
    @given(case=operations[name].as_strategy(generation_mode=POSITIVE))
    @bounded(8)
    def run(case):
        assert attack(case, session, key).status_code == 401

    run()


def test_a_start_with_a_number_that_gets_codes(operations, session):
    """Beside what schemathesis makes up of every other field."""
    statuses = set()

    @given(
        data=st.data(),
        purpose=st.sampled_from(["login", "signup", "payment"]),
        locale=st.text(max_size=35),
        spelling=st.sampled_from(["{}", " {} ", "\u202a{}\u202c"]),
    )
    @bounded(60)
    def run(data, purpose, locale, spelling):
        body = {"phone": spelling.format(fresh_phone()), "purpose": purpose, "locale": locale}
        case = data.draw(
            operations["start_verification"].as_strategy(body=body, media_type="application/json")
        )
        statuses.add(attack(case, session, API_KEY).status_code)

    run()
    assert 202 in statuses


@pytest.mark.parametrize("name", sorted(OF_ONE_VERIFICATION))
def test_a_verification_that_lives(operations, session, name):
    """The id is one of a live code, now and then of one that was cancelled."""
    statuses = set()

    @given(data=st.data(), cancelled=st.booleans())
    @bounded(30)
    def run(data, cancelled):
        begin = operations["start_verification"].Case(
            body={"phone": fresh_phone()}, media_type="application/json"
        )
        id = attack(begin, session, API_KEY).json()["id"]
        if cancelled:
            attack(operations["cancel_verification"].Case(path_parameters={"id": id}), session, API_KEY)
        case = data.draw(operations[name].as_strategy(path_parameters={"id": id}))
        answer = attack(case, session, API_KEY)
        if answer.status_code == 403:  # the address of a user, which this key may not name
            assert answer.json()["code"] == "client_ip_not_allowed"
        else:
            statuses.add(answer.status_code)

    run()
    assert statuses <= {200, 202, 204, 409, 422, 429}  # 422: an invalid Idempotency-Key


def test_a_message_to_a_number_that_gets_messages(operations, session):
    statuses = set()

    @given(data=st.data(), body=st.text(max_size=200))
    @bounded(60)
    def run(data, body):
        content = {"to": fresh_phone(), "body": body}
        case = data.draw(operations["send_message"].as_strategy(body=content, media_type="application/json"))
        answer = attack(case, session, API_KEY)
        statuses.add(answer.status_code)
        if answer.status_code == 202:
            look = operations["get_message"].Case(path_parameters={"message_id": answer.json()["id"]})
            assert attack(look, session, API_KEY).status_code == 200

    run()
    assert statuses == {202, 422}
