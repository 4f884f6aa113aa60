"""The pages of a session, as a browser without JavaScript sees them."""

from __future__ import annotations

import html
import re
import time

import pytest
from django.test import Client

from otp import services, sessions, store
from otp.api.access import parse
from sms.testing import code_in, outbox
from tests.otp.pages.visit import PHONE, break_redis, cool_down, text, title

BACK = "https://shop.example/verified?step=2"
OTHER = "+12025550199"


def made(**more) -> sessions.Session:
    return sessions.create(owner="shop", return_url=BACK, **more)


def form(answer) -> dict[str, str]:
    """The hidden fields of the first form of a page."""
    found = re.findall(r'<input type="hidden" name="(.+?)" value="(.*?)"', answer.content.decode())
    return {name: html.unescape(value) for name, value in found}


def begin(browser, session):
    return browser.get(f"/s/{session.id}", follow=True)


def newest() -> str:
    return code_in(outbox[-1].body)


def verify(browser, session, **typed):
    answer = begin(browser, session)
    answer = browser.post("/number", form(answer) | typed, follow=True)
    return browser.post("/code", form(answer) | {"code": newest()}, follow=True)


def assert_told(answer, words: str) -> None:
    """An ordinary page, which neither a browser nor a search engine keeps."""
    assert (answer.status_code, words in text(answer)) == (200, True)
    assert "no-store" in answer["Cache-Control"]
    assert '<meta name="robots" content="noindex">' in answer.content.decode()


def test_the_whole_way_there_and_back(browser, redis):
    session = made(state="4f3a")
    answer = begin(browser, session)
    assert answer.redirect_chain == [("/number", 303)]
    assert title(answer) == "Verify your phone · Otpost"
    assert html.escape(session.way_back) in answer.content.decode()  # for whoever does not want to
    answer = verify(browser, session, phone=PHONE)
    assert answer.redirect_chain == [("/done", 303)]
    found = sessions.read(session.id)
    there = f"{BACK}&session={session.id}&state=4f3a&proof={found.proof}"
    assert f'content="0;url={html.escape(there)}"' in answer.content.decode()
    assert f'href="{html.escape(there)}"' in answer.content.decode()
    assert (found.status, found.phone) == ("valid", PHONE)
    assert services.status(found.verification_id, owner="shop").status == "valid"
    of_session = redis.hget(f"otp:verification:{found.verification_id}", "session")
    assert of_session.decode() == session.id  # so the webhooks name it


def test_a_browser_that_keeps_no_cookies_is_told_so(browser):
    answer = browser.get(f"/s/{made().id}")
    browser.cookies.clear()
    answer = browser.get(answer["Location"], headers={"Accept-Language": "de"})
    assert (answer.status_code, title(answer)) == (403, "Diese Seiten brauchen Cookies · Otpost")
    assert "Bitte erlauben Sie sie für diese Website. Gehen Sie dorthin zurück" in text(answer)


def test_a_number_that_is_given_cannot_be_another(browser):
    session = made(phone=PHONE)
    answer = begin(browser, session)
    assert "It goes to +1••••••••23" in text(answer)
    assert 'name="phone"' not in answer.content.decode()
    verify(browser, session, phone=OTHER)
    assert [sms.to for sms in outbox] == [PHONE]
    assert sessions.read(session.id).phone == PHONE


def test_a_page_left_open_still_works_while_the_session_lives(browser, monkeypatch):
    """By the clock that signs forms and cookies, which is 14 minutes later than when the page was shown."""
    session = made()
    first = begin(browser, session)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 840)
    answer = browser.post("/number", form(first) | {"phone": PHONE}, follow=True)
    assert [sms.to for sms in outbox] == [PHONE]
    browser.post("/code", form(answer) | {"code": code_in(outbox[-1].body)})
    assert sessions.read(session.id).status == "valid"


def test_another_browser_is_told_so(browser):
    session = made()
    begin(browser, session)
    answer = begin(Client(), session)
    assert_told(answer, "opened in another browser")
    assert begin(browser, session).status_code == 200  # this one may go on


def test_whoever_keeps_no_cookie_does_not_take_it_away(browser):
    session = made()
    for _ in range(2):  # the preview of a messenger, and an answer that got lost
        Client().get(f"/s/{session.id}")
        Client().head(f"/s/{session.id}")
    assert begin(browser, session).status_code == 200


def test_one_that_was_not_opened_here_sends_nothing(browser):
    session = made(phone=PHONE)
    stranger = Client()
    stranger.get(f"/s/{session.id}")
    begin(browser, session)
    for path in ("/number", "/resend"):
        assert_told(stranger.post(path), "opened in another browser")
    assert outbox == []


def test_one_that_never_was_has_run_out(browser):
    for path in ("/s/never", "/number"):
        assert_told(browser.get(path), "This link has expired")


def test_two_tabs_have_two_sessions(browser):
    one, two = made(phone=PHONE), made(phone=OTHER)
    first, second = begin(browser, one), begin(browser, two)
    first = browser.post("/number", form(first), follow=True)
    code_of_one = newest()
    second = browser.post("/number", form(second), follow=True)
    code_of_two = newest()
    browser.post("/code", form(first) | {"code": code_of_one}, follow=True)
    browser.post("/code", form(second) | {"code": code_of_two}, follow=True)
    for session, phone in ((one, PHONE), (two, OTHER)):
        found = sessions.read(session.id)
        assert (found.status, found.phone) == ("valid", phone)


def test_one_number_in_two_sessions_has_a_code_for_each(browser, redis):
    one, two = made(), sessions.create(owner="bank", return_url="https://bank.example/")
    begin(browser, one)
    browser.post("/number", {"phone": PHONE})
    answer = begin(browser, two)
    refused = browser.post("/number", form(answer) | {"phone": PHONE})
    assert (refused.status_code, len(outbox)) == (429, 1)  # the code of the other session does not count here
    cool_down(redis)
    answer = browser.post("/number", form(answer) | {"phone": PHONE}, follow=True)
    browser.post("/code", form(answer) | {"code": newest()})
    found = sessions.read(two.id)
    assert (found.status, sessions.read(one.id).status) == ("valid", "pending")
    assert services.status(found.verification_id, owner="bank").status == "valid"


def test_a_double_click_sends_one_code(browser):
    answer = begin(browser, made())
    fields = form(answer) | {"phone": PHONE}
    for _ in range(2):
        assert browser.post("/number", fields)["Location"] == "/code"
    assert len(outbox) == 1


def test_a_lost_answer_can_be_asked_for_again(browser):
    session = made()
    answer = begin(browser, session)
    answer = browser.post("/number", form(answer) | {"phone": PHONE}, follow=True)
    fields = form(answer) | {"code": newest()}
    for _ in range(2):
        assert browser.post("/code", fields, follow=True).redirect_chain[-1] == ("/done", 303)
    assert sessions.read(session.id).status == "valid"


def test_it_is_valid_with_the_right_code_whatever_becomes_of_the_next_page(browser):
    session = made()
    answer = begin(browser, session)
    answer = browser.post("/number", form(answer) | {"phone": PHONE}, follow=True)
    browser.post("/code", form(answer) | {"code": newest()})
    assert sessions.read(session.id).status == "valid"


def test_while_redis_is_away_the_end_waits(browser, settings):
    session = made()
    answer = begin(browser, session)
    answer = browser.post("/number", form(answer) | {"phone": PHONE}, follow=True)
    browser.post("/code", form(answer) | {"code": newest()})
    here = settings.CACHES
    break_redis(settings)
    answer = browser.get("/done")
    assert (answer.status_code, "Nothing is lost" in text(answer)) == (503, True)
    settings.CACHES = here
    assert "Your phone is verified" in text(browser.get("/done"))


def test_one_that_is_valid_leads_back_at_once(browser):
    session = made()
    verify(browser, session, phone=PHONE)
    answer = begin(browser, session)
    assert "Your phone is verified" in text(answer)
    assert session.way_back in html.unescape(answer.content.decode())


def test_the_proof_is_for_the_browser_that_finished_alone(browser):
    session = made()
    attacker = Client()  # who has the address from the shop, and looks before and after
    attacker.get(f"/s/{session.id}")
    verify(browser, session, phone=PHONE)
    proof = sessions.read(session.id).proof
    for path in (f"/s/{session.id}", "/number", "/code", "/done", "/resend"):
        for answer in (attacker.get(path, follow=True), attacker.post(path, follow=True)):
            assert proof not in answer.content.decode()
            assert PHONE[-2:] not in text(answer)
    for path in ("/done", f"/s/{session.id}"):  # a lost answer can be asked for again
        assert f"proof={proof}" in browser.get(path, follow=True).content.decode()


def test_one_that_is_valid_sends_no_more(browser):
    session = made()
    fields = form(begin(browser, session))
    verify(browser, session, phone=PHONE)
    for path in ("/number", "/resend"):
        answer = browser.post(path, fields | {"phone": OTHER})
        assert session.way_back in html.unescape(answer.content.decode())
    assert [sms.to for sms in outbox] == [PHONE]


def test_another_number_stays_in_the_session(browser):
    session = made()
    answer = begin(browser, session)
    answer = browser.post("/number", form(answer) | {"phone": PHONE}, follow=True)
    answer = browser.post("/cancel", form(answer), follow=True)
    assert answer.redirect_chain == [("/number", 303)]
    answer = browser.post("/number", form(answer) | {"phone": OTHER}, follow=True)
    browser.post("/code", form(answer) | {"code": newest()}, follow=True)
    assert sessions.read(session.id).phone == OTHER


def test_its_purpose_and_reference_count(browser, settings):
    settings.OTP_PURPOSES = {"payment": {"length": 8, "text": "{code} pays"}}
    session = made(purpose="payment", reference="order-1")
    verify(browser, session, phone=PHONE)
    assert re.match(r"\d{8} pays", outbox[-1].body)
    found = sessions.read(session.id)
    assert (found.status, services.status(found.verification_id).reference) == ("valid", "order-1")


def test_bad_numbers_are_told_and_the_way_back_stays(browser):
    session = made()
    answer = begin(browser, session)
    answer = browser.post("/number", form(answer) | {"phone": "123"})
    assert answer.status_code == 422
    assert html.escape(session.way_back) in answer.content.decode()
    answer = browser.post("/number", form(answer) | {"phone": PHONE})
    assert answer["Location"] == "/code"


@pytest.mark.parametrize("path", ["/code", "/done", "/number"])
def test_no_address_and_no_page_holds_the_number_or_the_state(browser, path):
    session = made(phone=PHONE, state="secret-state")
    verify(browser, session)
    answer = browser.get(path, follow=True)
    assert "2025550123" not in answer.content.decode().replace(html.escape(session.way_back), "")


def test_a_session_that_ended_meanwhile(browser, redis):
    session = made()
    answer = begin(browser, session)
    redis.delete(f"otp:session:{session.id}")
    assert_told(browser.post("/number", form(answer) | {"phone": PHONE}), "This link has expired")
    assert outbox == []
    assert store.read("never") is None


def test_the_limits_of_its_key_hold_for_a_session(settings):
    settings.API_ACCESS = parse("shop=verify,return:https://shop.example,1/1d")
    for phone, status in ((PHONE, 200), (OTHER, 429)):
        browser = Client()
        hidden = form(begin(browser, made()))
        assert browser.post("/number", hidden | {"phone": phone}, follow=True).status_code == status
    assert [sms.to for sms in outbox] == [PHONE]
