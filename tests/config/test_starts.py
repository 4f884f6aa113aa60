"""The starts of other tests: none outlives the process that asked for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.config.observe import alive, eventually
from tests.starts import ROOT

ASKS = """
import os, time
from tests.starts import Start
start = Start(["-m", "http.server", "--bind", "127.0.0.1", "0"], os.environ, 2, 2)
print(start.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_start_outlives_who_asked_for_it(number):
    with subprocess.Popen(
        [sys.executable, "-c", ASKS], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        pid = int(parent.stdout.readline())
        assert alive([pid])
        os.killpg(parent.pid, number)
    assert eventually(lambda: not alive([pid]), 10)
