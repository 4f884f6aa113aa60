"""Sessions over HTTP: who may make one, where it may lead, and what is told of it."""

from __future__ import annotations

import pytest

from otp import services, sessions
from otp.api.access import parse
from otp.errors import StoreUnavailable
from tests.conftest import point_cache_at
from tests.otp.api.test_api import assert_problem

SESSIONS = "/v1/sessions"
BACK = "https://shop.example/verified?step=2"


@pytest.fixture
def shop(api, settings):
    settings.API_ACCESS = parse(
        "tests=verify,return:https://shop.example,return:http://localhost:3000,purpose:login"
    )
    return api


def made(api, **more):
    answer = api.post(SESSIONS, {"return_url": BACK, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def verified(id, phone="+12025550123"):
    """The id of a verification within a session; it is over."""
    verification = services.start(phone, session=id).id
    assert services.approve(verification).status == "valid"
    return verification


def test_it_is_made_and_waits(shop):
    found = made(shop, phone="+12025550123", state="4f3a", reference="order-1", locale="de")
    assert found["url"].endswith(f"/s/{found['id']}")
    assert shop.get(f"{SESSIONS}/{found['id']}").json() == {
        "id": found["id"],
        "status": "pending",
        "verification_id": None,
        "masked": None,
        "phone": None,
        "reference": "order-1",
        "proof": None,
    }
    session = sessions.read(found["id"])
    assert (session.phone, session.locale) == ("+12025550123", "de")
    assert session.way_back == f"{BACK}&session={session.id}&state=4f3a"


@pytest.mark.parametrize(
    ("url", "joint"),
    [
        ("https://shop.example", "?"),
        ("https://shop.example/a&", "?"),
        ("https://shop.example/?", ""),
        ("https://shop.example/?a=1", "&"),
        ("https://shop.example/?a=1&", ""),
    ],
)
def test_the_way_back_is_one_query(url, joint):
    session = sessions.create(owner="shop", return_url=url)
    assert session.way_back == f"{url}{joint}session={session.id}"


def test_public_url_is_where_it_leads(shop, settings):
    settings.PUBLIC_URL = "https://verify.example.com/"
    assert made(shop)["url"].startswith("https://verify.example.com/s/")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://shop.example.evil.example/",
        "https://shop.example:8443/",
        "https://sub.shop.example/",
        "http://localhost:3001/",
        "http://localhost/",
    ],
)
def test_it_leads_to_no_other_origin(shop, url):
    assert_problem(shop.post(SESSIONS, {"return_url": url}), 403, "return_url_not_allowed")


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/",
        "//shop.example/",
        "/verified",
        "javascript:alert(1)",
        "https://shop.example@evil.example/",
        "https://shop.example\\@evil.example/",
        "https://shop.example/#top",
        "https://shop.example/\r\nSet-Cookie: a=b",
        "https://shop.example:99999/",
        "https://[::1/",
        "https://shöp.example/",
        "https:///verified",
        "",
    ],
)
def test_what_no_browser_may_be_sent_to(shop, url):
    problem = assert_problem(shop.post(SESSIONS, {"return_url": url}), 422, "field_invalid")
    assert problem["field"] == "return_url"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://shop.example/verified", "https://shop.example"),
        ("HTTPS://SHOP.example:443/", "https://shop.example"),
        ("http://localhost:3000/a?b=c", "http://localhost:3000"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_an_origin_has_one_spelling(url, origin):
    assert sessions.origin_of(url) == origin


def test_a_key_without_origins_makes_none(api):
    problem = assert_problem(api.post(SESSIONS, {"return_url": BACK}), 403, "return_url_not_allowed")
    assert "nowhere" in problem["detail"]


def test_what_a_key_may_not(shop):
    body = {"return_url": BACK, "purpose": "signup"}
    assert_problem(shop.post(SESSIONS, body), 403, "purpose_not_allowed")


@pytest.mark.parametrize(
    ("more", "code", "field"),
    [
        ({"phone": "123"}, "phone_no_country", "phone"),
        ({"reference": "+12025550123"}, "reference_invalid", "reference"),
        ({"state": "x" * 501}, "field_invalid", "state"),
        ({"next": "/"}, "field_unknown", "next"),
    ],
)
def test_bad_input(shop, more, code, field):
    problem = assert_problem(shop.post(SESSIONS, {"return_url": BACK, **more}), 422, code)
    assert problem.get("field") == field


def test_without_pages_there_is_none(shop, settings):
    settings.PAGES = "off"
    assert_problem(shop.post(SESSIONS, {"return_url": BACK}), 422, "pages_off")


def test_without_redis_it_is_refused_as_a_start_is(shop, settings):
    point_cache_at(settings, "redis://127.0.0.1:9/0")
    start = shop.post("/v1/verifications", {"phone": "+12025550123"})
    answers = [
        shop.post(SESSIONS, {"return_url": BACK}),
        shop.get(f"{SESSIONS}/never"),
        prove(shop, "never", "q7Wd"),
    ]
    for answer in answers:
        assert_problem(answer, 503, "unavailable")
        assert (answer.content, answer["Retry-After"]) == (start.content, start["Retry-After"])
    with pytest.raises(StoreUnavailable):
        sessions.create(owner="shop", return_url=BACK)


def test_another_keys_is_as_one_that_never_was(shop):
    id = made(shop)["id"]
    assert sessions.read(id, owner="another").status == "expired"
    assert shop.get(f"{SESSIONS}/never").json()["status"] == "expired"


def test_the_number_is_for_keys_that_may_see_it(shop, settings):
    id = made(shop)["id"]
    verification = verified(id)
    told = shop.get(f"{SESSIONS}/{id}").json()
    assert (told["status"], told["verification_id"], told["phone"]) == ("valid", verification, None)
    assert told["masked"].endswith("23")
    settings.API_ACCESS = parse("tests=verify,phone")
    assert shop.get(f"{SESSIONS}/{id}").json()["phone"] == "+12025550123"


def test_its_proof_is_for_its_key_once_it_is_valid(shop):
    id, other = made(shop)["id"], made(shop)["id"]
    assert "proof" not in sessions.read(id).way_back
    verified(id)
    verified(other, "+12025550199")
    proof = shop.get(f"{SESSIONS}/{id}").json()["proof"]
    assert len(proof) == 43
    assert proof != shop.get(f"{SESSIONS}/{other}").json()["proof"]
    assert sessions.read(id).way_back == f"{BACK}&session={id}&proof={proof}"
    assert not sessions.read(id, owner="another").proof
    assert proof not in repr(sessions.read(id))


def prove(shop, id, proof):
    return shop.post(f"{SESSIONS}/{id}/proof", {"proof": proof})


def test_the_number_is_told_for_the_browser_that_brings_the_proof(shop, settings):
    settings.API_ACCESS = parse("tests=verify,phone,return:https://shop.example")
    id, other = made(shop, reference="order-1")["id"], made(shop)["id"]
    assert prove(shop, id, None).json()["status"] == "pending"
    assert shop.post(f"{SESSIONS}/{id}/proof").json()["status"] == "pending"  # no body is no proof
    verification = verified(id)
    verified(other, "+12025550199")
    brought = sessions.read(id).proof
    told = {"id": id, "verification_id": verification, "reference": "order-1"}
    told |= {"masked": "+1••••••••23", "phone": "+12025550123"}
    for _ in range(2):  # a lost answer can be asked for again
        assert prove(shop, id, brought).json() == {**told, "status": "valid"}
    nothing = dict.fromkeys(("verification_id", "masked", "phone"))
    for wrong in (None, "", "é", brought[:-1], sessions.read(other).proof):
        assert prove(shop, id, wrong).json() == told | nothing | {"status": "invalid"}
    assert shop.post(f"{SESSIONS}/{id}/proof", {}).json()["status"] == "invalid"
    assert prove(shop, "never", brought).json()["status"] == "expired"
    assert sessions.proved(id, brought, owner="another").status == "expired"


def test_a_proof_shows_the_number_to_keys_that_may_see_it(shop):
    id = made(shop)["id"]
    verified(id)
    found = prove(shop, id, sessions.read(id).proof).json()
    assert (found["status"], found["phone"], found["masked"]) == ("valid", None, "+1••••••••23")


@pytest.mark.parametrize("proof", [5, "x" * 65, "\ud800"])
def test_what_is_no_proof(shop, proof):
    problem = assert_problem(prove(shop, made(shop)["id"], proof), 422, "field_invalid")
    assert problem["field"] == "proof"


def test_it_is_valid_once(shop):
    id = made(shop)["id"]
    first = verified(id)
    verified(id, "+12025550199")
    found = sessions.read(id)
    assert (found.verification_id, found.phone) == (first, "+12025550123")


def test_one_that_is_over_is_not_made_again(shop, redis):
    id = made(shop)["id"]
    redis.delete(f"otp:session:{id}")
    verified(id)
    assert sessions.read(id).status == "expired"
    assert not redis.exists(f"otp:session:{id}")


def test_it_belongs_to_the_browser_that_opens_it_first(shop):
    id = made(shop)["id"]
    assert sessions.open_in(id, "first").status == "pending"
    assert sessions.open_in(id, "second") is None
    assert sessions.open_in(id, "first").status == "pending"
    assert sessions.open_in("never", "first").status == "expired"


def test_nothing_of_it_is_readable_and_it_dies(shop, redis):
    id = made(shop, phone="+12025550123", state="secret-state")["id"]
    redis.pexpire(f"otp:session:{id}", 1000)
    verified(id)
    assert redis.pttl(f"otp:session:{id}") > 1000  # the program has time to ask
    held = redis.hgetall(f"otp:session:{id}")
    text = b" ".join([*held, *held.values()])
    proof = sessions.read(id).proof.encode()
    for secret in (b"2025550123", b"secret-state", b"shop.example", proof):
        assert secret not in text
    assert 0 < redis.pttl(f"otp:session:{id}") <= sessions.LIFETIME * 1000


@pytest.mark.parametrize(
    "word",
    ["return:shop.example", "return:https://shop.example/", "return:", "return:https://shop.example:443"],
)
def test_what_is_no_origin_in_the_settings(word):
    from otp.api.access import BadAccess

    with pytest.raises(BadAccess, match="return:"):
        parse(f"tests=verify,{word}")
