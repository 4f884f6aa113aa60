"""``docs/scale.md`` shows what ``python -m tests.bench.capacity`` reckons."""

from __future__ import annotations

import json
import random
import re
import statistics
import subprocess
import sys

import pytest

from tests.bench.capacity import CELLS, Costs, Station, carried, plan
from tests.starts import ROOT

PAGE = (ROOT / "docs" / "scale.md").read_text()


def reckoned(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.bench.capacity", *arguments]
    return subprocess.check_output(command, cwd=ROOT, text=True)


def test_the_page_shows_what_is_reckoned():
    for line in reckoned().splitlines():
        if line.startswith("|"):
            assert line in PAGE.splitlines()
    found = json.loads(reckoned("--json"))
    assert f"**{found['one_redis']} codes a second** for one Redis" in PAGE
    assert f"**{found['hub']:,} codes a second**" in PAGE
    two, four, eight = (
        f"{one['average']:,} ({one['least']:,} to {one['most']:,})" for one in found["servers"].values()
    )
    carry = f"two carry {two} codes a second, four {four}, and eight {eight}."
    assert carry in " ".join(PAGE.split())


def test_the_page_shows_what_was_measured():
    measures = json.loads((ROOT / "docs" / "scale.json").read_text())
    measured = {one["measure"]: [one["ours"], *one["spread"]] for one in measures}
    span = r"[\d.]+ \([\d.]+ to [\d.]+\)"
    one = re.findall(rf"^\| (\w+)[^|]* \| ({span}) \| (\w+) ({span}) \|", PAGE, re.MULTILINE)
    cells = re.findall(rf"^\| (\w+) \| ({span}) \| ({span}) \| (\w+) ({span}) \|", PAGE, re.MULTILINE)
    shown = {f"a {step}: Redis": redis for step, redis, _, _ in one}
    shown |= {f"a {step}: {process}": its for step, _, process, its in one}
    shown |= {f"a {step} in cells: the hub": hub for step, hub, *_ in cells}
    shown |= {f"a {step} in cells: the phone's cell": cell for step, _, cell, *_ in cells}
    shown |= {f"a {step} in cells: {process}": its for step, *_, process, its in cells}
    assert shown == {
        name: f"{middle:.2f} ({low:.2f} to {high:.2f})" for name, (middle, low, high) in measured.items()
    }


def test_the_page_shows_what_servers_of_their_own_took():
    measures = json.loads((ROOT / "docs" / "servers.json").read_text())
    found = {one["measure"]: one for one in measures}

    def shown(name: str, digits: str) -> str:
        if name not in found:
            return "–"
        values = found[name]["rounds"]["ours"]
        middle, low, high = statistics.median(values), min(values), max(values)
        return f"{middle:{digits}} ({low:{digits}} to {high:{digits}})"

    sides = dict.fromkeys(name.partition("s, ")[2].partition(":")[0] for name in found)
    assert len(sides) == 4
    for step in ("start", "send"):
        for side in sides:
            of = f"{step}s, {side}: "
            carried = found[f"{of}carried by the busiest server"]
            low, high = carried["spread"]
            against = f", {carried['ratio']:.2f} × ({low:.2f} to {high:.2f})" if carried["ratio"] else ""
            row = (
                *(step, side, shown(f"{of}all clients", ",.0f")),
                *(shown(f"{of}the first server", ".2f"), shown(f"{of}another server", ".2f")),
                f"{carried['ours']:,.0f}{against}",
            )
            assert f"| {' | '.join(row)} |" in PAGE.splitlines()
    start, send = (
        max(one["ours"] for name, one in found.items() if name.startswith(step) and "queues" in name)
        for step in ("starts", "sends")
    )
    assert f"took {start:.2f} ms for a start and {send:.2f} for a send" in " ".join(PAGE.split())
    costs = {one["measure"]: one["ours"] for one in json.loads((ROOT / "docs" / "scale.json").read_text())}

    def measured(side: str) -> float:
        return sum(found[f"{step}s, {side}: the first server"]["ours"] for step in ("start", "send"))

    def reckoned_of(part: str) -> float:
        return sum(costs[f"a {step}{part}"] for step in ("start", "send"))

    cells = " in cells: the phone's cell"
    gains = [measured("1 server, one cell") / measured(f"{count} servers, 64 cells") for count in (2, 4)]
    reckoned_gains = [
        reckoned_of(": Redis") / (reckoned_of(" in cells: the hub") + reckoned_of(cells) / count)
        for count in (2, 4)
    ]
    text = " ".join(PAGE.split())
    assert (
        "two servers carry {:.2f} times as many starts and sends as one, and four {:.2f}".format(*gains)
        in text
    )
    assert "gives {:.2f} times for two servers and {:.2f} times for four".format(*reckoned_gains) in text


def test_how_many_cells_a_server_has_is_as_chance_has_it():
    """Of four, one has a quarter of the cells on average."""
    costs = Costs(0, 0, 0, 0, 0, 0, hub=0, cell=0.0007, web_in_cells=0, worker_in_cells=0)
    chance = random.Random(7)
    found = sorted(sum(chance.random() < 1 / 4 for _ in range(CELLS)) for _ in range(2000))
    told = carried(costs, 4)
    shares = [CELLS / 4, found[1900], found[100]]
    assert [told.average, told.least, told.most] == pytest.approx([64_000 / one for one in shares], abs=1)


def test_what_is_busiest_is_named_and_a_slow_vendor_wants_slots():
    costs = Costs(0.001, 0.001, 0.001, 0.001, 0.001, 0.001, 0.002, 0.003, 0.001, 0.001)
    assert plan(costs, 233, answer=0.2, core_hour=1).first == "Redis"
    most = plan(costs, 340, answer=0.1, core_hour=1)
    assert (most.installations, most.servers, most.first) == (1, 3, "hub")
    more = plan(costs, 400, answer=0.1, core_hour=1)
    assert (more.installations, more.servers, more.first) == (2, 4, "Redis")
    slow = plan(costs, 100, answer=10, core_hour=1)
    assert (slow.slots, slow.workers, slow.first) == (1000, 13, "workers")


def test_a_line_is_as_long_as_theory_has_it():
    """M/M/1: with a server that is busy for a share of r, the mean wait is r / (1 - r) services."""
    chance, station, now, waits = random.Random(7), Station(1), 0.0, []
    for _ in range(200_000):
        now += chance.expovariate(0.5)
        begins, _ = station.serve(now, chance.expovariate(1))
        waits.append(begins - now)
    assert abs(statistics.fmean(waits) - 1) < 0.05


def test_the_installation_of_a_number_stays_and_numbers_are_spread():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found: dict = {}
    exec(code, found)  # noqa: S102  # our own page
    places = [found["installation_of"](f"+1202555{n:04}") for n in range(1000)]
    assert places == [found["installation_of"](f"+1202555{n:04}") for n in range(1000)]
    assert {places.count(place) // 100 for place in found["INSTALLATIONS"]} <= {4, 5}


def test_a_wrong_option_is_told(tmp_path):
    for wrong in (["--rate", "0"], ["--answer", "x"], ["--figures", str(tmp_path / "none")]):
        command = [sys.executable, "-m", "tests.bench.capacity", *wrong]
        done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, wrong[0] in done.stderr or wrong[1] in done.stderr) == (2, True)
