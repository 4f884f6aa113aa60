"""API keys and the commands that make secrets."""

from __future__ import annotations

import hmac

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from otp.api import access, keys
from otp.management.commands import api_key


def test_a_key_is_known_by_its_digest():
    key, digest = keys.make()
    assert keys.owner(key, {"a": ["0" * 64], "b": ["1" * 64, digest]}) == "b"
    assert all(keys.owner(keys.make()[0], {"b": [digest]}) is None for _ in range(100))
    assert keys.owner("\ud800", {"b": [digest]}) is None


@pytest.mark.parametrize("place", [None, 0, 1, 2])
def test_every_entry_is_looked_at_in_constant_time_wherever_the_key_stands(monkeypatch, place):
    key, digest = keys.make()
    digests = [digest if number == place else f"{number}" * 64 for number in range(3)]
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda *two: compared.append(two) or real(*two))
    found = keys.owner(key, {"a": digests[:2], "b": digests[2:]})
    assert found == (None if place is None else "aab"[place])
    assert compared == [(digest, one) for one in digests]


def test_a_name_may_have_two_keys():
    one, two = "0" * 64, "1" * 64
    assert keys.parse(f"a:{one}, a:{two},b:{one},") == {"a": [one, two], "b": [one]}
    assert keys.parse("") == {}


def test_a_third_key_of_a_name_is_refused_with_the_mend():
    entries = [f"a:{digit * 64}" for digit in "012"]
    with pytest.raises(keys.BadKeys, match=r"API_KEYS names a more than twice.*Remove the older"):
        keys.parse(",".join(entries))


@pytest.mark.parametrize("text", ["a", "a:xyz", ":" + "0" * 64, "a b:" + "0" * 64, "a:" + "A" * 64])
def test_malformed_keys_are_refused(text):
    with pytest.raises(keys.BadKeys, match="API_KEYS"):
        keys.parse(text)


def test_the_command_makes_a_working_key(capsys):
    call_command("api_key", "shop")
    key, entry = capsys.readouterr().out.split()
    assert keys.owner(key, keys.parse(entry)) == "shop"
    with pytest.raises(CommandError, match="name"):
        call_command("api_key", "a name")


def test_the_command_makes_no_third_key(settings):
    settings.API_KEYS = {"shop": ["0" * 64]}
    call_command("api_key", "shop")
    settings.API_KEYS = {"shop": ["0" * 64, "1" * 64]}
    with pytest.raises(CommandError, match=r"API_KEYS already has 2 keys of shop.*Remove the older"):
        call_command("api_key", "shop")


def test_the_command_prints_a_minimal_entry_for_api_access(capsys):
    """It goes to standard error. Standard output has only the key and its entry in API_KEYS, as before."""
    call_command("api_key", "shop")
    told = capsys.readouterr()
    assert len(told.out.split()) == 2
    assert "API_ACCESS" in told.err
    assert told.err.splitlines()[-1] == "shop=verify"
    assert access.parse("shop=verify")["shop"].scopes == {"verify"}
    assert access.parse(access.EXAMPLE)
    assert access.EXAMPLE in api_key.Command.help


def test_the_command_prints_no_entry_for_a_name_that_has_one(capsys, settings):
    """A second key of a name, to rotate it, has what the name has."""
    settings.API_ACCESS = access.parse("shop=verify,messages")
    call_command("api_key", "shop")
    told = capsys.readouterr().err
    assert "shop=verify" not in told
    assert "API_ACCESS already has an entry for shop" in told
