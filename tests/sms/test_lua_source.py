"""The result of a script with includes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sms import lua_source
from tests.starts import ROOT


@pytest.fixture
def write(tmp_path):
    """Write files into a folder of scripts; returns the path of the last."""

    def write(**texts: str) -> Path:
        for name, text in texts.items():
            path = tmp_path / "lua" / f"{name.replace('__', '/')}.lua"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return path

    return write


def test_an_include_stands_where_it_is_asked_for(write):
    path = write(includes__clock="local now = 1\n", script='local a\n--- @include "clock"\nreturn now\n')
    assert lua_source.read(path) == "local a\nlocal now = 1\nreturn now\n"


def test_a_missing_include_is_named_with_who_wants_it(write):
    path = write(includes__clock='--- @include "sun"\n', script='--- @include "clock"\n')
    with pytest.raises(FileNotFoundError, match=r"includes/clock\.lua includes sun\.lua, which is"):
        lua_source.read(path)


def test_an_include_is_taken_once_where_it_comes_first(write):
    """However it is asked for: by the script, by another include, or by itself."""
    path = write(
        includes__clock='--- @include "clock"\nlocal clock\n',
        includes__wait='--- @include "clock"\nlocal wait\n',
        script='--- @include "wait"\n--- @include "clock"\n--- @include "wait"\nreturn clock\n',
    )
    assert lua_source.read(path) == "local clock\nlocal wait\nreturn clock\n"


def test_an_include_may_include(write):
    path = write(
        includes__one='local a\n--- @include "two"\nlocal c\n',
        includes__two="local b\n",
        script='--- @include "one"\n',
    )
    assert lua_source.read(path) == "local a\nlocal b\nlocal c\n"


def test_an_include_may_stand_indented_inside_a_function(write):
    path = write(
        includes__rest="return 1\n", script='local function f()\n  --- @include "rest"\nend\nreturn f()\n'
    )
    assert lua_source.read(path) == "local function f()\nreturn 1\nend\nreturn f()\n"


def test_what_a_function_includes_is_its_own(write):
    """Other functions and the script bring it for themselves, unless it stood above all of them."""
    first = 'local function f()\n  --- @include "a"\n  --- @include "ab"\nend\n'
    path = write(
        includes__a="local a\n",
        includes__ab='--- @include "a"\nlocal b\n',
        includes__first=first,
        includes__second=first.replace("f()", "g()"),
        script='--- @include "first"\n--- @include "second"\n--- @include "ab"\n'
        'local function h()\n  --- @include "a"\nend\n',
    )
    assert lua_source.read(path) == (
        "local function f()\nlocal a\nlocal b\nend\n"
        "local function g()\nlocal a\nlocal b\nend\n"
        "local a\nlocal b\n"
        "local function h()\nend\n"
    )


@pytest.mark.parametrize("text", ['-- @include "clock"', '--- @include "clock" -- why', "--- @include clock"])
def test_what_only_looks_like_an_include_is_a_comment(write, text):
    assert lua_source.read(write(includes__clock="local now\n", script=f"{text}\n")) == f"{text}\n"


def test_where_includes_are_looked_for(write, tmp_path):
    """Beside the script in includes/, beside it, then in what it was given, in that order."""
    (tmp_path / "given").mkdir()
    for name in ("both", "beside", "far"):
        (tmp_path / "given" / f"{name}.lua").write_text(f"given {name}\n")
    path = write(
        includes__both="includes both\n",
        both="beside both\n",
        beside="beside beside\n",
        script='--- @include "both"\n--- @include "beside"\n--- @include "far"\n',
    )
    assert lua_source.read(path, (tmp_path / "given",)) == "includes both\nbeside beside\ngiven far\n"


def test_each_line_knows_where_it_stands(write):
    """Linters and people are led back by it."""
    path = write(includes__clock="\nlocal now = 1\n", script='--- @include "clock"\nreturn now')
    clock = path.parent / "includes" / "clock.lua"
    assert list(lua_source.lines(path)) == [
        (clock, 1, ""),
        (clock, 2, "local now = 1"),
        (path, 2, "return now"),
    ]


def test_the_script_that_contributing_shows_is_one():
    block = (ROOT / "CONTRIBUTING.md").read_text().partition("```lua\n")[2].partition("```")[0]
    assert block == (ROOT / "otp" / "lua" / "count.lua").read_text()
