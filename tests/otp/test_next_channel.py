"""A code that does not arrive by one channel goes by the next one, while it lives."""

from __future__ import annotations

import pytest

from otp import foreign, next_channel, services, signals, store
from otp.api.access import parse
from otp.caller import Caller
from otp.errors import NotAllowed, RateLimited
from otp.guard import report
from otp.verification import Verification
from sms import receipts, registry, tally
from sms import store as messages
from sms.errors import Unreachable
from sms.message import Channel, State
from tests.sms.house import PHONE, House

CHANNELS = {"a": Channel.WHATSAPP, "b": Channel.SMS, "c": Channel.VOICE}


@pytest.fixture
def house(monkeypatch, redis, settings):
    house = House(monkeypatch, settings, redis)
    for name, channel in CHANNELS.items():
        provider = house.providers[name]
        provider.channel, provider.needs_code = channel, channel is not Channel.SMS
        house.aliases[name] = registry.Alias(provider, slots=house.slots, share=1)
    settings.SMS_ROUTES = {"default": "a>b>c"}
    settings.OTP_LIMITS = "off"
    settings.OTP_PURPOSES = {"login": {"channels": ["whatsapp", "sms", "voice"]}}
    return house


def later(redis, started, seconds: float) -> None:
    """So many seconds pass, as far as the last message and what looks at it can tell."""
    message = f"sms:message:{redis.hget(f'otp:verification:{started.id}', 'reference').decode()}"
    for field in ("sent_at", "created_at"):
        if at := redis.hget(message, field):
            redis.hset(message, field, int(at) - int(seconds * 1000))
    redis.zadd("sms:next-channel", {started.id: 1}, xx=True)


def seen(started) -> Verification:
    """As a caller who may see everything sees it."""
    return services.status(started.id, in_full=True)


def go(house, started) -> None:
    house.deliver(seen(started).sms.message_id)


def codes(house) -> set[str]:
    return {sms.code for provider in house.providers.values() for sms in provider.calls}


def test_the_first_channel_of_the_purpose_has_the_code(house):
    started = services.start(PHONE)
    assert (started.channel, started.channels) == ("whatsapp", ("whatsapp", "sms", "voice"))
    go(house, started)
    assert house.calls == "a"


def test_without_a_receipt_the_next_one_has_the_same_code(house, redis):
    started = services.start(PHONE)
    go(house, started)
    later(redis, started, 14)
    next_channel.look("otp")
    assert seen(started).channel == "whatsapp"
    later(redis, started, 60)
    next_channel.look("otp")
    assert seen(started).channel == "sms"
    go(house, started)
    later(redis, started, 61)
    next_channel.look("otp")
    go(house, started)
    assert house.calls == "abc"
    assert len(codes(house)) == 1
    later(redis, started, 61)
    next_channel.look("otp")  # there is no other
    assert seen(started).channel == "voice"
    assert not redis.exists("sms:next-channel")
    assert services.check(started.id, codes(house).pop()).status == "valid"


def test_what_arrived_goes_nowhere_else(house, redis):
    started = services.start(PHONE)
    go(house, started)
    receipts.take("a", {}, f"{started.message_id} delivered".encode(), "/", "")
    later(redis, started, 300)
    next_channel.look("otp")
    assert seen(started).channel == "whatsapp"
    assert not redis.exists("sms:next-channel")


def test_what_was_typed_goes_nowhere_else(house, redis):
    started = services.start(PHONE)
    go(house, started)
    assert services.check(started.id, codes(house).pop()).status == "valid"
    later(redis, started, 300)
    next_channel.look("otp")
    assert not redis.exists("sms:next-channel")
    assert house.calls == "a"


def test_what_no_provider_has_yet_waits(house, redis):
    started = services.start(PHONE)
    later(redis, started, 300)
    next_channel.look("otp")
    assert seen(started).channel == "whatsapp"
    assert redis.zscore("sms:next-channel", started.id) > messages.now() * 1000


def test_a_definite_failure_needs_no_wait(house, redis):
    started = services.start(PHONE)
    house.providers["a"].outcomes = [Unreachable("x")]
    go(house, started)
    assert house.calls == "ab"
    message = seen(started).sms
    assert message.state is State.SENT


def test_a_call_that_nobody_answered_needs_no_wait_either(house, redis):
    started = services.start(PHONE)
    go(house, started)
    redis.hset(next(iter(redis.keys("otp:phone:*"))), "resend_at", 1)
    services.resend(started.id, channel="voice")
    go(house, started)
    message_id = seen(started).sms.message_id
    receipts.take("c", {}, f"{message_id} failed".encode(), "/", "")
    next_channel.look("otp")
    assert seen(started).channel == "sms"


def test_how_long_it_waits_is_learned_from_receipts(house, redis):
    for _ in range(20):
        started = services.start(PHONE)
        go(house, started)
        redis.hincrby(f"sms:message:{started.message_id}", "sent_at", -20_000)
        receipts.take("a", {}, f"{started.message_id} delivered".encode(), "/", "")
        redis.delete(*redis.keys("otp:phone:*"))
    started = services.start(PHONE)
    go(house, started)
    later(redis, started, 18)
    next_channel.look("otp")
    assert seen(started).channel == "whatsapp"
    later(redis, started, 5)  # 23 s of 60
    next_channel.look("otp")
    assert seen(started).channel == "sms"


def test_it_is_refused_where_a_limit_is_reached(house, redis, settings):
    settings.OTP_LIMITS = "phone=1/1h"
    started = services.start(PHONE)
    go(house, started)
    later(redis, started, 61)
    next_channel.look("otp")
    assert seen(started).channel == "whatsapp"
    assert not redis.exists("sms:next-channel")


def test_it_counts_with_limits_and_money(house, redis, settings):
    settings.OTP_LIMITS = "phone=2/1h"
    settings.GUARD_MODE, settings.GUARD_PRICES = "shadow", {"default": "0.05", "whatsapp:default": "0.01"}
    started = services.start(PHONE)
    go(house, started)
    later(redis, started, 61)
    next_channel.look("otp")
    (counted,) = tally.read("counts")
    assert counted["spent|US"] == 60_000
    redis.delete(*redis.keys("otp:phone:*"))
    with pytest.raises(RateLimited):
        services.start(PHONE)


def test_a_dearer_channel_that_took_over_at_once_is_paid_too(house, redis, settings):
    settings.GUARD_MODE, settings.GUARD_BUDGET = "enforce", "0.2"
    settings.GUARD_PRICES = {"default": "0.05", "whatsapp:default": "0.01", "voice:US": "0.2"}
    started = services.start(PHONE)
    house.providers["a"].outcomes = [Unreachable("x")]
    go(house, started)
    (counted,) = tally.read("counts")
    assert counted["spent|US"] == 50_000
    assert redis.get("otp:guard-spend").split()[1] == b"50000"


def test_a_cheaper_one_gives_nothing_back(house, redis, settings):
    settings.GUARD_MODE = "shadow"
    settings.GUARD_PRICES = {"default": "0.05", "whatsapp:default": "0.08"}
    started = services.start(PHONE)
    house.providers["a"].outcomes = [Unreachable("x")]
    go(house, started)
    (counted,) = tally.read("counts")
    assert counted["spent|US"] == 80_000


class TestTheBudgetIsAskedForTheDearest:
    """Channels that a code may take within its run, as the budget is not asked again then."""

    @pytest.fixture(autouse=True)
    def dear(self, house, settings):
        settings.OTP_PURPOSES = {"login": {}}
        settings.SMS_ROUTES = {"default": "b>c"}
        settings.GUARD_MODE, settings.GUARD_BUDGET = "enforce", "1.2"
        settings.GUARD_PRICES = {"default": "0.01", "voice:default": "0.5"}

    def start(self, last: int):
        return services.start(f"+1202555010{last}")

    def money(self, redis) -> tuple[int, int]:
        """Of the budget, and of the tally."""
        (counted,) = tally.read("counts")
        return int(redis.get("otp:guard-spend").split()[1]), counted["spent|US"]

    def test_no_more_are_in_hand_than_it_can_pay(self, house, redis):
        house.providers["b"].always = Unreachable("x")
        started = [self.start(1), self.start(2)]
        assert self.money(redis) == (1_000_000, 20_000)
        with pytest.raises(RateLimited):
            self.start(3)
        for one in started:
            go(house, one)
        assert house.calls == "bbcc"  # in the order of the aliases
        assert self.money(redis) == (1_000_000, 1_000_000)

    def test_what_the_first_channel_takes_gives_the_rest_back(self, house, redis):
        started = self.start(1)
        go(house, started)
        assert self.money(redis) == (10_000, 10_000)
        receipts.take("b", {}, f"{started.message_id} delivered".encode(), "/", "")
        assert self.money(redis) == (10_000, 10_000)

    @pytest.mark.parametrize("how", ["refused", "cancelled"])
    def test_what_nobody_takes_gives_the_rest_back(self, house, redis, how):
        house.providers["b"].always = house.providers["c"].always = Unreachable("x")
        started = self.start(1)
        if how == "cancelled":
            services.cancel(started.id)
        else:
            go(house, started)
        assert self.money(redis) == (10_000, 10_000)

    def test_a_receipt_that_overtakes_the_answer_settles_it_once(self, house, redis):
        started = self.start(1)
        word = f"{started.message_id} delivered".encode()
        house.providers["b"].always = Unreachable("x")
        house.providers["c"].meanwhile = lambda _: receipts.take("c", {}, word, "/", "")
        go(house, started)
        assert self.money(redis) == (500_000, 500_000)

    def test_nothing_is_given_back_to_another_day(self, house, redis):
        started = self.start(1)
        record = f"sms:message:{started.message_id}"
        redis.hincrby(record, "created_at", -86_400_000)
        go(house, started)
        assert self.money(redis) == (500_000, 10_000)

    def test_the_code_of_another_program_is_none_of_its_business(self, house, redis):
        go(house, self.start(1))
        house.deliver(foreign.send(PHONE, "123456").id)
        house.providers["b"].always = Unreachable("x")
        house.deliver(foreign.send(PHONE, "123456").id)
        assert house.calls == "bbbc"
        assert self.money(redis) == (10_000, 10_000)

    def test_a_test_number_reserves_nothing_and_gives_nothing_back(self, house, redis, settings):
        go(house, self.start(1))
        settings.TEST_NUMBERS, settings.TEST_NUMBERS_UNTIL = {PHONE: "123456"}, "9999-12-31"
        started = services.start(PHONE)
        go(house, started)
        assert self.money(redis) == (10_000, 10_000)


@pytest.mark.parametrize(
    ("second", "costs"), [(Channel.VOICE, 200_000), (Channel.SMS, 50_000), (Channel.WHATSAPP, 10_000)]
)
def test_what_took_it_before_a_receipt_says_no_is_paid_as_well(house, redis, settings, second, costs):
    """Both providers had it, and both bill it."""
    house.providers["c"].channel = second
    settings.SMS_ROUTES = {"default": "b>c"}
    settings.OTP_PURPOSES = {"login": {}}
    settings.GUARD_MODE = "shadow"
    settings.GUARD_PRICES = {"default": "0.05", "voice:default": "0.2", "whatsapp:default": "0.01"}
    started = services.start(PHONE)
    go(house, started)
    receipts.take("b", {}, f"{started.message_id} failed".encode(), "/", "")
    go(house, started)
    assert house.calls == "bc"
    (counted,) = tally.read("counts")
    assert counted["spent|US"] == 50_000 + costs
    assert redis.get("otp:guard-spend").split()[1] == str(50_000 + costs).encode()


def test_the_cooldown_goes_on_as_it_was(house, redis):
    """The memory of it, which makes the next one longer, also ends no later than it would have."""
    started = services.start(PHONE)
    go(house, started)
    later(redis, started, 61)
    (phone,) = redis.keys("otp:phone:*")
    redis.pexpire(phone, 300_000)
    next_channel.look("otp")
    assert seen(started).channel == "sms"
    assert redis.pttl(phone) <= 300_000
    assert seen(started).resend_at == pytest.approx(started.resend_at, abs=0.002)
    with pytest.raises(RateLimited):
        services.resend(started.id)


def test_a_message_that_was_replaced_meanwhile_sends_nothing_on(house, redis):
    started = services.start(PHONE)
    go(house, started)
    redis.hset(next(iter(redis.keys("otp:phone:*"))), "resend_at", 1)
    again = services.resend(started.id)
    with pytest.raises(NotAllowed):
        services.go_on(started.id, started.message_id)
    assert seen(started).sms.message_id == again.message_id


def test_whoever_looks_dies_and_it_comes_back(house, redis, monkeypatch):
    started = services.start(PHONE)
    go(house, started)
    later(redis, started, 61)

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(services, "go_on", die)
        with pytest.raises(KeyboardInterrupt):
            next_channel.look("otp")
    redis.zadd("sms:next-channel", {started.id: 1}, xx=True)
    next_channel.look("otp")
    assert seen(started).channel == "sms"


def test_a_receiver_of_code_wanted_is_asked_and_the_cooldown_is_not(house, redis):
    asked = []

    def hear(*, number, **_):
        asked.append(number.e164)

    started = services.start(PHONE)
    go(house, started)
    later(redis, started, 61)
    signals.code_wanted.connect(hear)
    try:
        next_channel.look("otp")
    finally:
        signals.code_wanted.disconnect(hear)
    assert asked == [PHONE]
    assert seen(started).channel == "sms"


def test_one_code_proves_to_the_guard_all_that_went_out_by_itself(house, redis, settings):
    settings.GUARD_MODE = "enforce"
    started = services.start(PHONE)
    for _ in range(2):
        go(house, started)
        later(redis, started, 61)
        next_channel.look("otp")
    assert services.check(started.id, codes(house).pop()).status == "valid"
    (country,) = [row for row in report.rows() if row.scope == "US"]
    assert (round(country.hour.sends), round(country.hour.verified)) == (3, 3)


def test_what_arrived_late_by_the_first_channel_goes_nowhere_else(house, redis):
    started = services.start(PHONE)
    go(house, started)
    later(redis, started, 61)
    next_channel.look("otp")
    go(house, started)
    receipts.take("a", {}, f"{started.message_id} delivered".encode(), "/", "")
    later(redis, started, 61)
    next_channel.look("otp")
    assert seen(started).channel == "sms"
    assert not redis.exists("sms:next-channel")


def test_a_call_that_fails_sends_nothing_on_where_the_code_had_arrived(house, redis):
    started = services.start(PHONE)
    go(house, started)
    redis.hset(next(iter(redis.keys("otp:phone:*"))), "resend_at", 1)
    services.resend(started.id, channel="voice")
    go(house, started)
    receipts.take("a", {}, f"{started.message_id} delivered".encode(), "/", "")
    message_id = seen(started).sms.message_id
    receipts.take("c", {}, f"{message_id} failed".encode(), "/", "")
    next_channel.look("otp")
    assert seen(started).channel == "voice"


def test_the_keys_own_limits_count(house, redis, settings):
    settings.API_ACCESS = parse("shop=verify,1/1h")
    started = services.start(PHONE, caller=Caller("shop", limits="1/1h"))
    go(house, started)
    later(redis, started, 61)
    next_channel.look("otp")
    assert seen(started).channel == "whatsapp"


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, 120 + 2 * 60),
        ({"lifetime": 60, "next_channel_after": [5, 30]}, 60 + 2 * 30),
        ({"channels": ["sms"]}, 120),
        ({"channels": []}, 120),
        ({"next_channel_after": [15, 300]}, 600),
    ],
)
def test_a_code_has_the_time_for_all_channels_from_its_start(house, redis, settings, options, seconds):
    settings.OTP_PURPOSES = {"login": {"channels": ["whatsapp", "sms", "voice"], **options}}
    started = services.start(PHONE)
    created_at, expires_at = redis.hmget(f"otp:verification:{started.id}", "created_at", "expires_at")
    assert int(expires_at) - int(created_at) == seconds * 1000
    go(house, started)
    later(redis, started, 300)
    next_channel.look("otp")
    assert services.status(started.id).expires_at == started.expires_at


def test_a_channel_that_the_user_asked_for_needs_no_time_of_its_own(house, redis):
    started = services.start(PHONE)
    redis.hset(next(iter(redis.keys("otp:phone:*"))), "resend_at", 1)
    again = services.resend(started.id, channel="voice")
    sent_at = redis.hget(f"sms:message:{again.message_id}", "created_at")
    assert round(again.expires_at * 1000) == int(sent_at) + (120 + 60) * 1000


def test_what_has_too_little_left_goes_nowhere_else(house, redis):
    started = services.start(PHONE)
    go(house, started)
    later(redis, started, 61)
    redis.hincrby(f"otp:verification:{started.id}", "expires_at", -181_000)
    next_channel.look("otp")
    assert seen(started).channel == "whatsapp"


@pytest.mark.usefixtures("one_list")
@pytest.mark.parametrize("reports", [True, False])
def test_a_number_that_gets_nothing_looks_like_one_that_does(house, redis, settings, reports):
    """It stays with the first channel where that reports, and goes on where it does not."""
    settings.TEST_NUMBERS, settings.TEST_NUMBERS_UNTIL = {PHONE: "123456"}, "2999-01-01"
    if reports:
        redis.hset("sms:arrival:a:US", mapping={"mean": 2000, "deviation": 500})
    started = services.start(PHONE)
    go(house, started)
    later(redis, started, 61)
    next_channel.look("otp")
    assert seen(started).channel == ("whatsapp" if reports else "sms")
    assert house.calls == ""


def test_who_comes_too_late_forgets_nothing(house, redis):
    started = services.start(PHONE)
    go(house, started)
    later(redis, started, 61)
    ((id, message_id),) = store.next_due(10)
    assert services.go_on(id, message_id)  # another sweep was quicker
    store.stay(id, message_id)
    assert redis.exists("sms:next-channel")


def test_one_that_fails_holds_up_no_other(house, redis, monkeypatch):
    first, second = services.start(PHONE), services.start("+12025550199")
    for started in (first, second):
        go(house, started)
        later(redis, started, 61)
    real = services.go_on

    def fail(id, message_id):
        if id == first.id:
            raise ValueError
        return real(id, message_id)

    monkeypatch.setattr(services, "go_on", fail)
    redis.zadd("sms:next-channel", {first.id: 1, second.id: 2})
    next_channel.look("otp")
    assert seen(second).channel == "sms"
    assert redis.zscore("sms:next-channel", first.id)  # it comes back


class TestTheUserChooses:
    def ready(self, redis) -> None:
        for key in redis.keys("otp:phone:*"):
            redis.hset(key, "resend_at", 1)

    def test_the_same_code_by_another_channel(self, house, redis):
        started = services.start(PHONE)
        go(house, started)
        self.ready(redis)
        again = services.resend(started.id, channel="voice")
        assert (again.channel, again.channels) == ("voice", ("whatsapp", "sms", "voice"))
        go(house, started)
        assert house.calls == "ac"
        assert len(codes(house)) == 1

    def test_the_cooldown_holds(self, house):
        started = services.start(PHONE)
        with pytest.raises(RateLimited):
            services.resend(started.id, channel="voice")

    @pytest.mark.parametrize("channel", ["telegram", "fax", "email", "SMS"])
    def test_a_channel_that_cannot_have_it(self, house, redis, channel):
        started = services.start(PHONE)
        self.ready(redis)
        with pytest.raises(NotAllowed) as caught:
            services.resend(started.id, channel=channel)
        assert (caught.value.code, caught.value.field) == ("channel_unavailable", "channel")
        assert "whatsapp, sms, voice" in caught.value.detail

    def test_again_is_by_the_channel_of_last_time(self, house, redis):
        started = services.start(PHONE)
        self.ready(redis)
        services.resend(started.id, channel="sms")
        self.ready(redis)
        assert services.resend(started.id).channel == "sms"

    def test_a_purpose_without_channels_goes_as_the_route_says(self, house, redis, settings):
        settings.OTP_PURPOSES = {"login": {}}
        started = services.start(PHONE)
        assert (started.channel, started.channels) == ("whatsapp", ("whatsapp", "sms", "voice"))
        assert not redis.exists("sms:next-channel")
        self.ready(redis)
        assert services.resend(started.id, channel="voice").channel == "voice"

    def test_there_too_again_is_by_the_channel_of_last_time(self, house, redis, settings):
        settings.OTP_PURPOSES = {"login": {}}
        started = services.start(PHONE)
        go(house, started)
        for channel, calls in (("voice", "ac"), ("", "acc"), ("whatsapp", "aacc")):
            self.ready(redis)
            services.resend(started.id, channel=channel)
            go(house, started)
            assert house.calls == calls  # in the order of the aliases
        # The choice of the first alias excludes no other: if that fails, the others still follow it.
        house.providers["a"].always = Unreachable("x")
        self.ready(redis)
        services.resend(started.id)
        go(house, started)
        assert house.calls == "aaabcc"


def test_sms_alone_writes_nothing_of_it(redis, settings):
    started = services.start(PHONE)
    assert (started.channel, started.channels) == ("sms", ("sms",))
    assert not redis.hexists(f"otp:verification:{started.id}", "channels")
    assert seen(started).channels == ("sms",)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channels": "sms"}, "must be a list of sms, whatsapp"),
        ({"channels": ["fax"]}, "must be a list of sms, whatsapp"),
        ({"channels": ["sms", "sms"]}, "names one twice"),
        ({"next_channel_after": 20}, "two numbers of seconds"),
        ({"next_channel_after": [60, 20]}, "the least and the most"),
        ({"next_channel_after": [1, 20]}, "from 5 to 300"),
    ],
)
def test_bad_settings(settings, options, words):
    from django.core.exceptions import ImproperlyConfigured

    settings.OTP_PURPOSES = {"login": options}
    with pytest.raises(ImproperlyConfigured, match=words):
        services.start(PHONE)


def test_a_start_may_name_the_channel_that_has_the_code(house):
    started = services.start(PHONE, channel="voice")
    assert (started.channel, started.channels) == ("voice", ("whatsapp", "sms", "voice"))
    go(house, started)
    assert house.calls == "c"


def test_a_start_by_a_channel_that_it_cannot_go_by_is_refused(house):
    with pytest.raises(NotAllowed) as caught:
        services.start(PHONE, channel="telegram")
    assert caught.value.code == "channel_unavailable"
    assert "whatsapp, sms, voice" in caught.value.detail


def test_where_there_is_only_sms_a_start_may_name_that_alone(redis):
    assert services.start(PHONE, channel="sms").channel == "sms"
    with pytest.raises(NotAllowed):
        services.start("+12025550124", channel="voice")
