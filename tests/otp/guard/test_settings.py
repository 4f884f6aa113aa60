"""The guard's settings, and the rules that may be: checked at the start."""

from __future__ import annotations

import json
import re
from pathlib import Path

import phonenumbers
import pytest
from django.core.management import CommandError

from otp.guard import checks as guard_checks
from otp.guard import settings as guard_settings
from tests.otp.guard.clock import command


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GUARD_MODE", "on", "GUARD_MODE is 'on'. Write one of: off, shadow, enforce."),
        ("GUARD_ALLOW", ["XX"], "GUARD_ALLOW, 'XX': write countries such as DE"),
        ("GUARD_ALLOW", ["+0123"], "GUARD_ALLOW, '+0123': write"),
        ("GUARD_ALLOW", ["+"], "GUARD_ALLOW, '+': write"),
        ("GUARD_ALLOW", ["+4915112345678"], "GUARD_ALLOW, '+4915112345678': no number has this prefix"),
        ("GUARD_ALLOW", ["+999"], "GUARD_ALLOW, '+999': no country code begins like this."),
        ("GUARD_ALLOW", [49], "GUARD_ALLOW, 49: write strings such as 'DE' and '+4477'."),
        ("GUARD_ALLOW", "DE", "GUARD_ALLOW is 'DE'. Write a list such as ['DE', '+4477']."),
        ("GUARD_PRICES", 5, "GUARD_PRICES is 5. Write a dict such as {'US': '0.0079'"),
        ("GUARD_PRICES", {49: "1"}, "GUARD_PRICES, 49: write a country such as DE"),
        ("GUARD_BUDGET", [5], "GUARD_BUDGET: [5] must be a number"),
        ("GUARD_FIGURES", [1.0], "GUARD_FIGURES is [1.0]. Write a dict such as {'ratio': 0.8}."),
        ("GUARD_PRICES", {"XX": "1"}, "GUARD_PRICES, XX: write a country such as DE"),
        ("GUARD_PRICES", {"DE": "cheap"}, "GUARD_PRICES, DE: 'cheap' must be a number, 0 or more"),
        ("GUARD_PRICES", {"DE": "nan"}, "GUARD_PRICES, DE: 'nan' must be a number"),
        ("GUARD_PRICES", {"DE": 10**9}, "GUARD_PRICES, DE: 1000000000 must be a number, 0 or more"),
        ("GUARD_PRICES", {"DE": "-1"}, "GUARD_PRICES, DE: '-1' must be a number, 0 or more"),
        ("GUARD_BUDGET", "-5", "GUARD_BUDGET: '-5' must be a number, 0 or more"),
        ("GUARD_BUDGET", "much", "GUARD_BUDGET: 'much' must be a number"),
        ("GUARD_BUDGET", "5", "GUARD_BUDGET needs to know what an SMS costs everywhere. Name a default"),
        ("GUARD_FIGURES", {"fun": 1}, "GUARD_FIGURES has no 'fun'. It has: ratio, proven"),
        ("GUARD_FIGURES", {"ratio": 0}, "GUARD_FIGURES, ratio: give a number over 0."),
        ("GUARD_FIGURES", {"ratio": "much"}, "GUARD_FIGURES, ratio: give a number over 0."),
        ("GUARD_FIGURES", {"ratio": 10**400}, "GUARD_FIGURES, ratio: give a number over 0."),
        ("GUARD_FIGURES", {"fine": 5}, "GUARD_FIGURES, fine: give three numbers over 0"),
        ("GUARD_FIGURES", {"fine": [5, 6, True]}, "GUARD_FIGURES, fine: give three numbers over 0"),
    ],
)
def test_bad_settings_are_refused_with_their_name_and_the_mend(settings, name, value, said):
    setattr(settings, name, value)
    (error,) = guard_checks.guard_settings() + guard_checks.budget()
    assert error.msg.startswith(said)


@pytest.mark.parametrize(("figure", "errors"), [(10**9 - 1, 0), (10**9, 1)])
def test_a_figure_is_less_than_a_billion(settings, figure, errors):
    settings.GUARD_FIGURES = {"proven": figure}
    assert len(guard_checks.guard_settings()) == errors


@pytest.mark.parametrize(
    ("narrowest", "number", "country"),
    [
        ("+1202555", "+12025550123", "US"),
        ("+491511234", "+4915112345678", "DE"),
        ("+354611", "+3546111234", "IS"),  # where longer numbers begin with other digits
        ("+2305422", "+23054221234", "MU"),
        ("+49800123456", "+498001234567890", "DE"),  # of fifteen digits, the most that a number may have
    ],
)
def test_a_rule_that_is_taken_can_match_and_one_digit_more_is_refused(today, narrowest, number, country):
    command("--block", narrowest)
    assert today.send(number, country) == f"blocked {narrowest}"
    with pytest.raises(CommandError, match="is not a scope: no number has this prefix"):
        command("--block", number[: len(narrowest) + 1])


@pytest.mark.parametrize(
    ("number", "country", "scopes"),
    [
        ("+376312345", "AD", {"new", "AD"}),  # of six digits after the country code
        ("+3546111234", "IS", {"new", "IS", "+3546", "+354611"}),
    ],
)
def test_a_number_that_is_short_counts_for_its_country_alone(today, number, country, scopes):
    today.send(number, country)
    rows = map(json.loads, command("--json", "--all")[0].splitlines())
    assert {row["scope"] for row in rows} == scopes


@pytest.mark.parametrize(
    ("prefix", "number", "country"),
    [("+24033", "+240333091234", "GQ"), ("+37805", "+3780549886377", "SM")],
)
def test_a_wide_range_may_have_a_rule_where_trying_finds_no_number(today, prefix, number, country):
    command("--block", prefix)
    assert today.send(number, country) == f"blocked {prefix}"


def test_every_range_of_mobile_numbers_may_have_a_rule():
    """Whether there are such numbers is tried out, and what exists must not be refused for it."""
    for region in phonenumbers.SUPPORTED_REGIONS:
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if not number:  # Tristan da Cunha has none
            continue
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        for end in range(2, len(e164) - 3):
            assert guard_settings.scope_problem(e164[:end]) == "", e164[:end]


def test_what_is_free_of_proof_is_what_the_docs_say():
    text = (Path(__file__).parents[3] / "docs/guard.md").read_text()
    table = text.partition("| allowed unverified |")[2].partition("\n\n")[0]
    rows = [tuple(map(int, row)) for row in re.findall(r"\| (\d+) \| (\d+) \| (\d+)", table)]
    figures = guard_settings.Figures()
    assert rows == [figures.new, figures.country, figures.coarse, figures.fine, figures.address]


def test_good_settings_are_silent(settings):
    assert guard_checks.guard_settings() + guard_checks.budget() == []
    assert guard_checks.guard_is_on() == []
    settings.GUARD_ALLOW = ["DE", "+4477", "001"]
    settings.GUARD_PRICES = {"US": "0.0079", "default": 0.06}
    settings.GUARD_BUDGET = "12.50"
    settings.GUARD_FIGURES = {"fine": [1, 2, 3], "ratio": 0.8}
    assert guard_checks.guard_settings() + guard_checks.budget() == []
    assert guard_settings.read().figures == guard_settings.Figures(fine=(1, 2, 3), ratio=0.8)
    settings.GUARD_MODE = "shadow"
    (warning,) = guard_checks.budget()
    assert "GUARD_BUDGET stops nothing while GUARD_MODE is shadow" in warning.msg


def test_a_guard_that_is_off_is_told_before_deployment(settings):
    settings.GUARD_MODE = "off"
    (warning,) = guard_checks.guard_is_on()
    assert "GUARD_MODE is off" in warning.msg
