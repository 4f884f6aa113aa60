"""A real Prometheus reads a running stack as docs/monitoring says, and an alert of ours fires there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from config.demo.embedded import EmbeddedServer
from config.demo.ports import free_port
from tests.faults.load import phone
from tests.faults.stack import Stack, wait_for
from tests.monitoring.test_files import HERE, promtool
from tests.scraped import TOKEN

PROMETHEUS = shutil.which("prometheus")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROMETHEUS is None, reason="needs Debian's package prometheus"),
]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Nothing listens where its provider should."""
    provider = f"main=twilio://AC{'0' * 32}:{'0' * 32}@?from=%2B15005550006&base_url=http://127.0.0.1:9"
    with (
        EmbeddedServer() as server,
        Stack(
            tmp_path,
            REDIS_URL=server.url,
            CELERY_BROKER_URL=server.url,
            SMS_PROVIDERS=provider,
            METRICS_TOKEN=TOKEN,
            PUBLIC_URL="https://otp.example.com",
        ) as found,
    ):
        found.begin()
        yield found


class Prometheus:
    """Reads the stack every second by the page's own lines, and by our rules, which do not wait."""

    def __init__(self, stack: Stack, directory: Path) -> None:
        self.port = free_port()
        (text,) = re.findall(
            r"```yaml\n(# /etc/prometheus/.*?)```", (HERE / "README.md").read_text(), re.DOTALL
        )
        config = yaml.safe_load(text)
        rules, token = directory / "otpost.yml", directory / "otpost.token"
        alerts = (HERE / "alerts.yml").read_text()
        rules.write_text(re.sub(r"for: \w+", "for: 1s", alerts))
        token.write_text(TOKEN)
        (scraped,) = config["scrape_configs"]
        assert config["rule_files"] == [f"/etc/prometheus/{rules.name}"]
        assert scraped["authorization"]["credentials_file"] == f"/etc/prometheus/{token.name}"
        config |= {"rule_files": [str(rules)], "global": {"evaluation_interval": "1s"}}
        scraped |= {"scrape_interval": "1s", "scrape_timeout": "1s"}
        scraped["authorization"]["credentials_file"] = str(token)
        scraped["static_configs"] = [{"targets": [f"127.0.0.1:{stack.web_port}"]}]
        self.config = directory / "prometheus.yml"
        self.config.write_text(yaml.safe_dump(config))
        self._log = directory / "prometheus.log"
        with self._log.open("ab") as log:
            stack.leash.spawn(
                [
                    str(PROMETHEUS),
                    f"--config.file={self.config}",
                    f"--storage.tsdb.path={directory / 'prometheus'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def ask(self, path: str, **words: str) -> Any:
        """The answer of its API; None while it starts."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/api/v1/{path}?{urlencode(words)}", timeout=5
            ) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def value(self, query: str) -> float | None:
        found = self.ask("query", query=query)
        return float(found["result"][0]["value"][1]) if found and found["result"] else None

    def firing(self) -> set[str]:
        alerts = (self.ask("alerts") or {"alerts": []})["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


def test_it_scrapes_a_running_stack_and_an_alert_fires(stack: Stack, tmp_path: Path):
    prometheus = Prometheus(stack, tmp_path)
    promtool("check", "config", prometheus.config)
    wait_for(lambda: prometheus.value('up{job="otpost"}') == 1)
    wait_for(lambda: (prometheus.value("otpost_last_sweep_seconds") or 60) < 30)
    wait_for(lambda: not prometheus.firing())
    # Once the provider is left out no code could be sent in time, and the answer is 503.
    answers = [stack.call("POST", "/v1/verifications", {"phone": phone(number)})[0] for number in range(8)]
    assert {*answers} <= {202, 503}
    wait_for(lambda: "OtpostProviderLeftOut" in prometheus.firing())
    (alert,) = (
        found
        for found in prometheus.ask("alerts")["alerts"]
        if found["labels"]["alertname"] == "OtpostProviderLeftOut"
    )
    assert alert["labels"]["alias"] == "main"
    assert alert["annotations"]["runbook_url"] == "docs/runbook.md#otpostproviderleftout"
    wait_for(lambda: prometheus.value('sum(otpost_starts_total{outcome="issued"})') == answers.count(202))
    assert "OtpostWebDown" not in prometheus.firing()
