"""``metrics.md``: what ``/metrics`` shows, out of the tables and calls that make it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from sms import tally
from sms.metrics import COUNTERS, HISTOGRAMS, QUEUES
from tests.reference.words import code, joined, prose, table
from tests.starts import ROOT

INTRO = """
Prometheus reads these from `/metrics`. [Monitoring](../monitoring/README.md) has alerts and a dashboard for
them. It also [lists](../monitoring/README.md#metrics) the values of their labels.
The [glossary](../glossary.md) explains the words. `channel` follows from `alias`.
"""


class Shown(NamedTuple):
    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def page() -> str:
    rows = [
        (code(f"otpost_{one.name}"), one.kind, ", ".join(map(code, one.labels)), one.meaning)
        for one in sorted(shown())
    ]
    return joined("# Metrics", prose(INTRO), table(("metric", "type", "labels", "meaning"), rows))


def shown() -> Iterator[Shown]:
    for name, meaning in COUNTERS.items():
        yield Shown(f"{name}_total", "counter", _labels(*tally.LABELS[name]), meaning)
    for name, meaning in HISTOGRAMS.items():
        yield Shown(f"{name}_seconds", "histogram", _labels(tally.TIMES[name]), meaning)
    for name, meaning in QUEUES.values():
        yield Shown(name, "gauge", ("queue",), meaning)
    for path in ("sms/metrics.py", "otp/guard/metrics.py"):
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.FunctionDef):
                yield from _called(node)


def _called(function: ast.FunctionDef) -> Iterator[Shown]:
    """The metrics that a function makes. A long help text is in a variable ``help`` before the call."""
    help = ""
    for node in _in_order(function):
        match node:
            case ast.Assign(targets=[ast.Name(id="help")], value=ast.Constant(value=str(text))):
                help = text
            case ast.Call(
                func=ast.Name(id="gauge" | "gauges" | "CounterMetricFamily" as maker),
                args=[ast.Constant(value=str(name)), told, *rest],
            ):
                meaning = str(told.value) if isinstance(told, ast.Constant) else help
                if maker == "CounterMetricFamily":
                    labels = ("about", *_labels("outcome", "alias", "word"))
                    yield Shown(f"{name.removeprefix('otpost_')}_total", "counter", labels, meaning)
                else:
                    yield Shown(name, "gauge", _labels(*_texts(rest) if maker == "gauges" else ()), meaning)


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        yield from _in_order(child)


def _texts(nodes: list[ast.expr]) -> tuple[str, ...]:
    found: tuple[str, ...] = ast.literal_eval(nodes[0])
    return found


def _labels(*names: str) -> tuple[str, ...]:
    return tuple(label for name in names for label in (("channel", name) if name == "alias" else (name,)))
