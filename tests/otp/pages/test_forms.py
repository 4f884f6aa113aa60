"""The hosted pages' forms, each about one verification: two tabs, double clicks, lost answers, forgeries."""

from __future__ import annotations

import re
import time
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.core import signing
from django.test import Client

from otp import services, store
from otp.errors import StoreUnavailable
from otp.pages import kept
from sms import services as sms
from sms.testing import code_in, outbox
from tests.hung import hung

A, B = "+12025550123", "+12025550124"


class Browser:
    """A browser that sends a page's forms unchanged, and checks that each is from ours (CSRF)."""

    def __init__(self) -> None:
        self.client = Client(enforce_csrf_checks=True)

    def open(self, path: str = "/") -> Page:
        return Page(self, self.client.get(path, follow=True))

    def lose(self, form: dict[str, str], action: str) -> None:
        """Send a form; whatever the answer sets is lost with it."""
        before = SimpleCookie(self.client.cookies)
        self.client.post(action, form)
        self.client.cookies = before


class Page:
    """A page in a tab, which stays as it is."""

    def __init__(self, browser: Browser, answer: Any) -> None:
        self.browser, self.answer = browser, answer
        self.html = answer.content.decode()
        main = self.html.partition("<main")[2].partition("</main>")[0]
        self.text = " ".join(re.sub(r"<[^>]+>", "", f"<{main}").split())

    def form(self, action: str, **typed: str) -> dict[str, str]:
        """The fields of the form with this action."""
        part = self.html.partition(f'action="{action}"')[2].partition("</form>")[0]
        assert part, f"no form goes to {action}"
        found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', part)
        return dict(found) | typed

    def send(self, action: str, **typed: str) -> Page:
        fields = self.form(action, **typed)
        return Page(self.browser, self.browser.client.post(action, fields, follow=True))


@pytest.fixture
def browser() -> Browser:
    return Browser()


def start(browser: Browser, number: str) -> tuple[Page, str]:
    """The page for the code, and the code."""
    page = browser.open().send("/", phone=number)
    assert "Enter the code" in page.text
    return page, code_in(outbox[-1].body)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def left(redis: Any) -> dict[str, int]:
    """Attempts left by masked number, of what lives."""
    found = {}
    for key in redis.keys("otp:verification:*"):
        number, attempts = sms.unseal(redis.hget(key, "envelope"))["to"], redis.hget(key, "left")
        found[number] = int(attempts)
    return found


def end(redis: Any) -> None:
    redis.delete(*redis.keys("otp:verification:*"))
    for key in redis.keys("otp:phone:*"):
        redis.hset(key, "resend_at", 0)


# --- two tabs ----------------------------------------------------------------------------------------


def test_a_code_is_held_against_the_verification_of_its_own_page(browser, redis):
    """It does not matter what another tab of this browser does, or which of the two came first."""
    tab_a, code_a = start(browser, A)
    tab_b, code_b = start(browser, B)
    tab_a = tab_a.send("/code", code=wrong(code_a))
    assert left(redis) == {A: 2, B: 3}
    assert "That is not the code." in tab_a.text
    assert "+1••••••••23" in tab_a.text
    tab_b = tab_b.send("/code", code=wrong(code_b))
    assert left(redis) == {A: 2, B: 2}
    assert "+1••••••••24" in tab_b.text
    assert "Your phone is verified" in tab_a.send("/code", code=code_a).text
    done = tab_b.send("/code", code=code_b)
    assert "Your phone is verified" in done.text
    assert "+1••••••••24" in done.text


@pytest.mark.parametrize("over", [False, True])
def test_sending_again_is_for_the_number_of_its_own_page(browser, redis, over):
    tab_a, _ = start(browser, A)
    start(browser, B)
    end(redis) if over else [redis.hset(key, "resend_at", 0) for key in redis.keys("otp:phone:*")]
    page = tab_a.send("/resend")
    assert outbox[-1].to == A
    assert len(outbox) == 3
    assert f"We sent {'a code' if over else 'the code once more'} to +1••••••••23" in page.text


def test_another_number_gives_up_that_of_its_own_page_alone(browser, redis):
    tab_a, _ = start(browser, A)
    tab_b, code_b = start(browser, B)
    page = tab_a.send("/cancel")
    assert left(redis) == {B: 3}
    assert "Enter the one we sent to +1••••••••24" in page.text
    assert "Your phone is verified" in tab_b.send("/code", code=code_b).text
    tab_b.browser.open("/done").send("/cancel")
    assert kept.COOKIE not in {name for name, cookie in browser.client.cookies.items() if cookie.value}


def test_the_script_of_a_page_sees_how_its_own_verification_stands(browser, redis):
    """It sends the form without a code. From then on a reload shows this verification too."""
    tab_a, code_a = start(browser, A)
    start(browser, B)
    services.check(kept_id(tab_a), wrong(code_a))
    fresh = Page(browser, browser.client.post("/code", tab_a.form("/code")))
    assert fresh.answer.status_code == 200
    assert "+1••••••••23" in fresh.text
    assert "2 attempts left" in fresh.text
    assert "+1••••••••23" in browser.open("/code").text
    assert left(redis) == {A: 2, B: 3}


def test_a_look_keeps_what_was_said(browser):
    page, code = start(browser, A)
    page = page.send("/code", code=wrong(code))
    browser.client.post("/code", page.form("/code"))
    assert "That is not the code." in browser.open("/code").text


def test_the_script_learns_that_another_tab_has_verified(browser):
    page, code = start(browser, A)
    assert services.check(kept_id(page), code).status == "valid"
    answer = browser.client.post("/code", page.form("/code"), follow=True)
    assert answer.redirect_chain == [("/done", 303)]
    assert "Your phone is verified" in browser.open("/done").text


def kept_id(page: Page) -> str:
    """The id in the token of a page."""
    value = signing.TimestampSigner(salt="otp.kept").unsign(page.form("/code")[kept.FIELD])
    return sms.unseal(value.encode())["kept"]["id"]


# --- twice, and answers that get lost ------------------------------------------------------------------


def test_a_second_press_after_a_lost_answer_leads_to_where_the_code_is_typed(browser):
    page = browser.open()
    browser.lose(page.form("/", phone=A), "/")
    page = page.send("/", phone="+1 (202) 555-0123")
    assert len(outbox) == 1
    assert "We sent a code a moment ago to +1••••••••23" in page.text
    assert "Your phone is verified" in page.send("/code", code=code_in(outbox[0].body)).text


def test_so_does_a_second_press_for_a_new_code(browser, redis):
    page, _ = start(browser, A)
    end(redis)
    page = browser.open("/code")
    assert "The code has expired" in page.text
    browser.lose(page.form("/resend"), "/resend")
    page = page.send("/resend")
    assert len(outbox) == 2
    assert "Your phone is verified" in page.send("/code", code=code_in(outbox[1].body)).text


def test_a_second_press_for_the_same_code_shows_when_there_is_more(browser, redis):
    page, code = start(browser, A)
    for key in redis.keys("otp:phone:*"):
        redis.hset(key, "resend_at", 0)
    browser.lose(page.form("/resend"), "/resend")
    page = page.send("/resend")
    assert len(outbox) == 2
    assert "We sent a code to this number a moment ago." in page.text
    assert "Your phone is verified" in page.send("/code", code=code).text


def test_a_second_press_that_verifies_ends_at_done(browser):
    page, code = start(browser, A)
    browser.lose(page.form("/code", code=code), "/code")
    assert "Your phone is verified" in page.send("/code", code=code).text


def once(*, answer: str, **_: Any) -> bool:
    """A captcha whose answers are good for one time."""
    return answer in ANSWERS and not ANSWERS.remove(answer)


ANSWERS: list[str] = []


def test_a_second_press_need_not_solve_a_challenge_again(browser, settings):
    settings.OTP_CHALLENGE = f"{__name__}.once"
    ANSWERS[:] = ["right"]
    page = browser.open()
    browser.lose(page.form("/", phone=A, challenge="right"), "/")
    assert "Enter the code" in page.send("/", phone=A, challenge="right").text
    assert len(outbox) == 1


@pytest.mark.parametrize("again", ["the same form", "a page that was opened anew"])
def test_it_does_not_matter_which_form_comes_second(browser, again):
    page = browser.open()
    browser.lose(page.form("/", phone=A), "/")
    page = page if again == "the same form" else browser.open()
    assert "Enter the code" in page.send("/", phone=A).text
    assert len(outbox) == 1


def test_another_browser_does_not_get_to_a_code_that_it_did_not_ask_for(browser, redis):
    start(browser, A)
    page = Browser().open().send("/", phone=A)
    assert "You can ask for a new code in" in page.text
    assert 'name="code"' not in page.html
    assert kept.COOKIE not in page.browser.client.cookies


@pytest.mark.parametrize("over", ["blocked", "expired", "valid", "cancelled"])
def test_what_is_over_is_not_found_again(browser, redis, over):
    page, code = start(browser, A)
    if over == "blocked":
        for _ in range(3):
            page = page.send("/code", code=wrong(code))
    elif over == "expired":
        redis.delete(*redis.keys("otp:verification:*"))
    else:
        page.send("/code", code=code) if over == "valid" else page.send("/cancel")
    page = browser.open().send("/", phone=A)
    if over == "valid":  # nothing is to be waited for
        assert len(outbox) == 2
    else:
        assert "You can ask for a new code in" in page.text


def test_the_same_form_with_another_number_is_another_verification(browser):
    page = browser.open()
    page.send("/", phone=A)
    assert "+1••••••••24" in page.send("/", phone=B).text
    assert [sent.to for sent in outbox] == [A, B]


def test_a_guess_whose_answer_got_lost_is_shown_as_it_counted(browser, redis, redis_server, settings):
    settings.OTP_GUESS_LIMITS = "off"  # with cells they would be asked first, and the guess get lost
    page, code = start(browser, A)
    page = page.send("/code", code=wrong(code))
    with hung(redis_server):
        lost = browser.client.post("/code", page.form("/code", code=wrong(code)))
        assert lost["Location"] == "/code"
    deadline = time.monotonic() + 5
    while left(redis) != {A: 1}:
        assert time.monotonic() < deadline
    for _ in range(2):
        page = browser.open("/code")
        assert "1 attempt left" in page.text
        assert "That is not the code." in page.text
    assert "Your phone is verified" in page.send("/code", code=code).text


def test_a_right_code_whose_answer_got_lost_is_shown_as_right(browser, redis, redis_server, settings):
    settings.OTP_GUESS_LIMITS = "off"  # with cells they would be asked first, and the guess get lost
    page, code = start(browser, A)
    page = page.send("/code", code=wrong(code))
    with hung(redis_server):
        browser.client.post("/code", page.form("/code", code=code))
    deadline = time.monotonic() + 5
    while redis.hget(redis.keys("otp:verification:*")[0], "status") != b"valid":
        assert time.monotonic() < deadline
    assert "Your phone is verified" in browser.open("/code").text


def test_a_resend_whose_answer_got_lost_may_have_been_sent(browser, redis, monkeypatch):
    page, _ = start(browser, A)
    for key in (*redis.keys("otp:phone:*"), *redis.keys("otp:verification:*")):
        redis.hset(key, "resend_at", 0)
    send_again = store.resend

    def lost(*args, **more):
        send_again(*args, **more)
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(store, "resend", lost)
        page = page.send("/resend")
    assert "We do not know whether it was sent again." in page.text


# --- tokens that are not ours ---------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["/code", "/resend", "/cancel"])
def test_the_form_of_another_browser_does_nothing(browser, redis, action):
    """Who knows the token of a form cannot make another browser go on with its verification."""
    theirs, code = start(Browser(), A)
    end_of_cooldown = {key: redis.hset(key, "resend_at", 0) for key in redis.keys("otp:phone:*")}
    assert end_of_cooldown
    mine, _ = start(browser, B)
    token = theirs.form("/code")[kept.FIELD]
    page = mine.send(action, code=code, **{kept.FIELD: token})
    assert left(redis) == {A: 3, B: 3}
    assert len(outbox) == 2
    assert "+1••••••••23" not in page.text
    if action == "/code":
        assert "That page was too old, so nothing happened." in page.text
        assert "+1••••••••24" in page.text


def test_a_form_is_good_no_longer_than_a_code_can_live(browser, redis, monkeypatch):
    page, code = start(browser, A)
    monkeypatch.setattr(kept, "LONGEST", -1)
    assert "Verify your phone" in page.send("/code", code=code).text
    assert left(redis) == {A: 3}


def test_a_first_page_that_was_open_for_a_day_still_works(browser, monkeypatch):
    page = browser.open()
    monkeypatch.setattr(kept, "LONGEST", -1)
    browser.client.post("/", page.form("/", phone=A))
    assert len(outbox) == 1


@pytest.mark.parametrize("value", ["", "x", ":", "a:b:c", "\0", "é", "x" * 5000])
def test_a_token_that_is_none_does_nothing(browser, redis, value):
    page, code = start(browser, A)
    page = page.send("/code", code=code, **{kept.FIELD: value})
    assert "That page was too old, so nothing happened." in page.text
    assert left(redis) == {A: 3}


def test_a_cookie_is_no_token(browser, redis):
    page, code = start(browser, A)
    cookie = browser.client.cookies[kept.COOKIE].value
    page.send("/code", code=code, **{kept.FIELD: cookie})
    assert left(redis) == {A: 3}


def test_nothing_in_a_form_can_be_read(browser):
    page, code = start(browser, A)
    id = kept_id(page)
    for text in (page.html, browser.open().html):
        assert id not in text
        assert "2025550123" not in text
        assert code not in text


def test_without_a_token_the_cookie_says_which_verification_is_meant(browser):
    """A page of the version before, or a template of a project that has no such field."""
    page, code = start(browser, A)
    fields = page.form("/code", code=code)
    del fields[kept.FIELD]
    answer = browser.client.post("/code", fields, follow=True)
    assert "Your phone is verified" in answer.content.decode()


def test_the_version_before_can_read_the_cookie(browser):
    """While both answer one browser, as in a rolling upgrade, none of them forgets its code."""
    page, code = start(browser, A)
    for typed in (None, "12", wrong(code), code):
        if typed:
            page = page.send("/code", code=typed)
        sealed = browser.client.cookies[kept.COOKIE].value.rsplit(":", 2)[0]
        assert set(sms.unseal(sealed.encode())) <= {"id", "phone", "resend_at", "said", "left"}


def test_in_a_project_without_the_middleware_the_forms_are_guarded_as_well(browser, settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Csrf" not in name]
    assert browser.client.post("/", {"phone": A}).status_code == 403
    page, code = start(browser, A)
    assert "Your phone is verified" in page.send("/code", code=code).text
