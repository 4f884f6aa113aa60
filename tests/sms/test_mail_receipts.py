"""An ESP's reports to the view of django-anymail reach the message. Nothing else does."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from anymail.signals import AnymailTrackingEvent, tracking
from django.test import Client
from django.urls import include, path
from structlog.testing import capture_logs

from sms import services, store
from sms.message import Channel, State
from tests.sms.providers.gateway import gateway, response

ADDRESS, SECRET = "somebody@example.com", "otpost:long-and-random"

urlpatterns = [path("anymail/", include("anymail.urls"))]


@pytest.fixture
def sent(settings):
    """A code that Postmark has taken."""
    settings.ROOT_URLCONF = __name__
    with gateway() as esp:
        answer = {"ErrorCode": 0, "Message": "OK", "MessageID": "pm-1", "To": ADDRESS}
        esp.answer = lambda: response(200, json.dumps(answer))
        settings.ANYMAIL = {
            "POSTMARK_SERVER_TOKEN": "token",
            "POSTMARK_API_URL": f"{esp.url}/",
            "WEBHOOK_SECRET": SECRET,
        }
        settings.SMS_PROVIDERS = {
            "other": "memory://",
            "mail": "email://?from=codes@shop.example&backend=anymail.backends.postmark.EmailBackend",
        }
        settings.SMS_ROUTES = {"default": "mail"}
        prepared = services.prepare(
            services.parse_phone("+12025550123"),
            "123456 is your code.",
            queue=services.OTP_QUEUE,
            code={"code": "123456", "purpose": "login", "locale": "en"},
            email=ADDRESS,
            channels=(Channel.EMAIL,),
        )
        accepted = store.send(prepared.args, expires_at=None, replaces="")
        id = prepared.accepted(accepted["created_at"], accepted["expires_at"]).id
        assert json.loads(esp.bodies[0])["To"] == ADDRESS
        assert (store.get(id).state, store.get(id).provider_message_id) == (State.SENT, "pm-1")
        yield id


def event(id: str, record: str = "Delivery", **more: object) -> dict[str, object]:
    """As Postmark sends it (postmarkapp.com/developer/webhooks)."""
    return {
        "RecordType": record,
        "MessageID": "pm-1",
        "Recipient": ADDRESS,
        "Email": ADDRESS,
        "Details": f"550 5.1.1 <{ADDRESS}> unknown",
        "DeliveredAt": "2026-11-28T05:00:00Z",
        "Tag": "login",
        "Metadata": {"id": id, "alias": "mail"},
    } | more


def tell(content: dict[str, object], secret: str = SECRET) -> int:
    headers = {"Authorization": f"Basic {b64encode(secret.encode()).decode()}"} if secret else {}
    client = Client(raise_request_exception=False)
    answer = client.post(
        "/anymail/postmark/tracking/", json.dumps(content), content_type="application/json", headers=headers
    )
    return answer.status_code


@pytest.mark.parametrize(
    ("record", "kind", "state", "error"),
    [
        ("Delivery", "", State.DELIVERED, ""),
        ("Bounce", "HardBounce", State.FAILED, "bounced"),
        ("Bounce", "BadEmailAddress", State.FAILED, "invalid"),
        ("Bounce", "SMTPApiError", State.FAILED, ""),
        ("Bounce", "Transient", State.SENT, ""),
        ("SpamComplaint", "SpamComplaint", State.DELIVERED, "spam"),
        ("Open", "", State.SENT, ""),
        ("Bounce", "AutoResponder", State.SENT, ""),
    ],
)
def test_what_the_esp_says_reaches_the_message(sent, record, kind, state, error):
    with capture_logs() as logs:
        assert tell(event(sent, record, Type=kind)) == 200
    message = store.get(sent)
    assert (message.state, message.error) == (state, error)
    assert ADDRESS not in str(logs)
    assert ADDRESS not in str(message)


@pytest.mark.parametrize("secret", ["", "otpost:wrong"])
def test_what_anybody_says_does_not(sent, secret):
    assert tell(event(sent), secret) == 400
    assert store.get(sent).state is State.SENT


@pytest.mark.parametrize(
    "metadata",
    [{}, {"id": "x"}, {"alias": "mail"}, {"id": "", "alias": "mail"}, {"id": "nobody", "alias": "mail"}],
)
def test_other_mail_of_the_project_is_not_ours(sent, metadata):
    assert tell(event(sent, Metadata=metadata)) == 200
    assert store.get(sent).state is State.SENT


@pytest.mark.parametrize("alias", ["other", "gone"])
def test_another_alias_is_not_spoken_for(sent, alias):
    assert tell(event(sent, Metadata={"id": sent, "alias": alias})) == 200
    assert store.get(sent).state is State.SENT


def test_nor_another_esp(sent):
    told = AnymailTrackingEvent(event_type="bounced", metadata={"id": sent, "alias": "mail"})
    tracking.send(sender=None, event=told, esp_name="Mailgun")
    assert store.get(sent).state is State.SENT
    tracking.send(sender=None, event=told, esp_name="Postmark")
    assert store.get(sent).state is State.FAILED


def test_while_redis_is_away_the_esp_is_to_say_it_again(sent, settings, monkeypatch):
    from sms import receipts
    from sms.errors import Unavailable

    def away(*_):
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(receipts, "record", away)
        assert tell(event(sent)) == 500
    assert tell(event(sent)) == 200
    assert store.get(sent).state is State.DELIVERED
