"""A verification that the caller takes for proved: it ends once, as after the right code, and only for its
owner.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from otp import services, signals
from otp.caller import Caller
from sms import told
from sms.testing import code_in, outbox

PHONE = "+12025550123"
SHOP = Caller("shop")


def test_it_is_valid_and_over():
    started = services.start(PHONE, caller=SHOP)
    code = code_in(outbox[-1].body)
    assert services.approve(started.id, owner="shop").status == "valid"
    assert services.status(started.id).status == "valid"
    assert services.check(started.id, code).status == "expired"
    assert services.approve(started.id, owner="shop").status == "expired"


def test_receivers_hear_of_it_and_its_story_tells_that_no_code_was_typed():
    heard = []

    def hear(sender, verification_id, **_):
        heard.append(verification_id)

    signals.code_accepted.connect(hear)
    try:
        started = services.start(PHONE)
        services.approve(started.id)
    finally:
        signals.code_accepted.disconnect(hear)
    assert heard == [started.id]
    (story,) = told.of_number(PHONE, by="tests")
    assert story.lines[-1].text == "The caller marked the number as verified without a code."


def test_another_owner_cannot_and_an_id_that_never_was_is_expired():
    started = services.start(PHONE, caller=SHOP)
    assert services.approve(started.id, owner="other").status == "expired"
    assert services.approve("x" * 22).status == "expired"
    assert services.status(started.id).status == "pending"


def test_one_with_too_many_wrong_guesses_stays_blocked():
    started = services.start(PHONE)
    for _ in range(3):
        services.check(started.id, "x")
    assert services.approve(started.id).status == "blocked"
    assert services.status(started.id).status == "blocked"


def test_of_an_approval_and_a_right_guess_one_wins():
    for number in range(10):
        started = services.start(f"+1202555013{number}")
        code = code_in(outbox[-1].body)
        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(services.approve, started.id) for _ in range(4)]
            answers += [pool.submit(services.check, started.id, code) for _ in range(4)]
        assert sorted(answer.result().status for answer in answers) == ["expired"] * 7 + ["valid"]
