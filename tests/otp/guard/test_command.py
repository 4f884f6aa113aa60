"""`manage.py guard`: what it shows, and the rules that an operator gives."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError

from otp.guard import settings as guard_settings
from tests.otp.guard.clock import HOUR, command


def test_a_country_that_was_refused_before_its_first_send_is_a_country(today, settings):
    settings.GUARD_MODE = "shadow"
    command("--block", "DE")
    assert today.send("+4915112345678", "DE") == "blocked DE"
    (row,) = (
        json.loads(line) for line in command("--json", "--all")[0].splitlines() if '"scope": "DE"' in line
    )
    assert (row["kind"], row["refused"]) == ("country", 1)


def test_the_table_shows_what_there_is_to_see(today, settings):
    settings.GUARD_PRICES = {"default": "0.05"}
    settings.GUARD_BUDGET = "100"
    today.prove("+4915112345678", "DE", 2)
    today.now -= 40
    while not today.send("+22412345678", "GN"):
        pass
    out, err = command()
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert set(lines) == {"scope", "new", "DE", "GN", "+2241234"}
    assert lines["DE"].split()[1] == "2/2"
    assert lines["DE"].endswith("ok")
    assert lines["+2241234"].endswith("over hour")
    assert lines["+2241234"].split()[5] == "1"  # refused
    assert "GUARD_MODE is enforce." in err
    assert "Spent today (UTC): 0.4 of 100." in err
    assert "3 more" in err
    assert "+22412\n" not in out
    assert "+491511234" in command("--all")[0]


def test_json_has_one_object_a_line(today):
    today.prove("+4915112345678", "DE", 1)
    found = {row["scope"]: row for row in map(json.loads, command("--json", "--all")[0].splitlines())}
    assert set(found) == {"new", "DE", "+4915112", "+491511234"}
    assert found["DE"]["kind"] == "country"
    assert found["DE"]["day"]["sends"] == found["DE"]["day"]["verified"] == 1
    assert found["DE"]["day"]["cap"] == guard_settings.Figures().country[1] + 1
    assert (found["DE"]["state"], found["DE"]["rule_until"]) == ("ok", None)


def test_block_and_release_count_at_once(today):
    assert today.send("+4915112345678", "DE") == ""
    assert "DE is blocked until" in command("--block", "DE", "--hours", "2")[0]
    assert today.send("+4915112345678", "DE") == "blocked DE"
    assert 7_100_000 < today.wait <= 7_202_000  # whole seconds here
    assert "blocked until" in command()[0]
    assert command("--release", "DE")[0] == "DE is released.\n"
    assert today.send("+4915112345678", "DE") == ""


def test_nothing_is_counted_of_what_only_a_rule_names(today):
    """A country to which no code has gone yet has a cap, which is not 0."""
    command("--block", "DE")
    line = command()[0].splitlines()[-1]
    assert line.split()[:7] == ["DE", "-", "-", "-", "-", "0", "blocked"]


def test_what_only_a_rule_names_and_refuses_has_the_same_windows(today):
    command("--block", "+4915")
    assert today.send("+4915112345678", "DE") == "blocked +4915"
    (row,) = map(json.loads, command("--json")[0].splitlines())
    assert (row["kind"], row["refused"], row["over"]) == ("rule", 1, "")
    assert row["hour"] == row["day"] == row["fortnight"]


@pytest.mark.parametrize("prefix", ["+4", "+4915", "+4915112", "+49151123", "+491511234"])
def test_a_rule_holds_for_a_prefix_of_any_length(today, prefix):
    command("--block", prefix)
    assert today.send("+4915112345678", "DE") == f"blocked {prefix}"
    shown = [line for line in command()[0].splitlines() if line.startswith(f"{prefix} ")]
    assert len(shown) == 1
    assert "blocked until" in shown[0]
    command("--release", prefix)
    while not today.send("+4915112345678", "DE"):
        pass
    command("--release", prefix)
    command("--release", "new")
    assert today.send("+4915112345678", "DE") == ""


@pytest.mark.parametrize("word", ["block", "allow"])
@pytest.mark.parametrize("prefix", ["+49151123", "+491511234"])
def test_a_rule_outlives_a_change_of_the_secret(today, settings, wide, prefix, word):
    wide(fine=(1, 9, 9))

    def holds():
        answers = [today.send("+4915112345678", "DE") for _ in range(2)]
        return answers == [f"blocked {prefix}" if word == "block" else ""] * 2

    command(f"--{word}", prefix)
    former = settings.PHONE_SECRET_KEY
    settings.PHONE_SECRET_KEY, settings.PHONE_SECRET_KEY_FALLBACKS = "another-" * 8, [former]
    assert holds()
    command()  # as docs/rotating-keys.md asks for before the former value goes
    settings.PHONE_SECRET_KEY_FALLBACKS = []
    assert holds()
    settings.PHONE_SECRET_KEY_FALLBACKS = [former]
    command("--release", prefix)
    assert not holds()


def test_a_change_of_the_secret_makes_no_rule_longer(today, settings, redis):
    command("--block", "+491511234", "--hours", "8000")
    former = settings.PHONE_SECRET_KEY
    settings.PHONE_SECRET_KEY, settings.PHONE_SECRET_KEY_FALLBACKS = "another-" * 8, [former]
    command()
    ends = [int(text.split()[1]) for text in redis.hvals("otp:guard-rules")]
    assert len(ends) == 3  # of the prefix and of its two tags
    assert max(ends) - min(ends) < 5_000


def test_the_rule_of_the_narrowest_scope_decides(today):
    command("--block", "DE")
    command("--allow", "+49151")
    command("--block", "+491511")
    assert today.send("+4915122345678", "DE") == ""
    assert today.send("+4915112345678", "DE") == "blocked +491511"
    assert today.send("+4916012345678", "DE") == "blocked DE"


def test_allow_lifts_the_caps(today):
    while not today.send("+22412345678", "GN"):
        pass
    command("--allow", "GN")
    assert today.sent(["+22412345678"] * 5, "GN") == 5


def test_a_rule_ends(today, redis):
    command("--block", "GN", "--hours", "1")
    assert 3_500_000 < redis.pttl("otp:guard-rules") <= 3_600_000
    assert today.send("+22412345678", "GN") == "blocked GN"
    today.now += HOUR + 2
    assert today.send("+22412345678", "GN") == ""


def test_a_short_rule_does_not_end_a_long_one(today, redis):
    command("--block", "FR", "--hours", "48")
    command("--block", "DE", "--hours", "1")
    assert redis.pttl("otp:guard-rules") > 47 * HOUR * 1000


def test_release_forgives_a_prefix_and_all_within_it(today):
    while not today.send("+22412345678", "GN"):
        pass
    assert command("--release", "+224")[0] == "+224 is released.\n"
    assert today.send("+22412345678", "GN") == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--block", "XX"),
            "'XX' is not a scope: write countries such as DE (ISO 3166) and prefixes such as",
        ),
        (("--allow", "+"), "'+' is not a scope: write a prefix with + and digits"),
        (("--block", "+12025550"), "'+12025550' is not a scope: no number has this prefix and four more"),
        (("--release", "FR"), "Nothing is known of FR."),
        (("--block", "DE", "--hours", "0"), "--hours must be over 0"),
        (("--block", "DE", "--hours", "nan"), "--hours must be over 0"),
        (("--hours", "3"), "--hours needs --allow or --block."),
    ],
)
def test_a_wrong_word_is_an_error_that_says_what_to_write(redis, words, said):
    with pytest.raises(CommandError) as caught:
        command(*words)
    assert str(caught.value).startswith(said)


def test_a_rule_that_does_not_count_yet_says_so(redis, settings):
    settings.GUARD_MODE = "shadow"
    said = command("--block", "DE")[0]
    assert said.startswith("DE would be blocked until 20")
    assert said.endswith("; GUARD_MODE is shadow, so codes still go there.\n")
    assert "would be blocked until" in command()[0]


@pytest.mark.one_server
def test_a_redis_that_is_away_is_named(settings):
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9/0"}}
    with pytest.raises(CommandError, match=r"Redis does not answer. Is REDIS_URL right\?"):
        command()


def test_one_scope_is_a_table_too(today):
    command("--block", "DE")
    assert today.send("+4915112345678", "DE") == "blocked DE"
    (row,) = map(json.loads, command("--json", "--all")[0].splitlines())
    assert (row["scope"], row["kind"], row["refused"], row["state"]) == ("DE", "rule", 1, "blocked")
