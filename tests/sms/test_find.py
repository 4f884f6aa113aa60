"""One user's story by its doors: ``manage.py find`` and the API say the same."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from structlog.testing import capture_logs

from otp import access
from otp import services as codes
from otp.caller import Caller
from otp.verification import Verification
from sms import services
from sms.testing import code_in, outbox

PHONE, OTHER = "+12025550123", "+12025550124"


@pytest.fixture(autouse=True)
def story() -> Verification:
    """A code that was typed, and a message to another number."""
    started = codes.start(PHONE, caller=Caller("shop"), reference="order-1")
    codes.check(started.id, "x")
    codes.check(started.id, code_in(outbox[-1].body))
    services.send(OTHER, "Hello", api_key="crm", reference="order-2")
    return started


def find(*arguments: str) -> str:
    out = StringIO()
    call_command("find", *arguments, stdout=out, stderr=out)
    return out.getvalue()


class TestCommand:
    def test_it_tells_a_story_that_can_be_read_out(self, story):
        heading, about, *lines = find(PHONE).splitlines()
        assert heading.endswith(", a code for login to +1••••••••23 (US)")
        assert about == f"  verification {story.id}, message {story.message_id}"
        assert [line.split("  ", 2)[2] for line in lines] == [
            "A code for login was asked for (key shop, reference order-1).",
            "Memory (test) took the message at once.",
            "A wrong code was typed.",
            "The right code was typed.",
        ]
        assert all(len(line.split()[0]) == len("12:00:03") for line in lines)

    def test_by_each_of_its_names(self, story):
        shown = find(PHONE)
        assert find("order-1") == find(story.id) == find(story.message_id) == shown
        assert "2025550123" not in shown

    def test_as_json_it_is_what_the_api_says(self, api):
        told = [json.loads(line) for line in find(PHONE, "--json").splitlines()]
        assert told == api.post("/v1/messages/search", {"to": PHONE}).json()["stories"]

    @pytest.mark.parametrize(
        ("what", "says"),
        [
            ("+12025550199", "Nothing was found in the last 72 hours"),
            ("order-9", "Nothing was found"),
            ("2025550123", "A number needs \\+ and the country code"),
            ("", "number with \\+ and the country code, a reference or an id"),
            ("Müller 12", "number with \\+ and the country code, a reference or an id"),
            ("+1 202", "too short"),
            ("+1 800 FLOWERS", "letters"),
        ],
    )
    def test_nothing_found_and_what_cannot_be_read(self, what, says):
        with pytest.raises(CommandError, match=says) as caught:
            find(what)
        assert caught.value.returncode == 1
        assert "2025550123" not in str(caught.value)

    def test_two_stories_stand_apart(self):
        services.send(PHONE, "Hello")
        assert find(PHONE).count("\n\n") == 1
        assert len(find(PHONE, "--json").splitlines()) == 2

    def test_help_has_examples(self, capsys):
        with pytest.raises(SystemExit):
            call_command("find", "--help")
        shown = capsys.readouterr().out
        assert "manage.py find +12025550123  " in shown
        assert "MESSAGE_RECORD_HOURS" in shown

    def test_the_look_is_logged(self):
        with capture_logs() as logs:
            find(PHONE)
        assert [(line["event"], line["by"]) for line in logs] == [("user_looked_up", "manage.py find")]
        assert "2025550123" not in str(logs)


class TestApi:
    def test_by_number_and_by_reference(self, api, story):
        for found in (
            api.get("/v1/messages?to=%2B12025550123"),
            api.get("/v1/messages?to=+1 (202) 555-0123"),  # a + that the caller forgot to quote
            api.get("/v1/messages?reference=order-1"),
            api.post("/v1/messages/search", {"to": PHONE}),
            api.post("/v1/messages/search", {"reference": "order-1"}),
        ):
            assert found.status_code == 200
            assert found["Cache-Control"] == "no-store"
            (one,) = found.json()["stories"]
            (message,) = one["messages"]
            assert (message["id"], message["verification_id"]) == (story.message_id, story.id)
            assert (message["purpose"], message["api_key"]) == ("login", "shop")
            assert [line["what"] for line in one["lines"]] == [
                "",
                "call_accepted",
                "check_invalid",
                "check_valid",
            ]
            assert "2025550123" not in found.content.decode()

    def test_nothing_found_is_an_empty_list(self, api):
        assert api.get("/v1/messages?reference=order-9").json() == {"stories": []}

    @pytest.mark.parametrize(
        ("query", "body", "code", "field"),
        [
            ("", {}, "field_missing", "to"),
            ("?to=&reference=", {"to": ""}, "field_missing", "to"),
            (
                "?to=%2B12025550123&reference=x",
                {"to": PHONE, "reference": "x"},
                "field_invalid",
                "reference",
            ),
            ("?to=%2B1202", {"to": "+1202"}, "phone_too_short", "to"),
            ("?to=911", {"to": "911"}, "phone_no_country", "to"),
            ("?reference=%2B12025550123", {"reference": PHONE}, "reference_invalid", "reference"),
            ("?reference=12025550123", {"reference": PHONE[1:]}, "reference_invalid", "reference"),
            ("?to=" + "1" * 65, {"to": "1" * 65}, "field_invalid", "to"),
        ],
    )
    def test_what_cannot_be_looked_for(self, api, query, body, code, field):
        for refused in (api.get(f"/v1/messages{query}"), api.post("/v1/messages/search", body)):
            assert refused.status_code == 422
            assert (refused.json()["code"], refused.json()["field"]) == (code, field)
            assert "2025550123" not in refused.content.decode()

    def test_it_takes_the_scope_read(self, api, settings):
        settings.API_ACCESS = access.parse("tests=verify,messages")
        for refused in (
            api.get("/v1/messages?reference=order-1"),
            api.post("/v1/messages/search", {"reference": "order-1"}),
        ):
            assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")

    def test_a_key_sees_its_purposes_alone_and_plain_messages(self, api, settings):
        settings.API_ACCESS = access.parse("tests=read,purpose:payment")
        assert api.get("/v1/messages?reference=order-1").json()["stories"] == []
        assert len(api.get("/v1/messages?reference=order-2").json()["stories"]) == 1
        settings.API_ACCESS = access.parse("tests=read,purpose:login")
        assert len(api.get("/v1/messages?reference=order-1").json()["stories"]) == 1

    def test_the_look_is_logged_with_the_name_of_the_key(self, api):
        with capture_logs() as logs:
            api.get("/v1/messages?to=%2B12025550123")
            api.post("/v1/messages/search", {"reference": "order-1"})
        looks = [(line["by"], line["what"]) for line in logs if line["event"] == "user_looked_up"]
        assert looks == [("tests", "number"), ("tests", "reference")]
        assert "2025550123" not in str(logs)
