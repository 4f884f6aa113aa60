"""The answer of ``/metrics``, read by prometheus-client's own parser."""

from __future__ import annotations

from typing import Any

from django.test import Client
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

TOKEN = "metrics-token-of-the-tests-0123456789"


class Scraped(dict[tuple[str, frozenset[tuple[str, str]]], float]):
    """The samples by name and labels; no two are of the same."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.families: dict[str, Metric] = {one.name: one for one in text_string_to_metric_families(text)}
        for family in self.families.values():
            for sample in family.samples:
                place = sample.name, frozenset(sample.labels.items())
                assert place not in self, place
                self[place] = sample.value

    def of(self, name: str, **labels: str) -> float:
        """``otpost_<name>`` with exactly these labels, 0 where there is none."""
        return self.get((f"otpost_{name}", frozenset(labels.items())), 0.0)

    @property
    def names(self) -> set[str]:
        """Those of samples, so with ``_total``, ``_bucket`` and the like; also of families without any."""
        of_type = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
        return {
            name + suffix
            for name, family in self.families.items()
            for suffix in of_type.get(family.type, ("",))
        }


def scrape(settings: Any) -> Scraped:
    settings.METRICS_TOKEN = TOKEN
    response = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Scraped(response.content.decode())
