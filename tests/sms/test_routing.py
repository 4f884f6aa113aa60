"""Routes: country, prefix, default; order and weights. Segments of a text."""

from __future__ import annotations

from collections import Counter

import pytest

from sms import routing, segments
from sms.errors import NoRoute


@pytest.fixture(autouse=True)
def aliases(settings):
    settings.SMS_PROVIDERS = dict.fromkeys(("main", "spare", "local"), "memory://")


def names(country, e164):
    return [hop.alias for hop in routing.order(routing.find(country, e164))]


def test_the_most_special_route_wins(settings):
    settings.SMS_ROUTES = {"default": "main", "GB": "spare", "+44": "local>main", "+4477": "spare>local"}
    assert names("US", "+12025550123") == ["main"]
    assert names("GB", "+447400123456") == ["local", "main"]
    assert names("GB", "+447700900123") == ["spare", "local"]


def test_without_routes_all_providers_in_their_order():
    assert names("US", "+12025550123") == ["main", "spare", "local"]


def test_no_default_means_no_route(settings):
    settings.SMS_ROUTES = {"DE": "main"}
    with pytest.raises(NoRoute):
        routing.find("US", "+12025550123")


def test_weights_share_the_messages(settings):
    settings.SMS_ROUTES = {"default": "main*3|spare>local"}
    orders = Counter(tuple(names("US", "+12025550123")) for _ in range(4000))
    assert set(orders) == {("main", "spare", "local"), ("spare", "main", "local")}
    assert 0.70 < orders["main", "spare", "local"] / 4000 < 0.80


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
def test_segments(text, parts):
    assert segments.count(text) == parts


def test_the_sender_of_the_route_reaches_the_provider(house):
    house.settings.SMS_ROUTES = {"default": "a", "US": "b@%2B15005550006"}
    house.deliver(house.code())
    assert [sms.sender for sms in house.providers["b"].calls] == ["+15005550006"]


def test_no_route_stores_nothing(house, redis, settings):
    settings.SMS_ROUTES = {"DE": "a"}
    with pytest.raises(NoRoute):
        house.code()
    assert redis.keys() == []
