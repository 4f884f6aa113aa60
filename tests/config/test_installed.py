"""The output of a process of this service if only the apps are installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.starts import ROOT

WITHOUT = """
import importlib.util, runpy, sys
found = importlib.util.find_spec
lacks = ("environ", "whitenoise")
importlib.util.find_spec = lambda name, *rest: None if name in lacks else found(name, *rest)
sys.argv = sys.argv[1:]
sys.path.insert(0, "")
if sys.argv[0] == "manage.py":
    runpy.run_path("manage.py", run_name="__main__")
else:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["manage.py", "check"],
        ["config.web"],
        ["config.demo"],
        ["celery", "-A", "config", "worker"],
    ],
)
def test_what_is_missing_is_named_with_the_mend(words):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *words],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "Otpost's own server needs django-environ, whitenoise. Install everything that it needs: "
        "pip install --require-hashes -r requirements.txt.\n"
    )
