"""``settings.md``: names and forms out of config/settings.py and DECLARED, examples out of .env.example."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from config.settings import env
from sms import conf
from tests.reference.words import code, joined, paragraph, prose, same, table, words
from tests.starts import ROOT

#: The variables of `.env` for libraries that read them themselves.
OF_LIBRARIES = {"GRANIAN_WORKERS", "GRANIAN_BLOCKING_THREADS", "OTEL_EXPORTER_OTLP_ENDPOINT"}

FORMS = {
    "text": "text",
    "setting": "text",
    "secret": "text of at least 32 random characters",
    "flag": "`true` or `false`",
    "number": "number",
    "list": "`a,b,c`",
    "entries": "`name=value,name=value`",
    "json": "JSON",
}

INTRO = """
Otpost's own server reads its settings from the environment or from `.env`. `.env.example` lists them with
comments. In your own Django project they are [Django settings](../in-django.md) of the same name. Each entry
below says which type they have there.

If a setting cannot work, web, worker, beat and `manage.py` refuse to start. One line names the variable and
the fix, and the exit code is not 0. A misspelt name (`GUARD_MOD`) is refused too, and so is a value that
begins with `$`: no variable is expanded inside another.
"""


class Read(NamedTuple):
    """How config/settings.py reads a variable."""

    form: str
    unset: str


def page() -> str:
    told = words("settings")
    read = dict(_read()) | {name: Read("text", "") for name in OF_LIBRARIES}
    same("settings", [name for names in told.values() for name in names], read.keys() | conf.DECLARED.keys())
    assert env.names == read.keys() - OF_LIBRARIES
    index = [
        (title, ", ".join(f"[{code(name)}](#{name.lower()})" for name in names))
        for title, names in told.items()
    ]
    blocks = [
        block
        for title, names in told.items()
        for block in (f"## {title}", *(_setting(name, own, read.get(name)) for name, own in names.items()))
    ]
    return joined("# Settings", prose(INTRO), table(("about", "settings"), index), *blocks)


def _setting(name: str, own: Mapping[str, str], read: Read | None) -> str:
    facts = [f"Environment: {FORMS[read.form]}"] if read else []
    if declared := conf.DECLARED.get(name):
        where = "Django setting" if read else "A Django setting, not in the environment"
        facts.append(f"{where}: {_type(declared)}")
    facts.append(f"Default: {own.get('default') or _default(declared, read)}")
    value = own.get("example") or (_examples().get(name) if read else "")
    if value:
        facts.append(f"Example: {code(f'{name}={value}' if read else f'{name} = {value}')}")
    return joined(
        f"### {code(name)}", paragraph(own["meaning"]), "\n".join(f"- {fact}" for fact in facts)
    ).rstrip()


def _type(declared: conf.Setting) -> str:
    kinds = declared.kind if isinstance(declared.kind, tuple) else (declared.kind,)
    kind: Any = kinds[0] if kinds else type(declared.default)
    names = {Mapping: "dict", type(None): "str"}
    return code(names.get(kind, kind.__name__))


def _default(declared: conf.Setting | None, read: Read | None) -> str:
    value = declared.default if declared else read and read.unset
    if value in ("", None, [], {}):
        return "none"
    return code(f"{value:g}") if isinstance(value, float) else code(str(value))


def _read() -> Iterator[tuple[str, Read]]:
    """Each call of ``env`` in config/settings.py."""
    for node in ast.walk(ast.parse((ROOT / "config" / "settings.py").read_text())):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="env"), attr=form),
                args=[ast.Constant(value=str(name)), *rest],
            ):
                unset = rest[0].value if rest and isinstance(rest[0], ast.Constant) else ""
                yield name, Read(form, str(unset) if form == "number" else "")


def _examples() -> dict[str, str]:
    """The first example of each variable in .env.example."""
    found: dict[str, str] = {}
    for line in re.finditer(r"^(?:# )?([A-Z_]+)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE):
        found.setdefault(line[1], line[2])
    return found
