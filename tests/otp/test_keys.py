"""API keys and the commands that make secrets."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from otp import keys


def test_a_key_is_known_by_its_digest():
    key, digest = keys.make()
    assert keys.owner(key, {"a": ["0" * 64], "b": ["1" * 64, digest]}) == "b"
    assert all(keys.owner(keys.make()[0], {"b": [digest]}) is None for _ in range(100))
    assert keys.owner("\ud800", {"b": [digest]}) is None


def test_a_name_may_have_two_keys():
    one, two = "0" * 64, "1" * 64
    assert keys.parse(f"a:{one}, a:{two},b:{one},") == {"a": [one, two], "b": [one]}
    assert keys.parse("") == {}


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
