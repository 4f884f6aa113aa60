"""CAMARA: requests and answers by its OpenAPI files, and the access token."""

from __future__ import annotations

import base64
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jsonschema_rs
import jwt
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from otp import services
from otp.errors import NotAllowed, StoreUnavailable
from otp.lookups import camara, verdict
from otp.lookups.base import Failed
from otp.lookups.settings import configured
from sms.testing import outbox
from tests.otp.lookups.conftest import SECRET, TOKEN, took
from tests.sms.providers.gateway import response

PHONE = "+12025550123"
FILES = Path(__file__).parent / "camara"


def document(name: str) -> Any:
    return yaml.safe_load((FILES / name).read_text())


def fits(value: Any, name: str, schema: str) -> bool:
    found = document(name)
    schemas = found["components"]["schemas"]
    schemas[schema]["additionalProperties"] = False
    wanted = {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": schemas}}
    return bool(jsonschema_rs.validator_for(wanted).is_valid(value))


@pytest.fixture
def ask(vendor, settings):
    """Asks the operator, never the kept answers."""

    def asked(options: str = "sim_swap=72h") -> str:
        settings.OTP_LOOKUPS = {"main": vendor.camara_url(options)}
        return configured()["main"].ask(PHONE, ["sim_swap"])["sim_swap"]

    return asked


def test_the_request_is_what_the_openapi_file_asks_for(vendor, ask):
    ask("sim_swap=3d")
    (path, headers, body), found = vendor.asked("sim-swap")[0], document("sim-swap.yaml")
    server, operation = found["servers"][0]["url"], found["paths"]["/check"]["post"]
    assert path == server.replace("{apiRoot}", "/root") + "/check"
    assert headers["content-type"] in operation["requestBody"]["content"]
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert json.loads(body) == {"phoneNumber": PHONE, "maxAge": 72}
    assert fits(json.loads(body), "sim-swap.yaml", "CreateCheckSimSwap")
    assert not fits({"phone": PHONE}, "sim-swap.yaml", "CreateCheckSimSwap")
    scopes = [scope for way in operation["security"] for scope in way["openId"]]
    assert camara.SCOPE.split()[1] in scopes


@pytest.mark.parametrize(("swapped", "answer"), [(True, "swapped"), (False, "not_swapped")])
def test_what_it_answers(vendor, ask, swapped, answer):
    said = {"swapped": swapped}
    assert fits(said, "sim-swap.yaml", "CheckSimSwapInfo")
    vendor.sim_swap = response(200, json.dumps(said))
    assert ask() == answer


def errors() -> list[tuple[int, str, dict[str, Any]]]:
    """Each error of the file: status, code, the example of its body."""
    found = document("sim-swap.yaml")["components"]["responses"].values()
    examples = [one for each in found for one in each["content"]["application/json"]["examples"].values()]
    return [(one["value"]["status"], one["value"]["code"], one["value"]) for one in examples]


@pytest.mark.parametrize(("status", "code", "body"), errors(), ids=[code for _, code, _ in errors()])
def test_each_of_its_errors_is_understood(vendor, ask, status, code, body):
    vendor.sim_swap = response(status, json.dumps(body))
    if code in ("NOT_FOUND", "IDENTIFIER_NOT_FOUND", "SERVICE_NOT_APPLICABLE"):
        assert ask() == "unknown"
        return
    with pytest.raises(Exception) as caught:  # noqa: PT011  # of two kinds
        ask()
    assert code in verdict.reason_of(caught.value)


# --- the access token -------------------------------------------------------------------------------


def test_the_token_is_asked_for_with_the_secret_and_used_again(vendor, ask):
    for _ in range(3):
        ask()
        configured()["main"].ask(PHONE, ["sim_swap"])
    _, headers, body = vendor.asked("token")[0]
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode() == f"client:{SECRET}"
    assert parse_qs(body.decode()) == {"grant_type": ["client_credentials"], "scope": [camara.SCOPE]}
    assert len(vendor.asked("token")) == 3  # one for each reading of the settings
    assert len(vendor.asked("check")) == 6


def test_many_threads_fetch_one_token(vendor, settings):
    settings.OTP_LOOKUPS = {"main": vendor.camara_url()}
    vendor.server.delay = 0.1
    lookup = configured()["main"]
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda _: lookup.ask(PHONE, [])["sim_swap"], range(20))) == {"not_swapped"}
    assert len(vendor.asked("token")) == 1


def test_many_threads_wait_for_one_failure(vendor, settings):
    settings.OTP_LOOKUPS = {"main": vendor.camara_url()}
    vendor.token, vendor.server.delay = response(503, ""), 0.2
    lookup = configured()["main"]

    def fails(_: int) -> None:
        with pytest.raises(Failed, match="token"):
            lookup.ask(PHONE, [])

    with ThreadPoolExecutor(20) as pool:
        assert took(lambda: list(pool.map(fails, range(20)))) < 2.0  # one after the other would take four
    assert len(vendor.asked("token")) < 5


def test_a_token_is_fetched_anew_before_it_expires_and_when_it_is_taken_back(vendor, settings, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("otp.lookups.camara.time.monotonic", lambda: now[0])
    settings.OTP_LOOKUPS = {"main": vendor.camara_url()}
    lookup = configured()["main"]
    for seconds, tokens in ((0, 1), (3500, 1), (80, 2)):
        now[0] += seconds
        lookup.ask(PHONE, [])
        assert len(vendor.asked("token")) == tokens
    vendor.sim_swap = response(401, '{"code":"UNAUTHENTICATED"}')
    with pytest.raises(Exception, match="refuses us"):
        lookup.ask(PHONE, [])
    assert (len(vendor.asked("token")), len(vendor.asked("check"))) == (3, 5)


@pytest.mark.parametrize(
    "key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())], ids=["RSA", "EC"]
)
def test_a_private_key_signs_instead_of_a_secret(vendor, settings, tmp_path, key):
    """private_key_jwt, as CAMARA's Security and Interoperability Profile demands it."""
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    url = vendor.camara_url(f"sim_swap=72h&key={tmp_path}/key.pem&key_id=one").replace(f":{SECRET}", "")
    settings.OTP_LOOKUPS = {"main": url}
    configured()["main"].ask(PHONE, [])
    _, headers, body = vendor.asked("token")[0]
    fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    assert "authorization" not in headers
    assert fields["client_assertion_type"].endswith("client-assertion-type:jwt-bearer")
    audience = f"{vendor.server.url}/token"
    claims = jwt.decode(fields["client_assertion"], key.public_key(), ["RS256", "ES256"], audience=audience)
    assert (claims["iss"], claims["sub"], jwt.get_unverified_header(fields["client_assertion"])["kid"]) == (
        *("client", "client"),
        "one",
    )
    assert 0 < claims["exp"] - claims["iat"] <= 300
    assert claims["jti"]


def test_after_a_fork_a_token_is_no_lock_of_the_parent(vendor, settings):
    settings.OTP_LOOKUPS = {"main": vendor.camara_url()}
    lookup: Any = configured()["main"]
    with lookup._renewing:
        if not (child := os.fork()):
            os._exit(0 if configured()["main"] is not lookup else 1)
    assert os.waitpid(child, 0)[1] == 0


# --- number verification as the challenge -----------------------------------------------------------


@pytest.fixture
def verifying(vendor, settings):
    url = f"camara://operator.example?number_verification=yes&countries=US&base_url={vendor.server.url}/root"
    settings.OTP_LOOKUPS = {"operator": url}
    settings.OTP_CHALLENGE = "otp.lookups.number_verification.is_own"
    return vendor


def test_a_token_of_the_phone_itself_opens_the_door(verifying, caplog):
    caplog.set_level(logging.DEBUG)
    services.start(PHONE, challenge="token.of-this~phone")
    assert [message.to for message in outbox] == [PHONE]
    (path, headers, body), found = verifying.asked("verify")[0], document("number-verification.yaml")
    assert path == found["servers"][0]["url"].replace("{apiRoot}", "/root") + "/verify"
    assert headers["authorization"] == "Bearer token.of-this~phone"
    assert fits(json.loads(body), "number-verification.yaml", "NumberVerificationRequestBody")
    said = {"devicePhoneNumberVerified": True}
    assert fits(said, "number-verification.yaml", "NumberVerificationMatchResponse")
    assert "token.of-this~phone" not in caplog.text
    assert len(verifying.asked()) == 1  # nothing is looked up besides


@pytest.mark.parametrize(
    ("token", "answer"),
    [
        ("", None),
        ("a token\r\nX-Header: 1", None),
        ("other", response(200, '{"devicePhoneNumberVerified":false}')),
        ("spent", response(401, '{"code":"UNAUTHENTICATED"}')),
        (
            "by-password",
            response(403, '{"code":"NUMBER_VERIFICATION.USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK"}'),
        ),
    ],
    ids=["none", "no token", "another number", "spent", "not by the network"],
)
def test_any_other_token_does_not(verifying, token, answer):
    verifying.verify = answer
    with pytest.raises(NotAllowed):
        services.start(PHONE, challenge=token)
    assert len(verifying.asked()) == (answer is not None)
    assert not outbox


def test_a_number_of_a_country_that_no_operator_covers_is_nobodys(verifying):
    with pytest.raises(NotAllowed):
        services.start("+4915112345678", challenge="token")
    assert not verifying.asked()


@pytest.mark.parametrize("how", ["hangs", "500", "garbage"])
def test_an_operator_that_does_not_answer_opens_no_door_and_holds_nobody_up(verifying, how):
    if how == "hangs":
        verifying.server.delay = 60.0
    verifying.verify = {"500": response(500, ""), "garbage": response(200, "?")}.get(how)

    def start() -> None:
        with pytest.raises(StoreUnavailable):
            services.start(PHONE, challenge="token")

    assert took(start) < verdict.DEADLINE + 0.25
    assert not outbox


def test_without_an_operator_the_challenge_says_what_is_missing(settings, caplog):
    settings.OTP_CHALLENGE = "otp.lookups.number_verification.is_own"
    with pytest.raises(StoreUnavailable):
        services.start(PHONE, challenge="token")
    assert "challenge_failed" in caplog.text
