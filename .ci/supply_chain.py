"""List the packages of Otpost's own server, and report those with a known vulnerability.

    python3 .ci/supply_chain.py TOOLS PYTHON OUTPUT

TOOLS is an environment with the packages of .ci/release.txt. PYTHON is the Python of another one, which has
those of requirements.txt and nothing else. This writes a CycloneDX document to OUTPUT, and has pip-audit ask
services for advisories. A service counts only if it knows the holes of an old Django. If none does, this says
NOT AUDITED, because it could not find any hole.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ("pypi", "osv")
#: A version with dozens of known holes, such as CVE-2019-14234 (SQL injection).
CANARY = "django==2.0"


def main(tools: Path, python: Path, output: Path) -> int:
    """Exit code 1 if there is a hole, or if a service audited only some of the packages."""
    make_sbom(tools, python, output)
    return look_for_holes(tools)


def look_for_holes(tools: Path) -> int:
    """The exit code."""
    works = [name for name in SERVICES if holes(audit(tools, name, [CANARY]))]
    if not works:
        print(f"NOT AUDITED: {' and '.join(SERVICES)} are out of reach: no hole is known in {CANARY}")
        return 0
    found = [one for lines in rounds(pins()) for one in audit(tools, works[0], lines)]
    left = [f"{one['name']}: {one['skip_reason']}" for one in found if "skip_reason" in one]
    if left or len(found) < len(pins()):
        print(f"{works[0]} answers, but did not audit everything:", *left, sep="\n")
        return 1
    print(f"audited {len(found)} packages by {works[0]}", *holes(found), sep="\n")
    return bool(holes(found))


def pins() -> list[str]:
    """Each package with its version. A package may have several, for different versions of Python."""
    return re.findall(r"^([\w-]+==[^\s;]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)


def rounds(lines: list[str]) -> list[list[str]]:
    """Split the lines into lists, none of which has a package twice."""
    found: list[list[str]] = []
    for line in lines:
        name = line.partition("==")[0]
        free = [each for each in found if not any(one.startswith(f"{name}==") for one in each)]
        if not free:
            free = [[]]
            found += free
        free[0].append(line)
    return found


def make_sbom(tools: Path, python: Path, output: Path) -> None:
    """Write the document, valid by CycloneDX's schema, with each package that is installed and no other."""
    output.parent.mkdir(parents=True, exist_ok=True)
    options = ["--pyproject", "pyproject.toml", "--mc-type", "application", "--output-reproducible"]
    options += ["--sv", "1.6", "--of", "JSON", "--validate", "-o", str(output.resolve())]
    command = [tools / "bin" / "cyclonedx-py", "environment", *options, str(python)]
    subprocess.run(command, cwd=ROOT, check=True)
    made = json.loads(output.read_text())
    expect((made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6"), made["bomFormat"])
    expect(made["metadata"]["component"]["name"] == "otpost", made["metadata"])
    listed = {f"{one['name'].lower()}=={one['version']}" for one in made["components"]}
    unknown = {normal(one) for one in listed if not re.match("(pip|setuptools)==", one)} - {*pins()}
    expect(not unknown, unknown)
    expect({"django", "granian", "twilio"} <= {one.partition("==")[0] for one in listed}, listed)
    with_licence = sum("licenses" in one for one in made["components"])
    print(f"{output.name}: {len(listed)} components, {with_licence} with a licence; CycloneDX 1.6")


def normal(requirement: str) -> str:
    """The requirement, with the name as pip writes it."""
    name, _, version = requirement.partition("==")
    return f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}"


def audit(tools: Path, service: str, lines: list[str]) -> list[dict[str, Any]]:
    """The service's answer about each package; empty if it cannot be read."""
    options = ["-f", "json", "--progress-spinner", "off", "--disable-pip", "--no-deps"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines))
        file.flush()
        command = [tools / "bin" / "pip-audit", "-s", service, *options, "-r", file.name]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        print(f"{service}: {(done.stderr.strip().splitlines() or ['no answer'])[-1][:300]}")
        return []
    return found


def holes(found: list[dict[str, Any]]) -> list[str]:
    """One line for each known vulnerability."""
    return [
        f"{one['name']} {one['version']}: {hole['id']}, fixed in {hole['fix_versions']}"
        for one in found
        for hole in one.get("vulns", ())
    ]


def expect(holds: object, text: object) -> None:
    """Like assert, which -O would drop."""
    if not holds:
        raise AssertionError(text)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
