"""Lighthouse, out of npm: what it says of a page on a slow phone.

Its score of speed is one of this machine as well: it measures how long the processor is busy. ``weight`` has
the parts that make a page slow anywhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.config.observe import eventually
from tests.e2e.browser import ARGS, CHROMIUM, LAUNCHER

LIGHTHOUSE = Path(os.environ.get("NODE_PATH", "/nowhere")) / "lighthouse" / "cli" / "index.js"

#: "is-on-https" and others know that loopback needs no TLS.
CATEGORIES = ("performance", "accessibility", "best-practices")


def lacking() -> str:
    """What an audit needs and this machine lacks, and how to get it; "" if all is there."""
    if not Path(CHROMIUM).exists():
        return f"needs {CHROMIUM}: install the package chromium"
    if not shutil.which("node"):
        return "needs node: install the package nodejs"
    if not LIGHTHOUSE.exists():
        return (
            "needs Lighthouse where NODE_PATH says: npm install --prefix /tmp/npm lighthouse@12.8.2, "
            "then export NODE_PATH=/tmp/npm/node_modules"
        )
    return ""


def audited(url: str, **headers: str) -> dict[str, Any]:
    """Its report of ``url``. ``headers`` go with each request, such as a cookie."""
    with TemporaryDirectory() as profile:
        options = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        browser = subprocess.Popen([LAUNCHER, *ARGS, *options], stderr=subprocess.DEVNULL)
        try:
            port_file = Path(profile) / "DevToolsActivePort"
            if not eventually(lambda: _port(port_file), 60):
                raise TimeoutError("Chromium did not open a port.")
            command = ["node", str(LIGHTHOUSE), url, f"--port={_port(port_file)}", "--quiet", "--output=json"]
            command += ["--no-enable-error-reporting", f"--extra-headers={json.dumps(headers)}"]
            command += [f"--only-categories={','.join(CATEGORIES)}"]
            command += ["--max-wait-for-load=120000"]
            for _ in range(3):  # on a busy machine it may give up before it has looked at anything
                done = subprocess.run(command, check=False, stdout=subprocess.PIPE)
                if done.returncode == 0:
                    break
            done.check_returncode()
            report: dict[str, Any] = json.loads(done.stdout)
            return report
        finally:
            browser.terminate()
            browser.wait()


def _port(file: Path) -> str:
    """The port that the browser has taken; "" before that."""
    return file.read_text().partition("\n")[0] if file.exists() else ""


def scores(report: dict[str, Any]) -> dict[str, int]:
    """From 0 to 100."""
    return {name: round(report["categories"][name]["score"] * 100) for name in CATEGORIES}


def failed(report: dict[str, Any], category: str) -> list[str]:
    """The audits that keep ``category`` from 100."""
    refs = [of["id"] for of in report["categories"][category]["auditRefs"] if of["weight"]]
    audits = [report["audits"][id] for id in refs]
    return [f"{audit['id']}: {audit['title']}" for audit in audits if audit["score"] not in (1, None)]


def weight(report: dict[str, Any]) -> dict[str, float]:
    """The costs of a page on any machine: bytes, requests, elements, and how far things jump about."""
    audits = report["audits"]
    loaded = audits["network-requests"]["details"]["items"]
    return {
        "bytes": audits["total-byte-weight"]["numericValue"],
        "requests": len([one for one in loaded if one["resourceType"] != "Fetch"]),  # which come later
        "elements": audits["dom-size"]["numericValue"],
        "shift": audits["cumulative-layout-shift"]["numericValue"],
    }
