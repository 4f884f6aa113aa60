"""docs/public-names.md lists what is public: all of it is there, and no example needs more."""

from __future__ import annotations

import ast
import re
import textwrap
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import get_commands
from django.dispatch import Signal
from django.urls import get_resolver

from sms import broker, conf, signals
from tests.reference.words import rows_of
from tests.starts import ROOT

PAGE = (ROOT / "docs" / "public-names.md").read_text()
PYTHON = rows_of("Python") | rows_of("Signals")
NAMES = {f"{module}.{name}" for module, names in PYTHON.items() for name in names}
KINDS = rows_of("Apps, tasks and commands")
#: What a project names in a text or includes.
DOTTED = NAMES | {*KINDS["apps"], *KINDS["task for beat"], *re.findall(r"`(\w+(?:\.\w+)*\.urls)`", PAGE)}

#: Of django-allauth and the like, which not every environment has.
FOREIGN = ("otp.contrib.allauth", "otp.contrib.django_otp.models", "otp.contrib.two_factor")


@pytest.mark.parametrize("module", [module for module in PYTHON if module not in FOREIGN])
def test_every_name_is_there(module):
    found = import_module(module)
    for name in PYTHON[module]:
        assert hasattr(found, name) or hasattr(found.OTPHandler, name), name


@pytest.mark.parametrize("module", FOREIGN)
def test_every_name_for_another_package_is_there(module):
    """As written: the module cannot be read where that package is not installed, or is no app."""
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
    assert {*PYTHON[module]} <= {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def test_every_signal_is_public_but_for_those_between_the_apps():
    private = {"text_received", "swept"}
    for module in ("otp.signals", "sms.signals"):
        found = {name for name, value in vars(import_module(module)).items() if isinstance(value, Signal)}
        assert found - private == {*PYTHON[module]} - {"REFUSE"}
    assert all(hasattr(signals, name) for name in private)


def test_every_setting_is_public():
    assert sorted(name for names in rows_of("Settings").values() for name in names) == sorted(conf.DECLARED)


def test_every_command_and_task_is_public():
    ours = {name for name, app in get_commands().items() if app in ("otp", "sms")}
    assert {*KINDS["commands of `manage.py"]} == ours
    assert KINDS["task for beat"] == [broker.SWEEP]
    assert {app.name for app in apps.get_app_configs()} >= {"sms", "otp"}


def test_every_address_is_public():
    listed = {path for cell in rows_of("Addresses") for path in cell.split("`, `")}
    found = {re.sub("/.*", "/", path) for path in paths(get_resolver("config.urls").url_patterns)}
    assert {f"/{path}" for path in found} | {"/phone/"} == listed  # which is there only with DEBUG


def paths(patterns, before=""):
    for pattern in patterns:
        here = before + str(pattern.pattern)
        yield from paths(pattern.url_patterns, here) if hasattr(pattern, "url_patterns") else [here]


def examples() -> list[tuple[str, str]]:
    """Every block of Python in the pages that users read, and the files of the examples."""
    found = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        blocks = re.findall(r"^( *)```python\n(.*?)^\1```", page.read_text(), re.MULTILINE | re.DOTALL)
        found += [(page.name, textwrap.dedent(block)) for _, block in blocks]
    files = [file for file in (ROOT / "examples").rglob("*.py") if "node_modules" not in file.parts]
    return found + [(str(Path(file).relative_to(ROOT)), file.read_text()) for file in sorted(files)]


def used(text: str) -> set[str]:
    """What of ours a text imports, or names in another text."""
    found = set()
    for line in re.findall(r"^\s*from ((?:otp|sms)\b[\w.]*) import ([\w, ]+)", text, re.MULTILINE):
        found |= {f"{line[0]}.{name.split(' as ')[0].strip()}" for name in line[1].split(",")}
    found |= {*re.findall(r"^\s*import ((?:otp|sms)\b[\w.]*)", text, re.MULTILINE)}
    named = re.findall(r"""["']((?:otp|sms)(?:\.\w+)+(?::\w+)?)["']""", text)
    return found | {name.replace(":", ".") for name in named}


@pytest.mark.parametrize(("place", "text"), examples(), ids=lambda text: text[:40])
def test_no_example_uses_what_is_private(place, text):
    modules = {module for module in PYTHON if module.count(".") == 1}  # `from otp import services`
    assert used(text) - DOTTED - modules == set(), place


def test_the_examples_use_something():
    assert {"otp.services", "sms.consumer.Consumer", "sms.urls"} <= set().union(
        *(used(text) for _, text in examples())
    )
