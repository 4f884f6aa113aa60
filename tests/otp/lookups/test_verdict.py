"""Numbers that are looked up before a code is sent, and starts that no vendor holds up."""

from __future__ import annotations

import logging
import socket
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from otp import services, signals
from otp.errors import NotAllowed
from otp.lookups import settings as lookups
from otp.lookups import store, verdict
from otp.names import LOOKUP
from otp.verification import Verification
from sms import services as sms
from sms import tally
from sms.testing import outbox, reset
from tests.otp.lookups.conftest import SECRET, TOKEN, soon, took, twilio_says
from tests.sms.providers.gateway import response

PHONE, OTHER = "+12025550123", "+12025550124"

#: The time that a busy machine may add to the deadline: the start itself, and threads that wait for each
#: other. Less than a vendor here would take.
ROOM = 3.0


def sent_to() -> list[str]:
    return [message.to for message in outbox]


def counted(outcome: str, alias: str = "main") -> int:
    return tally.read("counts")[0].get(f"lookups|{outcome}|{alias}", 0)


def withheld(verification: Verification) -> bool:
    message = sms.get(verification.message_id)
    return message is not None and message.error == "refused"


def test_without_the_setting_a_start_costs_nothing(monkeypatch, settings):
    """No question to Redis, and no thread."""
    monkeypatch.setattr(store, "_CLAIM", None)
    monkeypatch.setattr(threading.Thread, "start", None)
    services.start(PHONE)
    assert sent_to() == [PHONE]


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        (twilio_says("mobile", False), False),
        (twilio_says("mobile", True), True),
        (twilio_says("landline", False), True),
        (twilio_says("fixedVoip", False), True),
        (twilio_says("nonFixedVoip", False), True),
        (twilio_says("premium", False), False),
        (twilio_says("a new type", None), False),
    ],
    ids=["mobile", "swapped", "landline", "voip", "non-fixed", "another kind", "unknown"],
)
def test_an_answer_keeps_the_code_back_and_nobody_can_tell(vendor, settings, api, answer, refused):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url()}
    vendor.twilio = answer
    here = api.post("/v1/verifications", {"phone": PHONE})
    settings.OTP_LOOKUPS = {}
    there = api.post("/v1/verifications", {"phone": OTHER})
    assert sent_to() == ([OTHER] if refused else [PHONE, OTHER])
    assert (here.status_code, len(here.content), set(here.json())) == (
        there.status_code,
        len(there.content),
        set(there.json()),
    )


def test_camara_and_twilio_are_asked_at_once(vendors, settings):
    first, second = vendors(), vendors()
    settings.OTP_LOOKUPS = {"operator": first.camara_url(), "twilio": second.twilio_url()}
    services.start(PHONE)  # the first one waits for a token
    first.sim_swap = response(200, '{"swapped":true}')
    both = threading.Barrier(2)
    for vendor in (first, second):  # neither answers before the other is asked
        vendor.server.answer = partial(once_passed, both, vendor.server.answer)
    services.start(OTHER)
    assert sent_to() == [PHONE]


def once_passed(barrier: threading.Barrier, answer: Callable[[], bytes | None]) -> bytes | None:
    barrier.wait()
    return answer()


def test_a_number_of_another_country_is_not_asked_about(vendor, settings):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url("refuse=voip&countries=DE|AT")}
    services.start(PHONE)
    assert not vendor.asked()
    services.start("+4915112345678")
    assert len(vendor.asked()) == 1


def test_what_gets_no_code_anyway_is_not_asked_about(vendor, settings):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url()}
    settings.OTP_PURPOSES = {"login": {"cooldown": 60}}
    services.start(PHONE)
    with pytest.raises(Exception, match="wait"):
        services.start(PHONE)
    settings.OTP_CHALLENGE = f"{__name__}.nobody"
    with pytest.raises(NotAllowed):
        services.start(OTHER)
    settings.OTP_CHALLENGE = ""
    settings.TEST_NUMBERS, settings.TEST_NUMBERS_UNTIL = {"+12025550100": "123456"}, "2099-01-01"
    services.start("+12025550100")
    signals.code_wanted.connect(refuse)
    try:
        services.start("+12025550125")
    finally:
        signals.code_wanted.disconnect(refuse)
    assert len(vendor.asked()) == 1


def nobody(**_):
    return False


def refuse(**_):
    return signals.REFUSE


# --- a vendor that misbehaves ---------------------------------------------------------------------

MISBEHAVES = {
    "hangs up": None,
    "garbage": b"\x00\xff not HTTP at all\r\n\r\n",
    "no JSON": response(200, "<html>"),
    "another JSON": response(200, "[]"),
    "nested": response(200, "[" * 100_000),
    "endless": response(200, "x" * 2_000_000),
    "401": response(401, '{"code":20003,"message":"no"}'),
    "403": response(403, '{"code":"PERMISSION_DENIED"}'),
    "404": response(404, '{"code":20404}'),
    "429": response(429, '{"code":20429}', Retry_After="3600"),
    "500": response(500, ""),
    "elsewhere": response(302, "", Location="http://127.0.0.1:9/"),
}


#: Seconds after which no look-up is waited for.
USUAL = verdict.DEADLINE


@pytest.fixture
def far_deadline(monkeypatch):
    """No busy machine makes an answer late that comes at once."""
    monkeypatch.setattr(verdict, "DEADLINE", 60.0)


@pytest.mark.usefixtures("far_deadline")
@pytest.mark.parametrize("kind", ["twilio", "camara", "token"])
@pytest.mark.parametrize("how", MISBEHAVES)
def test_whatever_the_vendor_answers_the_code_goes_out(vendor, settings, caplog, how, kind):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url() if kind == "twilio" else vendor.camara_url()}
    setattr(vendor, {"camara": "sim_swap"}.get(kind, kind), MISBEHAVES[how])
    assert took(lambda: services.start(PHONE)) < USUAL + ROOM
    assert sent_to() == [PHONE]
    assert counted("failed") == 1
    assert "lookup_failed" in caplog.text


@pytest.mark.parametrize("how", ["hangs", "drips"])
@pytest.mark.parametrize("kind", ["twilio", "camara"])
def test_a_vendor_that_takes_its_time_is_not_waited_for(vendor, settings, how, kind):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url() if kind == "twilio" else vendor.camara_url()}
    vendor.server.delay, vendor.server.drip = (60.0, 0.0) if how == "hangs" else (0.0, 0.05)
    seconds = took(lambda: services.start(PHONE))
    assert verdict.DEADLINE - verdict.SPARE <= seconds < verdict.DEADLINE + ROOM
    assert sent_to() == [PHONE]
    assert counted("late") == 1


@pytest.mark.parametrize("port", ["closed", "silent"])
def test_nor_one_that_does_not_connect(settings, port):
    """``silent``: its queue of connections is full, as behind a firewall that drops."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if port == "silent":
            listener.listen(0)
            _full = [_connecting(listener.getsockname()) for _ in range(4)]
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings.OTP_LOOKUPS = {"main": f"twilio-lookup://AC:{SECRET}@?refuse=voip&base_url={url}"}
        assert took(lambda: services.start(PHONE)) < verdict.DEADLINE + ROOM
    assert sent_to() == [PHONE]


def _connecting(address: tuple[str, int]) -> socket.socket:
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(address)
    return one


def test_nor_one_whose_name_takes_long_to_be_found(settings, monkeypatch):
    found = socket.getaddrinfo

    def slow(host, *rest, **more):
        if host == "lookups.twilio.com":
            time.sleep(10.0)
            raise socket.gaierror("no such name")
        return found(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    settings.OTP_LOOKUPS = {"main": f"twilio-lookup://AC:{SECRET}@?refuse=voip"}
    assert took(lambda: services.start(PHONE)) < verdict.DEADLINE + ROOM
    assert sent_to() == [PHONE]


def test_a_dead_vendor_costs_no_more_after_a_row_of_failures(vendor, settings, redis, caplog):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url()}
    vendor.server.delay = 60.0
    for number in range(store.FEWEST_FAILURES):
        services.start(f"+1202555{number:04}")
    assert took(lambda: services.start(PHONE)) < verdict.DEADLINE / 2
    assert (counted("late"), counted("left_out")) == (store.FEWEST_FAILURES, 1)
    assert caplog.text.count("lookup_left_out") == 1
    vendor.server.delay = 0.0
    redis.pexpire(b"otp:lookup-left-out:main", 1)
    soon(lambda: not redis.exists("otp:lookup-left-out:main"))
    services.start(OTHER)  # a probe, which finds that the vendor is back
    services.start("+12025550125")
    assert counted("answered") == 2


def test_while_it_is_left_out_one_start_at_a_time_tries(vendor, settings, redis):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url()}
    redis.set("otp:lookup-failures:main", store.FEWEST_FAILURES)
    vendor.twilio = response(500, "")
    for number in range(5):
        services.start(f"+1202555{number:04}")
    assert (len(vendor.asked()), counted("left_out")) == (1, 4)


# --- answers that are kept ------------------------------------------------------------------------


def test_an_answer_is_paid_for_once(vendor, settings, redis):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url()}
    vendor.twilio = twilio_says("landline")
    for _ in range(3):
        services.start(PHONE)
    assert not outbox
    assert len(vendor.asked()) == 1
    assert counted("cached") == 2
    kept = {key.decode(): redis.ttl(key) for key in redis.scan_iter("otp:lookup:*")}
    days, minutes = (next(kept[key] for key in kept if part in key) for part in ("line_type", "sim_swap-72"))
    assert (days > 6 * 86_400, 0 < minutes <= 15 * 60) == (True, True)


def test_only_what_is_not_known_any_more_is_asked_for_again(vendor, settings, redis):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url()}
    services.start(PHONE)
    redis.delete(*redis.scan_iter("otp:lookup:main:sim_swap*"))
    services.start(PHONE)
    paths = [path.partition("?")[2] for path, _, _ in vendor.asked()]
    assert paths == ["Fields=line_type_intelligence,sim_swap", "Fields=sim_swap"]
    assert redis.get(next(redis.scan_iter("otp:lookup-asked:*"))) == b"3"


def test_another_age_of_a_swap_is_another_question(vendor, settings):
    for hours in ("72h", "24h", "3d"):
        settings.OTP_LOOKUPS = {"main": vendor.twilio_url(f"sim_swap={hours}")}
        services.start(PHONE)
    assert len(vendor.asked()) == 2


def test_a_resend_asks_nobody_but_hears_of_an_answer_that_came_late(vendor, settings, redis):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url()}
    vendor.twilio, vendor.server.delay = twilio_says("mobile", True), 0.6
    started = services.start(PHONE)
    assert sent_to() == [PHONE]
    soon(lambda: len(list(redis.scan_iter("otp:lookup:*"))) == 2)
    services.resend(started.id)
    assert sent_to() == [PHONE]
    redis.delete(*redis.scan_iter("otp:lookup:*"))
    services.resend(started.id)
    assert sent_to() == [PHONE] * 2
    assert len(vendor.asked()) == 1
    assert (counted("late"), counted("answered"), counted("cached")) == (1, 0, 0)


def test_no_look_up_beyond_those_of_a_day(vendor, settings, caplog):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url("refuse=fixed_line&per_day=3")}
    vendor.twilio = twilio_says("landline")
    for number in range(6):
        services.start(f"+1202555{number:04}")
    assert (len(vendor.asked()), len(outbox)) == (3, 3)
    assert counted("per_day") == 3
    assert caplog.text.count("lookups_used_up") == 1
    services.start("+12025550000")
    assert len(outbox) == 3  # known answers still count


def test_a_call_for_which_the_day_has_no_room_is_not_made_in_part(vendor, settings):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url("refuse=voip&sim_swap=72h&per_day=3")}
    services.start(PHONE)
    services.start(OTHER)
    assert len(vendor.asked()) == 1


@pytest.mark.first
def test_fifty_starts_at_once_each_have_their_answer_and_the_day_its_bound(vendor, settings):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url("refuse=fixed_line&per_day=30")}
    vendor.twilio = twilio_says("landline")
    numbers = [f"+1202555{number:04}" for number in range(50)]
    lookups.configured()
    with ThreadPoolExecutor(50) as pool:
        began = [pool.submit(services.start, number) for number in numbers]
        assert all(start.result().status == "pending" for start in began)
    assert len(vendor.asked()) == 30
    assert counted("answered") + counted("late") == 30
    assert len(outbox) == 20 + counted("late")


@pytest.mark.first
def test_fifty_starts_at_once_are_not_held_up_by_a_vendor_that_hangs(vendor, settings):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url()}
    services.start(PHONE)
    vendor.server.delay = 60.0
    with ThreadPoolExecutor(50) as pool:
        times = list(pool.map(lambda n: took(lambda: services.start(f"+1202555{n:04}")), range(50)))
    assert len(outbox) == 51
    assert statistics.median(times) < verdict.DEADLINE + ROOM


def test_a_process_that_has_no_call_left_goes_on_without(vendor, settings, monkeypatch):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url()}
    monkeypatch.setattr(verdict, "_slots", threading.BoundedSemaphore(1))
    vendor.server.delay = 1.0
    services.start(PHONE)
    monkeypatch.setattr(verdict, "DEADLINE", 60.0)  # it could wait for one
    services.start(OTHER)
    assert (sent_to(), counted("failed")) == ([PHONE, OTHER], 1)
    soon(lambda: verdict._slots.acquire(blocking=False))


# --- what a stranger could see ----------------------------------------------------------------------


def test_time_does_not_tell_what_is_known_of_a_number(vendor, settings, monkeypatch):
    monkeypatch.setattr(verdict, "DEADLINE", 10.0)  # on a busy machine the answer would come too late
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url()}
    settings.TEST_NUMBERS, settings.TEST_NUMBERS_UNTIL = {"+12025550100": "123456"}, "2099-01-01"
    vendor.server.delay = 0.12
    asked = took(lambda: services.start(PHONE))
    assert asked >= 0.12
    assert 0.12 <= took(lambda: services.start(PHONE)) < asked + ROOM  # known
    assert 0.12 <= took(lambda: services.start("+12025550100")) < asked + ROOM  # gets no SMS in any case


def test_nothing_readable_is_kept_or_logged(vendors, settings, redis, caplog):
    caplog.set_level(logging.DEBUG)
    twilio, operator = vendors(), vendors()
    settings.OTP_LOOKUPS = {"twilio": twilio.twilio_url(), "operator": operator.camara_url()}
    services.start(PHONE)
    twilio.twilio, operator.sim_swap = (
        response(400, f'{{"code":"{PHONE}"}}'),
        response(500, f'{{"code":"{PHONE}"}}'),
    )
    services.start(OTHER)
    soon(lambda: counted("failed", "operator"))
    digits = (PHONE[1:], OTHER[1:], SECRET, TOKEN)
    for key in redis.scan_iter():
        if key.startswith(b"otp:lookup"):
            assert not any(part.encode() in key + redis.dump(key) for part in digits)
    assert len(list(redis.scan_iter("otp:lookup*"))) > 5
    assert "lookup_failed" in caplog.text
    assert not any(part in caplog.text for part in digits)


def test_a_reset_forgets_it_all(vendor, settings, redis):
    settings.OTP_LOOKUPS = {"main": vendor.twilio_url()}
    services.start(PHONE)
    vendor.twilio = response(500, "")
    redis.set("otp:lookup-failures:main", store.FEWEST_FAILURES)
    services.start(OTHER)
    assert len(list(redis.scan_iter("otp:lookup*"))) == 5
    assert all(redis.ttl(key) > 0 for key in redis.scan_iter("otp:lookup*") if b"failures" not in key)
    reset()
    assert not list(redis.scan_iter(f"{LOOKUP[:-1]}*"))
