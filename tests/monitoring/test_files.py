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

from sms import sweeper
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
    sweeper.request("otp")
    sweeper.late("otp", 0, 1)
    return scrape(settings).names


_TEXT = re.compile(r'"[^"]*"')
_LABELS = re.compile(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|without|ignoring|group_left|group_right) *\([^)]*\)")
_METRIC = re.compile(r"\b[a-zA-Z_]\w*\b(?! *\()")
_WORDS = {"and", "or", "unless", "bool", "offset", "group_left", "group_right"}


def asked(expr: str) -> set[str]:
    """The metrics that PromQL names: no labels, ranges, functions or words of its own."""
    return set(_METRIC.findall(_LABELS.sub(" ", _TEXT.sub("", expr)))) - _WORDS


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        ('3600 * sum by (a, b) (rate(x_total{c=~"$d|{e}"}[5m] offset 1h)) > 0', {"x_total"}),
        ("max(x) / on (a) group_left (b) y unless z[1h:5m] == bool 1.5", {"x", "y", "z"}),
        ("histogram_quantile(0.99, sum(rate(x_bucket[$__range])) without (a))", {"x_bucket"}),
    ],
)
def test_a_query_is_read(expr, names):
    assert asked(expr) == names


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is_and_names_its_paragraph(exposed, rule):
    assert asked(rule["expr"]) <= exposed | {"up"}  # Prometheus makes this one
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
        (metric,) = re.findall(r"^label_values\((\w+), \w+\)$", variable["query"]["query"])
        assert metric in exposed
    assert [asked(note["expr"]) for note in DASHBOARD["annotations"]["list"]] == [{"ALERTS"}]


def test_the_dashboard_shows_every_metric(exposed):
    shown = {name for _, expr in TARGETS for name in asked(expr)}
    parts = {name for name in exposed if name.endswith(("_sum", "_count"))}
    told_otherwise = {"otpost_redis_up", "otpost_cancelled_total", "otpost_receipts_total"}
    told_otherwise |= {"otpost_left_out_total", "otpost_rate", "otpost_rate_wait_seconds"}
    assert exposed - parts - shown == told_otherwise


def test_the_dashboard_has_what_grafana_asks_for():
    assert re.fullmatch(r"[\w-]{1,40}", DASHBOARD["uid"])
    assert DASHBOARD["title"]
    assert DASHBOARD["schemaVersion"] >= 36
    source, *variables = DASHBOARD["templating"]["list"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    from_prometheus = {"type": "prometheus", "uid": f"${{{source['name']}}}"}
    known = {variable["name"] for variable in variables} | {"__range", "__rate_interval"}
    asking = [*variables, *DASHBOARD["annotations"]["list"]]
    for panel in DASHBOARD["panels"]:
        assert panel["title"]
        assert panel["gridPos"].keys() == {"x", "y", "w", "h"}
        if panel["type"] == "row":  # none of these tests looks inside a row
            assert not panel.get("panels")
            continue
        targets = panel["targets"]
        asking += [panel, *targets]
        assert len({target["refId"] for target in targets}) == len(targets) > 0, panel["title"]
        for target in targets:
            assert {*re.findall(r"\$\{?(\w+)", target["expr"])} <= known, panel["title"]
    assert all(one["datasource"] == from_prometheus for one in asking)


def test_a_legend_names_labels_that_the_query_keeps():
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            named = {*re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])}
            kept = re.findall(r"\bby \(([^)]*)\)", target["expr"])
            assert not kept or all(named <= {*labels.split(", ")} for labels in kept), panel["title"]
            assert kept or not named or "sum" not in target["expr"], panel["title"]


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
