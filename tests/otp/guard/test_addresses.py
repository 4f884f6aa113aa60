"""The guard's rules for an address: few countries, and codes that are typed."""

from __future__ import annotations

import pytest

from otp.guard import decision
from tests.otp.guard.clock import ABROAD, DAY, spread


def test_an_address_may_not_ask_for_a_fourth_country(clock, wide):
    answers = [clock.send(e164, country, "192.0.2.1") for e164, country in ABROAD]
    assert answers[:3] == ["", "", ""]
    assert answers[3].startswith("countries ip:")
    assert clock.wait == DAY * 1000
    assert clock.send(*ABROAD[0], "192.0.2.1") == ""  # those it began with
    assert clock.send(*ABROAD[3], "192.0.2.2") == ""  # another address
    assert clock.send(*ABROAD[3]) == ""  # none is known
    clock.now += DAY
    assert clock.send(*ABROAD[3], "192.0.2.1") == ""


def test_countries_that_were_verified_do_not_count(clock, wide):
    """An office, a VPN's exit: people of many countries behind one address."""
    for e164, country in ABROAD * 2:
        clock.prove(e164, country, 1, "192.0.2.1")


def test_an_address_may_ask_for_one_more_country_for_each_code_it_verified(clock, wide):
    clock.prove("+351912345678", "PT", 1, "192.0.2.1")
    answers = [clock.send(e164, country, "192.0.2.1") for e164, country in ABROAD]
    assert answers == [""] * 4  # the verified one is not among the three, and allows a fourth
    assert clock.send("+4915112345678", "DE", "192.0.2.1").startswith("countries ip:")


def test_an_address_that_verifies_nothing_has_a_cap(clock, wide):
    wide(address=(5, 8, 20))
    answers = [clock.send(number, "DE", "192.0.2.1") for number in spread(6)]
    assert answers[:5] == [""] * 5
    assert answers[5] == "hour ip:" + decision.address("192.0.2.1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "no address", True),
    ],
)
def test_an_address_is_a_digest_of_it_or_of_its_64(one, other, same):
    assert (decision.address(one) == decision.address(other)) is same


def test_a_country_that_was_verified_is_forgotten_and_no_other(clock, wide):
    for number in ABROAD[:2]:
        assert clock.send(*number, "192.0.2.1") == ""
    clock.prove("+4915112345678", "DE", 1, "192.0.2.1")
    answers = [clock.send(*number, "192.0.2.1") for number in (*ABROAD[2:], ("+351912345678", "PT"))]
    assert answers[:2] == ["", ""]  # with the first two that makes four: three, and one for the verified code
    assert answers[2].startswith("countries ip:")
