"""docs/monitoring asks for metrics that /metrics has, and names paragraphs of the runbook that are there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from sms import store
from tests.scraped import scrape
from tests.starts import ROOT

HERE = ROOT / "docs" / "monitoring"
PROMTOOL = shutil.which("promtool")

RULES = yaml.safe_load((HERE / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((HERE / "grafana.json").read_text())
TARGETS = [
    (panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", ())
]

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs Debian's package prometheus")


def promtool(*words: str | Path) -> str:
    done = subprocess.run([str(PROMTOOL), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def exposed(settings: Any) -> set[str]:
    settings.SMS_PROVIDERS = {"test": "memory://?rate=2"}
    store.ask_for_sweep("otp")
    store.sweep("otp", 0, 1)
    return scrape(settings).names


def asked(expr: str) -> set[str]:
    return set(re.findall(r"otpost_\w+", expr))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is_and_names_its_paragraph(exposed, rule):
    assert asked(rule["expr"]) <= exposed
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["for"]
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"


def test_the_runbook_has_a_paragraph_for_each_alert_and_no_other():
    headings = re.findall(r"^## (Otpost\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(rule["alert"] for rule in RULES)


def test_the_dashboard_asks_for_what_there_is(exposed):
    assert len(TARGETS) > 30
    for title, expr in TARGETS:
        assert asked(expr) <= exposed, title
        assert asked(expr), title
    for variable in DASHBOARD["templating"]["list"][1:]:
        assert asked(variable["query"]["query"]) <= exposed


def test_the_dashboard_shows_every_metric(exposed):
    shown = {name for _, expr in TARGETS for name in asked(expr)}
    parts = {name for name in exposed if name.endswith(("_sum", "_count"))}
    told_otherwise = {"otpost_redis_up", "otpost_cancelled_total", "otpost_receipts_total"}
    told_otherwise |= {"otpost_left_out_total", "otpost_rate", "otpost_rate_wait_seconds"}
    assert exposed - parts - shown == told_otherwise


def test_panels_stand_beside_each_other():
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for spot in [
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]:
            assert spot not in taken, (panel["title"], taken[spot])
            taken[spot] = panel["title"]
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))


@needs_promtool
def test_promtool_reads_the_rules():
    assert f"{len(RULES)} rules found" in promtool("check", "rules", HERE / "alerts.yml")


@needs_promtool
def test_the_rules_say_of_numbers_what_they_shall():
    promtool("test", "rules", Path(__file__).with_name("alerts_test.yml"))


@needs_promtool
def test_promtool_reads_the_queries_of_the_dashboard(tmp_path):
    """Each as a rule, with what Grafana fills in."""
    filled = {"$__rate_interval": "5m", "$__range": "6h", "$alias": ".*", "$country": ".*"}
    rules: list[dict[str, Any]] = []
    for number, (_, asks) in enumerate(TARGETS):
        expr = reduce(lambda text, pair: text.replace(*pair), filled.items(), asks)
        rules.append({"record": f"panel:{number}", "expr": expr})
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", path)
