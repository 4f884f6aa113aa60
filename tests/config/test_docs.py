"""The targets of the docs exist: pages, headings, commands, lines of the log."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands

from sms import conf
from tests.starts import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_LINK = re.compile(r"\]\(([^()\s]+)\)")
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.*)", re.MULTILINE)
_COMMAND = re.compile(r"(?:`|python )manage\.py\s+([a-z_]+)")
_WORKER = re.compile(r"-A,? \w+,? worker\b.* -Q,? \"?([\w,]+)")
_ROW = re.compile(r"^\| (`[a-z_]+`[^|]*) \|", re.MULTILINE)
_FILE = re.compile(r"^ *```ini\n(.*?)```", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"^ *([A-Z_]+)=(.*)", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = _HEADING.findall(_CODE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for link in _LINK.findall(_CODE.sub("", page.read_text())):
        if re.match("[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), link
        assert not anchor or anchor in anchors(found), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_one(page):
    assert set(_COMMAND.findall(page.read_text())) <= set(get_commands())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_line_of_a_file_of_settings_has_a_comment_behind_its_value(page):
    """It would be a part of the value."""
    for lines in _FILE.findall(page.read_text()):
        for name, value in _VARIABLE.findall(lines):
            assert not re.search(r"\s#", value), name


def test_every_worker_that_is_shipped_takes_all_queues():
    """A queue that one way of running Otpost leaves out has no worker there."""
    files = [
        ROOT / "docker-compose.yml",
        *(ROOT / "config").rglob("*.py"),
        *(ROOT / "docs").rglob("*"),
        *PAGES,
    ]
    commands = {
        (str(file.relative_to(ROOT)), queues)
        for file in files
        if file.is_file() and file.suffix != ".png"
        for queues in _WORKER.findall(file.read_text())
    }
    ways = {"docs/production.md", "docker-compose.yml", "config/celery.py", "config/demo/__main__.py"}
    ways |= {"docs/kubernetes/templates/worker.yaml", "docs/systemd/otpost-worker@.service"}
    assert {file for file, _ in commands} >= ways
    assert {queues for _, queues in commands} == {"otp,bulk,events"}


def test_the_page_says_which_variables_are_settings_of_a_project():
    page = (ROOT / "docs" / "in-django.md").read_text()
    _, _, text = page.partition("settings of the same name. They begin with")
    told = re.findall("`([A-Z_]+)`", text.partition("Write lists")[0])
    beginnings = tuple(name for name in told if name.endswith("_"))
    assert {name for name in conf.DECLARED if not name.startswith(beginnings)} == {*told} - {*beginnings}


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_line_of_the_log_that_deserves_an_alert_is_one():
    _, _, table = (ROOT / "docs" / "runbook.md").read_text().partition("## Lines of the log")
    events = {word for row in _ROW.findall(table) for word in re.findall(r"`([a-z_]+)`", row)}
    assert len(events) > 10
    for event in events - {"limit"}:
        grep = ["git", "grep", "-q", f'"{event}"', "--", "sms", "otp"]
        assert subprocess.run(grep, cwd=ROOT, check=False).returncode == 0, event
