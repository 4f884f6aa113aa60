"""Learning from codes: what the scripts count, when it is read, and who gets the next codes."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from otp import services as codes
from sms import cells, learning, names, phone, receipts, routing, services, store
from sms.checks import providers as provider_checks
from sms.checks import settings as checks
from sms.errors import PermanentFailure, TemporaryFailure, Unavailable
from sms.scripts import client
from tests.scraped import scrape
from tests.sms.house import PHONE

NUMBERS = [f"+1202555{number:04}" for number in range(2000, 3000)]


@pytest.fixture(autouse=True)
def shared(house, settings, monkeypatch):
    """Two scripted aliases share a step. Each look reads what there is."""
    settings.SMS_ROUTES = {"default": "a|b>c"}
    settings.SMS_ROUTING = "learn"
    settings.OTP_LIMITS = "off"
    monkeypatch.setattr(learning, "PAUSE", 0.0)


@pytest.fixture
def later(monkeypatch):
    """Let ten minutes pass for whoever reads, and read."""
    real = store.now

    def read(seconds=600.0):
        monkeypatch.setattr(store, "now", lambda: real() + seconds)
        learning.refresh()

    return read


class Codes:
    """Starts codes for one number after the other."""

    def __init__(self, house) -> None:
        self.house = house
        self.numbers = iter(NUMBERS)

    def send(self, typed_by: str = "", purpose: str = "login") -> str:
        """One code; typed if it came by one of these aliases. Returns who sent it."""
        started = codes.start(next(self.numbers), purpose)
        calls = {name: len(provider.calls) for name, provider in self.house.providers.items()}
        message = self.house.deliver(self.house.published[-1])
        if message.alias and message.alias in typed_by:
            code = self.house.providers[message.alias].calls[-1].code
            assert codes.check(started.id, code).status == "valid"
        assert sum(len(provider.calls) for provider in self.house.providers.values()) > sum(calls.values())
        return message.alias

    def many(self, count: int, typed_by: str = "") -> Counter[str]:
        return Counter(self.send(typed_by) for _ in range(count))


@pytest.fixture
def sent(house):
    return Codes(house)


def counted() -> dict[tuple[str, str], int]:
    """By what and alias, of all slices."""
    found: Counter[tuple[str, str]] = Counter()
    for cell in cells.every():
        with client(cell) as there:
            for key in there.scan_iter(names.key(names.LEARNING, cell) + "*"):
                for field, value in there.hgetall(key).items():
                    what, _, _, alias = field.decode().split("|")
                    found[what, alias] += int(value)
    return dict(found)


def test_the_shares_follow_the_codes_that_are_typed(sent, later, redis):
    first = sent.many(80, typed_by="b")
    assert min(first["a"], first["b"]) > 20  # by the weights
    assert counted() == {
        ("sent", "a"): first["a"],
        ("sent", "b"): first["b"],
        ("typed", "b"): first["b"],
    }
    assert learning.reports() == []  # it is not ripe
    later()
    (report,) = learning.reports()
    assert report.step == ("default", 0, "US")
    assert {row.alias: round(row.learned, 2) for row in report.rows} == {"a": 0.05, "b": 0.95}
    assert sent.many(40)["b"] >= 30


@pytest.mark.parametrize("mode", ["weights", "shadow"])
def test_only_learn_chooses_otherwise(sent, later, redis, settings, mode):
    settings.SMS_ROUTING = mode
    sent.many(80, typed_by="b")
    later()
    learned = [row.learned for report in learning.reports() for row in report.rows]
    assert learned == (
        [] if mode == "weights" else [pytest.approx(0.05, abs=0.01), pytest.approx(0.95, abs=0.01)]
    )
    assert sent.many(60)["a"] > 12
    assert bool(counted()) is (mode == "shadow")


def test_a_slice_is_read_once_and_when_it_is_ripe(sent, later, redis):
    sent.many(50, typed_by="b")
    begin = store.now() // learning.SLICE * learning.SLICE
    ripe = begin + learning.SLICE + learning.RIPE - store.now()
    later(ripe - 1)
    assert learning.reports() == []
    later(ripe + 1)
    later(ripe + 2)
    assert sum(report.sent for report in learning.reports()) == pytest.approx(50, abs=0.2)


def test_what_cells_count_is_added_up(later, settings):
    settings.REDIS_CELLS = 4
    route = learning.mark(phone.parse(PHONE), routing.all_routes()["default"])
    slice_ = int(store.now()) // learning.SLICE
    for cell in (0, 1, 3):
        with client(cell) as redis:
            fields = {f"sent|{route}|US|a": 30, f"typed|{route}|US|a": 15, f"sent|{route}|US|b": cell}
            redis.hset(names.key(f"{names.LEARNING}{slice_}", cell), mapping=fields)
    later()
    (report,) = learning.reports()
    assert [round(row.sent) for row in report.rows] == [90, 4]
    assert report.rows[0].conversion[1] == pytest.approx(0.5, abs=0.02)


def test_another_country_and_another_route_learn_for_themselves(sent, later, settings, house):
    settings.SMS_ROUTES = {"default": "a|b", "+1202": "a|b"}
    sent.numbers = iter([*NUMBERS[:50], *(f"+49151{number:08}" for number in range(10_000_000, 10_000_050))])
    settings.SMS_DESTINATIONS = ["*"]
    sent.many(50, typed_by="a")
    sent.many(50, typed_by="b")
    later()
    found = {report.step: {row.alias: row.learned for row in report.rows} for report in learning.reports()}
    assert found[learning.Step("+1202", 0, "US")]["a"] > 0.9
    assert found[learning.Step("default", 0, "DE")]["b"] > 0.9


def test_a_later_step_that_gives_a_choice_learns(sent, later, settings, house):
    settings.SMS_ROUTES = {"default": "a>b|c"}
    settings.SMS_BREAKER = {"fewest": 10_000}
    house.providers["a"].always = TemporaryFailure("down")
    sent.many(60, typed_by="c")
    later()
    (report,) = learning.reports()
    assert report.step == ("default", 1, "US")
    assert {row.alias: row.learned > 0.9 for row in report.rows} == {"b": False, "c": True}


def test_an_undelivered_code_counts_against_the_first_and_for_the_second(house, sent, redis, settings):
    settings.SMS_ROUTES = {"default": "a|b"}
    started = codes.start(NUMBERS[0])
    id = house.published[-1]
    first = house.deliver(id).alias
    receipts.take(first, {}, f"{id} failed".encode(), "/", "")
    second = house.deliver(id).alias
    code = house.providers[second].calls[-1].code
    assert codes.check(started.id, code).status == "valid"
    assert {first, second} == {"a", "b"}
    assert counted() == {("sent", first): 1, ("sent", second): 1, ("typed", second): 1}


def test_whoever_refuses_a_number_has_not_converted(house, sent, redis):
    for provider in house.providers.values():
        provider.always = PermanentFailure("no such number")
    alias = sent.send()
    assert counted() == {("sent", alias): 1}


def test_a_code_that_is_typed_before_its_call_has_ended_counts(house, redis, settings):
    settings.SMS_ROUTES = {"default": "a|b"}
    started = codes.start(PHONE)
    for provider in house.providers.values():
        provider.meanwhile = lambda sms: codes.check(started.id, sms.code)
    alias = house.deliver(house.published[-1]).alias
    assert counted() == {("sent", alias): 1, ("typed", alias): 1}


def test_a_code_that_is_typed_late_counts_for_when_it_was_sent(house, redis):
    started = codes.start(PHONE)
    id = house.published[-1]
    alias = house.deliver(id).alias
    (first,) = redis.scan_iter(f"{names.LEARNING}*")
    redis.hset(names.RECORD + id, "sent_at", int((store.now() - 3600) * 1000))
    codes.check(started.id, house.providers[alias].calls[-1].code)
    (second,) = set(redis.scan_iter(f"{names.LEARNING}*")) - {first}
    slices = [int(key.decode().rpartition(":")[2]) for key in (first, second)]
    assert slices[0] - slices[1] in (12, 13)


def test_what_is_no_code_neither_teaches_nor_follows(house, sent, later, redis):
    sent.many(60, typed_by="b")
    later()
    before = counted()
    aliases = Counter(house.deliver(services.send(PHONE, "Hello").id).alias for _ in range(60))
    assert aliases["a"] > 12
    assert counted() == before


def test_a_test_number_teaches_nothing(house, redis, settings):
    settings.TEST_NUMBERS, settings.TEST_NUMBERS_UNTIL = {PHONE: "123456"}, "2099-01-01"
    started = codes.start(PHONE)
    house.deliver(house.published[-1])
    assert codes.check(started.id, "123456").status == "valid"
    assert counted() == {}


def test_a_route_without_a_choice_teaches_nothing(sent, redis, settings):
    settings.SMS_ROUTES = {"default": "a>b"}
    sent.send(typed_by="a")
    assert counted() == {}


def test_no_prefix_stands_in_clear_and_nothing_stays(house, redis, settings):
    settings.SMS_ROUTES = {"+12025550": "a|b"}
    codes.start(PHONE)
    id = house.published[-1]
    house.deliver(id)
    (key,) = redis.scan_iter(f"{names.LEARNING}*")
    told = b" ".join([key, *redis.hgetall(key), *redis.hgetall(names.RECORD + id).values()])
    assert b"2025550" not in told
    assert 0 < redis.ttl(key) <= learning.KEPT


def test_figures_of_a_former_secret_count_while_it_is_changed(sent, later, settings):
    sent.many(60, typed_by="b")
    settings.PHONE_SECRET_KEY_FALLBACKS = [settings.PHONE_SECRET_KEY]
    settings.PHONE_SECRET_KEY = "another-secret-of-at-least-32-characters"
    later()
    assert [round(report.sent) for report in learning.reports()] == [60]


def test_a_start_does_not_wait_for_what_is_read(sent, monkeypatch):
    asked, answers, waited = threading.Event(), threading.Event(), []

    def now():
        asked.set()
        waited.append((threading.current_thread(), answers.wait(5)))
        return time.time()

    monkeypatch.setattr(store, "now", now)
    try:
        codes.start(PHONE)
        assert asked.wait(30)
        codes.start(NUMBERS[0])
        assert waited == []
    finally:
        answers.set()


def test_what_is_known_holds_while_redis_is_away(sent, later, monkeypatch):
    sent.many(60, typed_by="b")
    later()

    def away():
        raise Unavailable("away")

    monkeypatch.setattr(store, "now", away)
    assert sent.many(20)["b"] >= 14


def test_the_price_decides_between_those_that_convert_alike(house, sent, later, settings):
    house.aliases["a"].prices, house.aliases["b"].prices = {"default": 0.3}, {"US": 0.01, "default": 0.9}
    sent.many(80, typed_by="ab")
    later()
    assert not learning.reports()[0].priced  # nobody said what a code is worth
    settings.SMS_CODE_WORTH = 1
    later()
    (report,) = learning.reports()
    assert report.priced
    assert {row.alias: (row.price, row.learned > 0.9) for row in report.rows} == {
        "a": (0.3, False),
        "b": (0.01, True),
    }
    house.aliases["a"].prices = {}  # one whose price is not known is not free
    assert not learning.reports()[0].priced


def test_metrics_have_the_learned_shares(sent, later, settings):
    sent.many(80, typed_by="b")
    later()
    found = scrape(settings)
    labels = {"route": "default", "channel": "sms", "country": "US"}
    assert found.of("learned_share", alias="b", **labels) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("value", ["yes", "", None, 1])
def test_a_mode_that_does_not_exist_is_refused(settings, value):
    settings.SMS_ROUTING = value
    (error,) = checks.who_decides()
    assert (error.id, error.msg) == (
        "sms.E037",
        f"SMS_ROUTING is {value!r}. Write one of: weights, shadow, learn.",
    )


@pytest.mark.parametrize("value", [-1, "1", True, float("nan"), float("inf")])
def test_a_worth_that_is_no_money_is_refused(settings, value):
    settings.SMS_CODE_WORTH = value
    assert [(error.id, "SMS_CODE_WORTH" in error.msg) for error in checks.worth()] == [("sms.E037", True)]


@pytest.mark.parametrize(("mode", "warned"), [("weights", False), ("shadow", True), ("learn", True)])
def test_without_a_choice_there_is_nothing_to_learn(settings, mode, warned):
    settings.SMS_ROUTING = mode
    assert provider_checks.there_is_something_to_learn() == []
    settings.SMS_ROUTES = {"default": "a>b"}
    assert [found.id for found in provider_checks.there_is_something_to_learn()] == ["sms.W025"] * warned


def test_a_price_that_counts_for_nothing_is_told(house, settings):
    assert provider_checks.prices_count() == []
    house.aliases["a"].prices = {"default": 0.05}
    (warning,) = provider_checks.prices_count()
    assert (warning.id, "SMS_CODE_WORTH" in warning.msg) == ("sms.W026", True)
    settings.SMS_CODE_WORTH = 0.5
    (warning,) = provider_checks.prices_count()
    assert warning.msg.startswith("SMS_PROVIDERS: b (default) has no price=")
    house.aliases["b"].prices = {"default": 0.04}
    assert provider_checks.prices_count() == []
