"""Meta puts many statuses into one webhook: it may be longer than other bodies, and is bounded too."""

from __future__ import annotations

import pytest
from django.core.exceptions import RequestDataTooBig
from django.test import Client, RequestFactory
from structlog.testing import capture_logs

from sms import bodies
from tests.sms.providers.test_whatsapp import NUMBER_ID, SECRET, VERIFY, signed, status, value, webhook

#: Bytes. Meta's page says 3 MB.
MOST = 3 * 1024 * 1024
USUAL = 16 * 1024

DOORS = ["receipts", "inbound"]


@pytest.fixture(autouse=True)
def whatsapp(settings):
    settings.SMS_PROVIDERS = {
        "wa": f"whatsapp://:token@{NUMBER_ID}?template=t&app_secret={SECRET}&verify_token={VERIFY}",
        "other": "twilio://AC1:token@?from=x",
    }


def hand_over(body: bytes, door: str, alias: str = "wa"):
    head = signed(body) | {"x-twilio-signature": "x"}
    return Client().post(f"/v1/{door}/{alias}", body, "application/json", headers=head)


def of_size(size: int) -> bytes:
    body = webhook(value(statuses=[]))
    return body + b" " * (size - len(body))


def test_each_of_its_statuses_is_read():
    body = webhook(
        value(statuses=[status("delivered", biz_opaque_callback_data=f"r{n}") for n in range(200)])
    )
    assert len(body) > 3 * USUAL
    with capture_logs() as logs:
        assert hand_over(body, "receipts").status_code == 200
    assert [line["event"] for line in logs].count("receipt_without_message") == 200


@pytest.mark.parametrize("door", DOORS)
def test_it_may_be_as_long_as_meta_makes_one(door):
    assert hand_over(of_size(MOST), door).status_code == 200
    answer = hand_over(of_size(MOST + 1), door)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("door", DOORS)
def test_that_of_another_vendor_may_not(door):
    answer = hand_over(of_size(USUAL + 1), door, alias="other")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_body_that_was_read_may_be_asked_for_again():
    request = RequestFactory().post("/", b"x" * (USUAL + 1), "text/plain")
    assert bodies.read(request, USUAL + 1) == request.body == b"x" * (USUAL + 1)
    with pytest.raises(RequestDataTooBig):
        bodies.read(RequestFactory().post("/", b"x" * 3, "text/plain"), 2)
