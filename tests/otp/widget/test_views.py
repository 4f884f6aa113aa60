"""The steps of the widget, and the texts that they show."""

from __future__ import annotations

import json
import re

import pytest

from otp import services, sessions
from otp.api.access import parse
from otp.pages import language
from sms.testing import code_in, outbox
from tests.otp.pages.visit import cool_down, end, wrong
from tests.otp.test_next_channel import house  # noqa: F401  # a fixture
from tests.otp.widget.visit import ACCESS, PHONE, SHOP, Widget, made


@pytest.fixture(autouse=True)
def keys(settings):
    settings.API_ACCESS = ACCESS


@pytest.fixture
def widget() -> Widget:
    return Widget(made())


def newest() -> str:
    return code_in(outbox[-1].body)


def test_the_whole_way(widget):
    view = widget.view("open")
    assert (view["state"], view["field"]["name"], view["submit"]["to"]) == ("number", "phone", "start")
    view = widget.view("start", phone="+1 (202) 555-0123")
    assert (view["state"], view["field"]["length"], view["submit"]["to"]) == ("pending", 6, "check")
    assert view["field"]["complete"] == "one-time-code"
    assert view["lead"] == "We sent a code to your number ending in 23."
    assert (view["facts"], view["expiry"]) == ("3 attempts left", "Expires in {clock}")
    assert 110 < view["expires_in"] <= 120
    assert [button["text"] for button in view["buttons"]] == ["Send again", "Use another number"]
    view = widget.view("check", code=wrong(newest()))
    assert (view["state"], view["facts"]) == ("pending", "2 attempts left")
    assert view["error"].startswith("That is not the code.")
    view = widget.view("check", code=f"It is\n{newest()}!")
    found = sessions.read(widget.session.id, owner="shop")
    assert (view["state"], view["proof"]) == ("valid", found.proof)
    assert widget.view("open")["proof"] == found.proof  # where the answer got lost
    assert found.proof not in Widget(widget.session, holder="b" * 32).ask("open").content.decode()
    assert (found.status, found.phone) == ("valid", PHONE)
    assert services.status(found.verification_id, owner="shop").status == "valid"


def test_the_sms_is_bound_to_the_page_that_shows_the_widget(widget, redis):
    widget.view("start", phone=PHONE)
    cool_down(redis)
    widget.view("resend")
    assert [f"\n@shop.example #{newest()}" in sms.body for sms in outbox] == [True, True]


def test_a_number_that_is_given_cannot_be_another():
    widget = Widget(made(phone=PHONE))
    view = widget.view("open")
    assert view["field"] is None
    assert "It goes to \u2066+1••••••••23\u2069." in view["lead"]
    widget.view("start", phone="+12025550199")
    assert [sms.to for sms in outbox] == [PHONE]


def test_what_gets_no_code_says_why(widget):
    answer = widget.ask("start", phone="12")
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    problem = answer.json()
    assert (problem["code"], problem["field"]) == ("phone_no_country", "phone")
    assert problem["view"]["error"].startswith("The country code is missing.")
    assert problem["view"]["field"]["value"] == "12"


def test_a_challenge_is_asked_of_the_page(widget, settings):
    settings.OTP_CHALLENGE = "tests.otp.widget.test_views.passed"
    answer = widget.ask("start", phone=PHONE)
    assert (answer.status_code, answer.json()["code"]) == (403, "challenge_required")
    assert answer.json()["view"]["error"] == "Please complete the check in this form, then ask for the code."
    assert widget.view("start", phone=PHONE, challenge="seven")["state"] == "pending"


def passed(*, answer: str, **_: object) -> bool:
    return answer == "seven"


def test_a_double_click_and_a_lost_answer_send_one_code(widget):
    widget.view("start", phone=PHONE)
    widget.token = ""
    view = widget.view("start", phone=PHONE)
    assert view["lead"].startswith("We sent a code a moment ago to")
    assert len(outbox) == 1
    code = newest()
    token = widget.token
    assert widget.view("check", code=code)["state"] == "valid"
    widget.token = token
    assert widget.view("check", code=code)["state"] == "valid"


def test_a_right_code_whose_answer_got_lost_is_no_loss(widget):
    widget.view("start", phone=PHONE)
    token = widget.token
    widget.ask("check", code=newest())
    assert sessions.read(widget.session.id).status == "valid"
    widget.token = token
    assert widget.view("open")["state"] == "valid"


def test_another_session_gets_no_code_of_this_one(widget):
    widget.view("start", phone=PHONE)
    answer = Widget(made(), holder="b" * 32).ask("start", phone=PHONE)
    assert (answer.status_code, answer.json()["code"]) == (429, "pending")
    assert answer.json()["view"]["state"] == "number"
    assert answer.has_header("Retry-After")


def test_sent_again_and_too_soon(widget, redis):
    widget.view("start", phone=PHONE)
    answer = widget.ask("resend")
    assert (answer.status_code, answer.json()["code"]) == (429, "pending")
    view = answer.json()["view"]
    assert view["state"] == "pending"
    assert view["error"].startswith("We sent a code to this number a moment ago.")
    assert (0 < view["resend_in"] <= 30, view["wait"]) == (True, "in {clock}")
    cool_down(redis)
    assert widget.view("resend")["lead"].startswith("We sent the code once more to")
    assert len(outbox) == 2


@pytest.mark.usefixtures("house")
def test_another_channel(widget, redis):
    view = widget.view("start", phone=PHONE)
    others = [(button["channel"], button["text"]) for button in view["buttons"] if button.get("channel")]
    assert others == [("sms", "Send an SMS"), ("voice", "Call me")]
    cool_down(redis)
    view = widget.view("resend", channel="voice")
    assert view["lead"].startswith("We are calling your number")
    cool_down(redis)
    answer = widget.ask("resend", channel="telegram")
    assert (answer.status_code, answer.json()["code"]) == (422, "channel_unavailable")
    assert answer.json()["view"]["state"] == "pending"


@pytest.mark.parametrize("how", ["expired", "blocked"])
def test_a_code_that_is_over(widget, redis, how):
    widget.view("start", phone=PHONE)
    cool_down(redis)
    if how == "expired":
        end(redis)
        view = widget.view("open")
    else:
        for _ in range(3):
            view = widget.view("check", code=wrong(newest()))
    assert (view["state"], view.get("field")) == (how, None)
    assert view["submit"]["text"] == "Send a new code"
    assert widget.view("resend")["state"] == "pending"
    assert widget.view("check", code=newest())["state"] == "valid"


def test_guesses_are_limited(widget, settings):
    settings.OTP_GUESS_LIMITS = {"ip": "1/10m"}
    widget.view("start", phone=PHONE)
    widget.view("check", code=wrong(newest()))
    answer = widget.ask("check", code=newest())
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert answer.json()["view"]["error"].startswith("Too many wrong codes came from your network")
    assert sessions.read(widget.session.id).status == "pending"


def test_another_number(widget, redis):
    widget.view("start", phone=PHONE)
    assert widget.view("cancel")["state"] == "number"
    assert not redis.keys("otp:verification:*")
    assert widget.view("start", phone="+12025550199")["state"] == "pending"


def test_the_session_runs_out_on_the_way(widget, redis):
    widget.view("start", phone=PHONE)
    redis.delete(f"otp:session:{widget.session.id}")
    answer = widget.ask("check", code=newest())
    assert (answer.status_code, answer.json()["code"]) == (410, "session_expired")
    assert answer.json()["view"]["lead"] == "Please load this page again."


def test_no_answer_and_no_log_holds_what_is_secret(widget, redis, caplog):
    widget.view("open")
    answers = [widget.ask("start", phone=PHONE), widget.ask("check", code="12")]
    said = "".join(json.dumps(answer.json()) for answer in answers) + caplog.text
    for secret in (PHONE[1:], newest(), widget.holder):
        assert secret not in said
    kept = b"".join(redis.dump(key) or b"" for key in redis.keys("*"))
    assert widget.holder.encode() not in kept
    assert PHONE[1:].encode() not in kept


@pytest.mark.parametrize("tag", sorted(language.PAGES))
def test_it_speaks_every_language(widget, tag):
    widget.language = tag
    views = [
        widget.view("open"),
        widget.view("start", phone=PHONE),
        widget.view("check", code="12"),
        widget.view("check", code=wrong(newest())),
    ]
    views.append(widget.view("check", code=newest()))
    views += [Widget(widget.session, holder="b" * 32).ask("open").json()["view"]]
    assert {view["lang"].lower() for view in views[:-1]} == {tag}
    assert {view["dir"] for view in views[:-1]} == {"rtl" if tag in ("ar", "fa") else "ltr"}
    words = json.dumps(views[:-1], ensure_ascii=False)
    assert not re.search(r"%\(|&\w+;|&#|<", words)
    if tag != "en":
        said = " ".join(view["title"] + view["lead"] + view.get("error", "") for view in views[:-1])
        assert not re.search(r"\b(the|your|you|sent|number)\b", said)


def test_the_language_of_the_session_comes_first():
    widget = Widget(made(locale="de"))
    widget.language = "fr"
    assert widget.view("open")["title"] == "Telefon bestätigen"
    widget.view("start", phone=PHONE)
    assert outbox[-1].body.startswith(f"{newest()} ist Ihr ")
    assert SHOP.removeprefix("https://") in outbox[-1].body


def test_the_limits_of_its_key_hold_for_a_session(settings):
    settings.API_ACCESS = parse(f"shop=verify,return:{SHOP},1/1d")
    assert Widget(made()).ask("start", phone=PHONE).status_code == 200
    refused = Widget(made()).ask("start", phone="+12025550124")
    assert (refused.status_code, refused.json()["limit"]) == (429, "key")
    assert [sms.to for sms in outbox] == [PHONE]
