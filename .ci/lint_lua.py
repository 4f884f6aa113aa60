"""Lint the Lua scripts as they run: each with its includes in place, and knowing what Python gives it.

luacheck reads the expanded scripts. What it finds is reported by file and line of the source. A function that
a script includes but does not use is an error. Then split the include, or write `-- luacheck: ignore
211/name` in it, and why. A file that is part of no script is an error, too. stylua looks at the sources;
`python .ci/lint_lua.py --format` lets it rewrite them.

If luacheck or npx is missing, this says so; in CI that is an error.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
STYLUA = ("npx", "--yes", "@johnnymorganz/stylua-bin@2.5.2")

#: The globals that a Redis server gives to every script.
GLOBALS = ("redis", "cjson", "cmsgpack", "KEYS", "ARGV")

#: file:line:column: (code) message
_FOUND = re.compile(r"(.+?):(\d+):(\d+): (.*)")


class Used(NamedTuple):
    """A script that some module runs, where it looks for includes, and the names that Python gives it."""

    path: Path
    folders: tuple[Path, ...]
    given: tuple[str, ...]


def main() -> None:
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    if "--format" in sys.argv[1:]:
        sys.exit(subprocess.call([*STYLUA, *map(str, sources())]))
    wrong = []
    for command, package, check in (("luacheck", "lua-check", luacheck), ("npx", "npm", stylua)):
        if shutil.which(command):
            wrong += check()
            continue
        text = f"No {check.__name__} of the Lua scripts: {command} is missing (Debian: {package})."
        if os.environ.get("CI"):
            wrong.append(text)
        else:
            print(text, file=sys.stderr)
    if wrong:
        sys.exit("\n".join(wrong))


def sources() -> list[Path]:
    """Every Lua file of the repository."""
    return sorted(path for folder in ("otp", "sms", "tests") for path in Path(folder).rglob("*.lua"))


def luacheck() -> list[str]:
    """The faults of the scripts as they run."""
    from sms import lua_source

    wrong: list[str] = []
    places: dict[str, list[lua_source.Line]] = {}
    read: set[Path] = set()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = ["std = 'lua51'", "max_line_length = false", f"read_globals = {lua(GLOBALS)}"]
        for script in scripts():
            expanded = script.path.relative_to(ROOT)
            lines = list(lua_source.lines(script.path, script.folders))
            read |= {line.path for line in lines}
            places[str(expanded)] = lines
            (folder / expanded).parent.mkdir(parents=True, exist_ok=True)
            (folder / expanded).write_text("".join(f"{line.text}\n" for line in lines))
            config.append(f"files['{expanded}'] = {{ read_globals = {lua(script.given)} }}")
        (folder / ".luacheckrc").write_text("\n".join(config))
        command = ["luacheck", "--codes", "--formatter", "plain", "."]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    users: dict[str, list[str]] = defaultdict(list)
    for report in done.stdout.splitlines():
        if not (found := _FOUND.fullmatch(report)):
            wrong.append(report)
            continue
        which = found[1].removeprefix("./")
        place = places[which][int(found[2]) - 1]
        users[f"{place.path.relative_to(ROOT)}:{place.number}:{found[3]}: {found[4]}"].append(which)
    wrong += [f"{text} [run by {', '.join(names)}]" for text, names in users.items()]
    if done.returncode and not wrong:
        wrong.append(done.stderr or f"luacheck ended with {done.returncode}")
    wrong += [f"{path}: nothing runs it" for path in sources() if path.absolute() not in read]
    if not wrong:
        print(f"luacheck: {len(places)} scripts out of {len(read)} files are good")
    return wrong


def stylua() -> list[str]:
    """Whether the sources are laid out as stylua.toml wants it."""
    done = subprocess.run(
        [*STYLUA, "--check", "--output-format", "Summary", *map(str, sources())],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        print(f"stylua: {len(sources())} files are good")
        return []
    return [f"{done.stdout}{done.stderr}python .ci/lint_lua.py --format lays them out"]


def scripts() -> list[Used]:
    """Every script that the product runs, and those of the bench, as their modules make them."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    from sms.scripts import Script

    used: dict[Path, Used] = {}
    usual = Script.__init__

    def noted(script: Script, path: Path, **options: Any) -> None:
        usual(script, path, **options)
        folders = options.pop("includes", ())
        given = (*options.pop("keys", ()), *options)
        used[path.resolve()] = Used(path.resolve(), tuple(map(Path.resolve, folders)), given)

    Script.__init__ = noted  # type: ignore[method-assign, assignment]
    django.setup()
    for package in ("otp", "sms"):
        modules(importlib.import_module(package))
    for module in (
        "tests.bench.pumping",
        "tests.otp.admission.test_limit_steps",
        "tests.otp.guard.test_guard_counts",
        "tests.sms.delivery.test_undelivered",
        "tests.sms.test_overload",
    ):
        importlib.import_module(module)
    return sorted(used.values())


def modules(package: ModuleType) -> None:
    """Import a package with all its modules, except those that need another project's apps and settings."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.startswith("otp.contrib."):
            importlib.import_module(found.name)


def lua(names: tuple[str, ...]) -> str:
    return "{" + ", ".join(f"'{name}'" for name in names) + "}"


if __name__ == "__main__":
    main()
